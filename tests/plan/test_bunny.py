"""The configs of the published table on Bunny: the networks are the published ones."""

import math
from pathlib import Path

import pytest
import yaml

from vcl import config as configs
from vcl.grid_file import read_grid
from vcl.plan.network import network_of

BUNNY = Path(__file__).parents[2] / "experiments" / "bunny"

TEN_EPOCHS = ["backbone.initial=scaled", "train.epochs=10", "train.lr=2e-3", "train.precision=bfloat16"]
TEN_EPOCHS += ["train.threads=1"]
"""What experiments/README.md adds to ``pfnr_block2.yaml`` for the run that it documents."""


def parameters(config):
    """Shared weights and the head of one session."""
    layout = network_of(config, 1).layout()
    return tuple(sum(map(math.prod, shapes.values())) for shapes in (layout.weights, layout.session))


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("wsn", 12_544_256),
        ("pfnr_block1", 14_149_888),
        ("pfnr_block2", 50_391_296),
        ("pfnr_block2_as_published", 50_004_224),
    ],
)
def test_masked_networks_have_the_pfnr_papers_numbers_of_weights(name, weights):
    assert parameters(configs.load(BUNNY / f"{name}.yaml")) == (weights, 288)


@pytest.mark.parametrize(("name", "channels", "published"), [("s", 26, 3_201_905), ("l", 112, 12_524_563)])
def test_single_networks_have_nervs_numbers_without_biases_and_with_a_sessions_embedding(name, channels, published):
    config = configs.load(BUNNY / f"single_nerv_{name}.yaml")
    biases = 512 + 9 * 16 * channels + 25 * channels + 4 * (4 * 96) + 3
    embedding = 80 * 512
    assert config.backbone.channels == channels
    assert sum(parameters(config)) == published - biases + embedding


@pytest.mark.parametrize("path", sorted(BUNNY.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_file_is_of_all_of_bunny_at_the_published_size_and_number_of_epochs(path):
    for config in [cell.config(BUNNY) for cell in read_grid(path)] if ".grid" in path.name else [configs.load(path)]:
        assert (config.stream.benchmark, config.stream.size) == ("bunny", (720, 1280))
        assert (config.stream.frames, config.train.threads, config.train.batch) == (None, None, 1)
        assert config.train.epochs == (300 if config.method.name == "single" else 150)
        assert getattr(config.method, "capacity", 0.3) == 0.3


def test_the_grid_crosses_the_networks_of_the_files_with_both_recipes():
    cells = {cell.name: cell.config(BUNNY) for cell in read_grid(BUNNY / "table.grid.yaml")}
    files = [path for path in BUNNY.glob("*.yaml") if path.stem not in ("base", "table.grid")]
    assert len(files) == 6
    assert set(cells) == {f"{path.stem}/{recipe}" for path in files for recipe in ("paper", "fast")}
    for path in files:
        paper, fast = (cells[f"{path.stem}/{recipe}"] for recipe in ("paper", "fast"))
        assert configs.load(path, ["train.precision=tfloat32"]) == paper
        assert configs.load(path, ["train.recipe=fast"]) == fast


def test_a_file_alone_is_in_the_papers_recipe():
    config = configs.load(BUNNY / "wsn.yaml")
    assert (config.backbone.initial, config.train.lr, config.train.betas) == ("paper", 5e-4, (0.5, 0.999))
    assert configs.load(BUNNY / "wsn.yaml", ["train.recipe=fast"]).backbone.initial == "scaled"


def test_the_documented_run_of_ten_epochs_is_what_it_was():
    readme = (BUNNY.parent / "README.md").read_text().replace("\\\n", " ")
    command = next(
        line for line in readme.splitlines() if line.startswith("vcl run experiments/bunny/pfnr_block2.yaml")
    )
    assert command.split()[3:] == ["--out", "runs/bunny", *TEN_EPOCHS]
    was = yaml.safe_load("""
        stream: {benchmark: bunny, size: [720, 1280]}
        backbone: {operator_block: 2, initial: scaled}
        method: {name: pfnr, capacity: 0.3}
        train: {recipe: paper, epochs: 10, lr: 2.0e-3, precision: bfloat16, threads: 1}
    """)
    assert configs.load(BUNNY / "pfnr_block2.yaml", TEN_EPOCHS) == configs.from_dict(was)
