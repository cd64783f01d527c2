from pathlib import Path

import pytest
import yaml

from vcl import config as configs
from vcl.errors import ConfigError
from vcl.grid_file import read_grid

FILES = sorted((Path(__file__).parents[2] / "experiments").rglob("*.yaml"))


EXPERIMENTS = [
    path for path in FILES if not path.name.endswith((".grid.yaml", ".search.yaml")) and path.parent.name != "parts"
]


GRIDS = [path for path in FILES if path.name.endswith(".grid.yaml")]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("- 1\n- 2\n", "must hold keys and values, got a list"),
        ("a: [1\n", "is not YAML"),
        ("train: 1\n", "train must hold keys and values, got 1"),
        ("train:\n", "train must hold keys and values, got nothing"),
        ("train: {epochs: }\n", "train.epochs must be a whole number, got nothing"),
        ("", "must hold keys and values, got nothing"),
        ("~: 3\n", "~ is not a setting"),
        ("train: {1: 3}\n", "train.1 is not a setting"),
        ("? [a]\n: 3\n", "line 1: a key must be text"),
        ("? {a: b}\n: 3\n", "line 1: a key must be text"),
        ("train: {epochs: 1}\nstream: {}\ntrain: {}\n", "line 3: the key 'train' is there twice, first in line 1"),
        ("train:\n  epochs: 1\n  epochs: 2\n", "line 3: the key 'epochs' is there twice, first in line 2"),
        ("train:\n\tepochs: 1\n", "line 2, column 1: found character '.t' that cannot start any token"),
        ("a: 1\n---\nb: 2\n", "line 2"),
        ("[" * 2000, "nested too deeply"),
        ("a: &a [*a]\n", "nested too deeply"),
        ("a: \0", r"line 1: the character U\+0000 is not allowed"),
        ('stream: {root: "\\ud800"}', r"stream.root must be text that UTF-8 can hold, .* got .ud800"),
        ('stream: {root: "a\\0b"}', r"stream.root must be text that UTF-8 can hold, .* got a.x00b"),
    ],
)
def test_a_file_that_is_no_config_is_refused(tmp_path, text, line):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=line):
        configs.load(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere.yaml cannot be read: No such file or directory"):
        configs.load(tmp_path / "nowhere.yaml")


def test_yaml_that_asks_for_code_is_refused(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("train: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(ConfigError, match="is not YAML"):
        configs.load(path)


@pytest.mark.parametrize("words", [[], ["method.name=pfnr", "backbone.operator_block=1"], ["method.name=single"]])
def test_a_config_comes_back_from_its_yaml(tmp_path, words):
    config = configs.load(None, words)
    path = tmp_path / "saved.yaml"
    path.write_text(configs.to_yaml(config))
    assert configs.load(path) == config
    assert configs.from_dict(yaml.safe_load(path.read_text())) == config


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_experiment_loads(path):
    config = configs.load(path)
    name = config.backbone.name if path.parent.name == "backbones" else config.method.name
    assert name in path.stem or path.stem in ("base", "best_rate")


def test_experiments_whose_results_are_quoted_keep_the_paper_s_recipe_for_what_they_do_not_set():
    named = {path.parent.name for path in EXPERIMENTS if configs.load(path).train.recipe == "fast"}
    assert named <= {"recipe", "bunny", "equal_bytes"}


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_grid_names_runs_that_can_be(path):
    cells = read_grid(path)
    assert len({cell.name for cell in cells}) == len(cells) > 1


def test_a_file_builds_on_others_and_the_last_word_wins(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "recipe.yaml").write_text("train: {epochs: 7, batch: 2}\nstream: {size: [32, 48]}\n")
    (tmp_path / "parts" / "long.yaml").write_text("base: recipe.yaml\ntrain: {epochs: 9}\n")
    own = tmp_path / "own.yaml"
    own.write_text("base: [parts/recipe.yaml, parts/long.yaml]\nmethod: {name: wsn}\nstream: {size: [64, 64]}\n")
    config = configs.load(own, ["train.batch=3"])
    assert (config.train.epochs, config.train.batch, config.stream.size) == (9, 3, (64, 64))
    assert config.method.name == "wsn"
    assert "base" not in configs.to_dict(config)


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("own.yaml", "must name files that do not build on this one, got own.yaml"),
        ("[[3]]", r"must name files that do not build on this one, got \[3\]"),
        ("", "must name files that do not build on this one, got nothing"),
        ("none.yaml", r"none\.yaml cannot be read: No such file"),
    ],
)
def test_a_base_that_is_none_is_refused(tmp_path, base, message):
    own = tmp_path / "own.yaml"
    own.write_text(f"base: {base}\n")
    with pytest.raises(ConfigError, match=message):
        configs.load(own)
