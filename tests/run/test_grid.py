"""Grids of runs: what a file means, what is run, what is passed over."""

import contextlib
import logging
import time

import pytest
import yaml
from warm_process import start_vcl

from vcl import config as configs
from vcl.cli import main
from vcl.errors import ConfigError, Interrupted
from vcl.grid import read_grid, run_cell, run_grid
from vcl.report.comparison import compare_runs
from vcl.report.summary import summarise
from vcl.rundir import RunFolder, run_folders


@pytest.fixture
def grid(tmp_path, tiny_config, stream):
    """Call with axes; gives the path of a grid of tiny runs."""

    def make(axes):
        base = configs.to_dict(tiny_config("finetune", stream={**stream, "videos": ["clip0", "clip1"]}))
        del base["method"], base["backbone"]["operator_block"]
        (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
        (tmp_path / "a.grid.yaml").write_text(yaml.safe_dump({"config": "base.yaml", "axes": axes}, sort_keys=False))
        return tmp_path / "a.grid.yaml"

    return make


METHODS = {"wsn": ["method.name=wsn"], "finetune": ["method.name=finetune"]}
SEEDS = {"0": ["train.seed=0"], "1": ["train.seed=1"]}


def nobody(*_):
    return contextlib.nullcontext([])


def test_every_choice_of_one_axis_meets_every_choice_of_the_others(grid):
    cells = read_grid(grid({"method": METHODS, "seed": SEEDS}), ["train.epochs=2"])
    assert [cell.name for cell in cells] == ["wsn/0", "wsn/1", "finetune/0", "finetune/1"]
    config = cells[1].config(None)
    assert (config.method.name, config.train.seed, config.train.epochs) == ("wsn", 1, 2)


def test_a_choice_may_have_a_config_of_its_own(grid, tmp_path):
    path = grid({"network": {"usual": [], "other": {"config": "other.yaml"}}, "seed": SEEDS})
    (path.parent / "other.yaml").write_text("train: {epochs: 3}\nbackbone: {name: siren}\n")
    usual, _, other, _ = read_grid(path)
    assert usual.config(None).backbone.name == "nerv"
    assert (other.config(None).backbone.name, other.config(None).train.epochs) == ("siren", 3)


@pytest.mark.parametrize(
    ("axes", "line"),
    [
        ({}, "axes must hold one axis or more, got {}"),
        (
            {"method": {"wsn": "method.name=wsn"}},
            "axes.method.wsn must be a list of key=value settings, got method.name",
        ),
        ({"method": {"a/b": []}}, "axes.method must hold names of folders, got a/b"),
        ({"method": {"..": []}}, "axes.method must hold names of folders, got [.][.]"),
        ({"seed": {1: [], "1": []}}, "is not YAML: line 5: the key '1' is there twice, first in line 4"),
        ({"method": {"wsn": {"settings": [], "bytes": "pfnr"}}}, "nothing else, got bytes"),
        ({"method": {"wsn": {"settings": [], "bytes_of": None}}}, "bytes_of must name a choice .*, got null"),
        ({"seed": {"a": [["train.seed=1"]]}}, r"axes.seed.a must be a list of .* settings, got \[\[train.seed=1\]\]"),
        (
            {"method": {"wsn": [], "finetune": {"settings": ["method.name=finetune"], "bytes_of": "wsn"}}},
            "finetune: method.session_bytes is not a setting",
        ),
        (
            {"method": METHODS, "seed": {"x": ["train.sed=0"]}},
            r"wsn/x: train.sed is not a setting; did you mean train.seed",
        ),
        ({"method": {"wsn": {"config": None}}}, "axes.method.wsn: config must be the path of a YAML file, got null"),
        (
            {"method": {"wsn": {"config": "a.yaml"}}, "seed": {"x": {"config": "b.yaml"}}},
            "a run has one config, got a.yaml and b.yaml of wsn/x",
        ),
        (
            {"method": {"wsn": {"settings": [], "bytes_of": "what"}}},
            "bytes_of must name a choice of the same axis that has no bytes_of itself, got what",
        ),
    ],
)
def test_a_file_that_is_no_grid_is_refused_with_its_place(grid, axes, line):
    with pytest.raises(ConfigError, match=line):
        read_grid(grid(axes))


def test_a_grid_without_the_path_of_a_config_is_refused(tmp_path):
    for config, found in (("[5]", r"\[5\]"), ("null", "null"), ("", "nothing")):
        (tmp_path / "a.grid.yaml").write_text(f"config: {config}\naxes: {{seed: {{a: []}}}}\n")
        with pytest.raises(ConfigError, match=f"config must be the path of a YAML file, got {found}"):
            read_grid(tmp_path / "a.grid.yaml")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "config: a.yaml\naxes: {}\nseeds: 3\n",
            "must hold config and axes, may hold launch, and nothing else, got seeds",
        ),
        ("config: a.yaml\naxes: {}\n", "axes must hold one axis or more, got {}"),
        ("axes:\n  seed: {a: []}\n  seed: {b: []}\n", "line 3: the key 'seed' is there twice, first in line 2"),
        ("axes:\n  seed:\n    a: []\n    a: [x=1]\n", "line 4: the key 'a' is there twice, first in line 3"),
        ("", "must hold config and axes, may hold launch, and nothing else$"),
    ],
)
def test_a_grid_names_what_is_there_twice_or_too_much(tmp_path, text, line):
    (tmp_path / "a.grid.yaml").write_text(text)
    with pytest.raises(ConfigError, match=line):
        read_grid(tmp_path / "a.grid.yaml")


def test_a_choice_may_have_a_name_of_any_alphabet_and_no_control_character(grid):
    names = ["می‌خواهم", "全\u3000角"]
    assert [cell.name for cell in read_grid(grid({"seed": {name: [] for name in names}}))] == names
    with pytest.raises(ConfigError, match=r"must hold names of folders, got a\\x1bb"):
        read_grid(grid({"seed": {"a\x1bb": []}}))


def test_a_choice_keeps_the_name_it_was_given(grid):
    path = grid({"seed": {"placeholder": ["train.seed=1"]}})
    path.write_text(path.read_text().replace("placeholder", "007"))
    assert [cell.name for cell in read_grid(path)] == ["007"]


def test_a_cell_that_another_process_has_in_hand_waits_without_opening_its_videos(grid, tmp_path, monkeypatch):
    (cell,) = read_grid(grid({"method": {"wsn": ["method.name=wsn"]}}))
    monkeypatch.setattr("vcl.run.open_stream", None)
    with RunFolder.opened(tmp_path / "out" / "wsn", cell.config(tmp_path / "out")):
        assert run_cell(cell, tmp_path / "out", nobody) is None


def test_a_grid_runs_what_is_left_and_goes_on_after_a_stop(grid, tmp_path, caplog):
    caplog.set_level(logging.INFO, "vcl")
    cells = read_grid(grid({"method": METHODS, "seed": SEEDS}))
    out = tmp_path / "out"

    def stopping(folder, _):
        return contextlib.nullcontext([stop] if folder.path.parts[-2:] == ("finetune", "0") else [])

    def stop(event):
        if event["kind"] == "epoch" and event["session"] == 1:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        run_grid(cells, out, stopping)
    assert [RunFolder(out / cell.name).finished() for cell in cells] == [True, True, False, False]
    before = [(out / name / "events.jsonl").read_bytes() for name in ("wsn/0", "wsn/1")]
    caplog.clear()
    assert run_grid(cells, out, nobody) == []
    results = [line for line in caplog.messages if line.startswith("[")]
    assert [line.split(":")[0] for line in results] == [
        "[1/4] wsn/0",
        "[2/4] wsn/1",
        "[3/4] finetune/0",
        "[4/4] finetune/1",
    ]
    assert ["finished before" in line for line in results] == [True, True, False, False]
    assert before == [(out / name / "events.jsonl").read_bytes() for name in ("wsn/0", "wsn/1")]


def test_a_cell_that_fails_is_told_of_and_the_others_run(grid, tmp_path, caplog):
    caplog.set_level(logging.INFO, "vcl")
    axes = {
        "method": {
            "ewc": ["method.name=ewc", "method.strength=1e300"],
            "finetune": METHODS["finetune"],
            "as_ewc": {"settings": ["method.name=single_matched"], "bytes_of": "ewc"},
        }
    }
    cells = read_grid(grid(axes))
    assert run_grid(cells, tmp_path / "out", nobody) == ["ewc", "as_ewc"]
    assert "[1/3] ewc: failed: session 1, epoch 0: the loss is no longer finite" in caplog.text
    assert RunFolder(tmp_path / "out" / "finetune").finished()


def test_a_matched_cell_waits_for_the_one_it_is_matched_to_and_stores_as_much(grid, tmp_path):
    axes = {
        "method": {
            "matched": {"settings": ["method.name=single_matched"], "bytes_of": "wsn"},
            "wsn": ["method.name=wsn", "method.capacity=0.8", "backbone.stem_width=64"],
        },
        "seed": SEEDS,
    }
    cells = read_grid(grid(axes))
    assert run_grid(cells, tmp_path / "out", nobody) == []
    for seed in SEEDS:
        matched, wsn = (
            summarise(RunFolder(tmp_path / "out" / name / seed)).stored_bytes for name in ("matched", "wsn")
        )
        # Containers weigh something beside networks as small as these.
        assert 0.9 * wsn < matched < 1.05 * wsn


@pytest.mark.process
def test_two_processes_share_a_grid(grid, tmp_path):
    path, out = grid({"method": METHODS, "seed": SEEDS}), tmp_path / "out"
    both = [start_vcl("grid", path, "--out", out, "wandb.mode=disabled") for _ in range(2)]
    errors = [process.communicate()[1] for process in both]
    assert [process.poll() for process in both] == [0, 0], errors
    starts = [len(RunFolder(out / cell.name).events("start")) for cell in read_grid(path)]
    assert starts == [1, 1, 1, 1]


@pytest.mark.process
def test_a_grid_that_was_killed_ends_as_if_it_had_not_been(grid, tmp_path):
    path, out = grid({"method": {"replay": ["method.name=replay", "method.buffer=3"]}, "seed": SEEDS}), tmp_path / "out"
    words = ["grid", str(path), "train.checkpoint_seconds=0", "wandb.mode=disabled"]
    process = start_vcl(*words, "--out", out)
    while not (out / "replay" / "1" / "sessions" / "000.safetensors").exists():
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    process.communicate()
    assert main([*words, "--out", str(out)]) == main([*words, "--out", str(tmp_path / "whole")]) == 0
    for file in sorted((tmp_path / "whole").rglob("*.safetensors")):
        if file.parent.name == "sessions":
            assert file.read_bytes() == (out / file.relative_to(tmp_path / "whole")).read_bytes()


def test_runs_that_differ_in_their_seed_alone_are_one_column(grid, tmp_path):
    cells = read_grid(grid({"method": METHODS, "seed": SEEDS}))
    run_grid(cells, tmp_path / "out", nobody)
    folders = run_folders([tmp_path / "out"])
    table = compare_runs(folders)
    assert {name: len(runs) for name, runs in table.groups.items()} == {"finetune": 2, "wsn": 2}
    psnr = [summarise(folder).psnr for folder in folders if folder.path.parts[-2] == "wsn"]
    mean, spread = sum(psnr) / 2, abs(psnr[0] - psnr[1]) / 2**0.5
    assert f"{mean:.2f} ± {spread:.2f}" in table.to_text()
    assert len(compare_runs(folders, over_seeds=False).groups) == 4
