"""``statistics.json``: what it holds, and when it is made anew."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from untrained_run import untrained_run

from vcl.cli import main
from vcl.config import WandbConfig
from vcl.errors import RunFolderError
from vcl.metrics.spectrum import radial_amplitude
from vcl.report import statistics
from vcl.report.figures import plot_statistics as plot_statistics_module
from vcl.report.figures.plot_statistics import plot_runs_statistics, plot_statistics, statistics_figures
from vcl.report.figures.style import figure_bytes
from vcl.report.statistics import evenly_spaced, mean_over_sessions, missing_share, read_statistics, statistics_of
from vcl.report.statistics_table import statistics_numbers, statistics_text
from vcl.rundir import RunFolder


@pytest.fixture
def unwritten(monkeypatch):
    """Figures are drawn, and their files are empty, as rendering takes most of the time."""
    monkeypatch.setattr("vcl.report.figures.style.figure_bytes", lambda figure, kind: b"")


@pytest.fixture
def copied(finished_run, tmp_path):
    """Call with a method's name; gives a copy of its finished run, which may be changed."""

    def make(name):
        without_statistics = shutil.ignore_patterns("statistics.json")  # Another test may have kept some.
        path = finished_run(name)[1].path
        return RunFolder.existing(shutil.copytree(path, tmp_path / name, ignore=without_statistics))

    return make


@pytest.fixture
def untrained(tmp_path, tiny_config, stream, clips):
    """Call with a backbone's name and knobs; gives a folder of three sessions."""

    def make(backbone="nerv", name=None, **sections):
        config = tiny_config("single", stream=stream, backbone={"name": backbone, **sections.pop("backbone", {})})
        return untrained_run(tmp_path / (name or backbone), config, clips)

    return make


def check_contract(numbers, sessions=3):
    assert list(numbers) == ["layers", "spectra", "frames"]
    for layer in numbers["layers"]:
        assert list(layer) == ["name", "variance"]
        assert len(layer["variance"]) == sessions
    for curve in numbers["spectra"]:
        assert list(curve) == ["name", "group", "frequency", "log_amplitude"]
        assert curve["name"].startswith(curve["group"])
    for curve in (*numbers["spectra"], *numbers["frames"]):
        assert curve["frequency"][0] == 0
        assert curve["frequency"][-1] == 1
        assert [len(row) for row in curve["log_amplitude"]] == [len(curve["frequency"])] * sessions
    json.dumps(numbers, allow_nan=False)


def names(curves):
    return [curve["name"] for curve in curves]


def test_a_run_of_pfnr_has_the_paths_of_its_operator_and_keeps_its_statistics(copied, monkeypatch):
    folder = copied("pfnr")
    assert read_statistics(folder) is None
    numbers = statistics_of(folder)
    check_contract(numbers)
    assert names(numbers["layers"]) == ["blocks.0", "blocks.1"]
    paths = ("with the operator", "convolution alone", "operator alone")
    assert names(numbers["spectra"]) == [*(f"block 1, {path}" for path in paths), "block 2"]
    assert names(numbers["frames"]) == ["truth", "decoded", "residual"]
    monkeypatch.setattr(statistics, "Decoder", None)  # Nothing is decoded again.
    assert statistics_of(folder) == read_statistics(folder) == numbers
    shown = statistics_numbers(folder, numbers)
    assert shown["variance/blocks.0"] == pytest.approx(np.mean(numbers["layers"][0]["variance"]))
    assert 0 < shown["subnetworks/reused"] < 1
    text = statistics_text(folder, numbers)
    assert "masks of two sessions share" in text
    (row,) = [line.split() for line in text.splitlines() if line.startswith("residual / truth")]
    assert row[-1] == f"{mean_over_sessions(missing_share(numbers['frames']))[-1]:.0%}"
    assert list(statistics_figures(folder)) == ["variance", "spectra", "frame_spectra", "subnetworks"]


def test_a_network_that_later_sessions_overwrite_has_statistics_but_no_subnetworks(copied):
    folder = copied("finetune")
    numbers = statistics_of(folder)
    check_contract(numbers)
    assert names(numbers["spectra"]) == ["block 1", "block 2"]
    assert "subnetworks/overlap" not in statistics_numbers(folder, numbers)
    assert statistics_text(folder, numbers).endswith("masks of sessions: n/a")
    assert "subnetworks" not in statistics_figures(folder)


def test_spectra_of_frames_are_relative_to_the_mean_of_the_truth(untrained, clips):
    truth = torch.from_numpy(clips[1].frames.copy()).float() / 255
    amplitude = radial_amplitude(truth).mean(0)
    by_hand = (amplitude / amplitude[0]).log()
    frames = statistics_of(untrained())["frames"]
    assert frames[0]["log_amplitude"][1] == pytest.approx(by_hand.tolist(), abs=1e-4)
    assert frames[0]["log_amplitude"][1][0] == 0
    assert frames[2]["log_amplitude"][1][0] != 0


def test_a_network_without_maps_has_spectra_of_frames_alone(unwritten, untrained):
    folder = untrained("siren")
    numbers = statistics_of(folder)
    check_contract(numbers)
    assert numbers["layers"] == numbers["spectra"] == []
    assert "n/a, no layer of the network gives maps" in statistics_text(folder, numbers)
    assert {path.stem for path in plot_statistics(folder)} == {"frame_spectra"}


def test_a_network_with_numbers_of_frames_has_spectra_of_every_block(untrained):
    numbers = statistics_of(untrained("hnerv"))
    check_contract(numbers)
    assert names(numbers["layers"]) == ["stem", "blocks.0", "blocks.1", "blocks.2"]
    assert names(numbers["spectra"]) == ["block 1", "block 2", "block 3"]


def test_without_the_videos_there_is_no_truth_and_one_line(untrained, monkeypatch, caplog):
    folder = untrained()
    event = {"kind": "start", "time": 0.0, "videos": ["clip0", "clip1", "clip2"], "sha256": ["aa"] * 3, "sessions": 3}
    folder.record(event)
    numbers = statistics_of(folder)
    check_contract(numbers)
    assert names(numbers["frames"]) == ["decoded"]
    assert numbers["frames"][0]["log_amplitude"][0][0] == 0
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder.path}: spectra of the truth and of the residual are left out: {folder.path} began with other frames "
        f"of clip0: their SHA-256 was aa and is {caplog.text.split('and is ')[1][:12]}"
    ]
    assert isinstance(statistics_figures(folder, numbers)["frame_spectra"], Figure)


def test_statistics_of_an_earlier_state_are_left_out_and_made_anew(untrained):
    folder = untrained()
    statistics_of(folder)
    kept = folder.statistics()
    folder.write_statistics({**kept, "layers": []})
    assert read_statistics(folder)["layers"] == []  # Believed: it is of this state.
    folder.write_statistics({**kept, "layers": [], "state_sha256": ["ab", "cd", None]})
    assert read_statistics(folder) is None
    assert [len(layer["variance"]) for layer in statistics_of(folder)["layers"]] == [3, 3]
    assert read_statistics(folder) is not None


def test_another_number_of_frames_is_kept_until_another_is_given(untrained):
    folder = untrained()
    few = statistics_of(folder, 1)
    assert folder.statistics()["frame_count"] == 1
    assert statistics_of(folder) == few
    assert statistics_of(folder, 2) != few


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "Expecting property name"),
        ("[]", "the statistics must be an object"),
        ('{"version": 1, "frame_count": 8, "state_sha256": ["ab"], "layers": [{"name": "a", "variance": []}], '
         '"spectra": [], "frames": []}', "variance of a layer must be 1 cells, numbers or null"),
        ('{"version": 1, "frame_count": 8, "state_sha256": ["ab"], "layers": [], "spectra": [{"name": "block 1"}], '
         '"frames": []}', "a spectrum of a block must have group"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_one_line_and_is_replaced(untrained, caplog, content, why):
    folder = untrained()
    (folder.path / "statistics.json").write_text(content)
    with pytest.raises(RunFolderError, match=rf"statistics\.json is damaged: .*{why}") as refused:
        read_statistics(folder)
    assert "\n" not in str(refused.value)
    check_contract(statistics_of(folder))
    assert "made anew" in caplog.text
    assert read_statistics(folder) is not None


@pytest.mark.parametrize(
    ("length", "count", "indices"), [(9, 3, [0, 4, 8]), (3, 8, [0, 1, 2]), (9, 1, [4]), (1, 8, [0]), (2, 2, [0, 1])]
)
def test_frames_are_evenly_spaced_from_the_first_to_the_last(length, count, indices):
    assert evenly_spaced(length, count) == indices


def test_the_missing_share_is_one_where_the_residual_is_as_strong_as_the_truth():
    truth = {"name": "truth", "frequency": [0, 1], "log_amplitude": [[0.0, -3.0], [0.0, None]]}
    residual = {"name": "residual", "frequency": [0, 1], "log_amplitude": [[float(np.log(0.5)), -3.0], [None, -2.0]]}
    shares = missing_share([truth, residual])
    assert shares["log_amplitude"] == [[0.5, 1], [None, None]]
    assert mean_over_sessions(shares) == [0.5, 1]


def test_the_command_prints_tables_draws_runs_side_by_side_and_gives_json(unwritten, untrained, tmp_path, capsys):
    folders = [untrained(name="a"), untrained("siren", name="b")]
    words = ["stats", *(str(folder.path) for folder in folders)]
    assert main([*words, "--frames", "2", "--figures", str(tmp_path / "both")]) == 0
    printed = capsys.readouterr()
    assert "a: Single" in printed.out
    assert "residual" in printed.out
    assert "both: variance, spectra (each as .png and .pdf)" in printed.err
    assert folders[0].statistics()["frame_count"] == 2
    assert sorted(path.name for path in (tmp_path / "both").iterdir() if path.suffix == ".png") == [
        *("spectra.png", "variance.png")
    ]
    assert main([*words, "--json"]) == 0
    given = json.loads(capsys.readouterr().out)
    assert list(given) == ["a", "b"]
    assert given["a"].pop("subnetworks") == {"overlap": None, "age": None}
    check_contract(given["a"])
    assert main([*words, "--frames", "0"]) == 2
    assert capsys.readouterr().err == "vcl: --frames must be 1 or more, got 0\n"


def test_statistics_are_added_to_the_trackers_that_a_run_names(unwritten, untrained, monkeypatch, capsys):
    from vcl.listeners import tracking

    png = figure_bytes(Figure(figsize=(0.2, 0.2)), "png")
    monkeypatch.setattr(tracking, "figure_bytes", lambda figure, kind: png)
    folder = untrained("siren")
    words = ["stats", str(folder.path), "--frames", "1", "--track"]
    monkeypatch.setattr("vcl.cli.stats.refuse_missing_packages", lambda configs: None)
    assert main(words) == 0
    assert "is not tracked: its config has track=[], or wandb.mode=disabled" in capsys.readouterr().err
    with monkeypatch.context() as online:
        # W&B has a hint offline only; online it has logged where the run is.
        online.setattr(tracking, "log_figures", lambda *_: [])
        folder.write_config(replace(folder.config(), wandb=WandbConfig(mode="online")))
        assert main(words) == 0
        assert "is not tracked" not in capsys.readouterr().err
    folder.write_config(replace(folder.config(), track=("tensorboard",)))
    assert main(words) == 0
    assert "TensorBoard: tensorboard --logdir" in capsys.readouterr().err
    tags = EventAccumulator(str(folder.path / "tensorboard")).Reload().Tags()
    assert tags["images"] == ["statistics/frame_spectra"]
    assert "statistics/spectrum/decoded/1" in tags["scalars"]


def test_runs_stand_side_by_side_whatever_their_networks(unwritten, untrained, tmp_path):
    runs = {name: statistics_of(untrained(name)) for name in ("nerv", "hnerv", "siren")}
    assert {path.stem for path in plot_runs_statistics(runs, tmp_path / "both")} == {"variance", "spectra"}


@pytest.mark.process
def test_every_figure_can_be_rendered(copied, monkeypatch):
    def rendered(figure, into, name):
        return [figure_bytes(figure, "png")]

    monkeypatch.setattr(plot_statistics_module, "write_figure", rendered)
    folder = copied("pfnr")
    pictures = [*plot_statistics(folder), *plot_runs_statistics({"one": statistics_of(folder)}, folder.figures)]
    assert len(pictures) == 4 + 2
    assert all(len(picture) > 1000 for picture in pictures)
