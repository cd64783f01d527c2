"""``vcl data``, by its command line."""

import json
import shlex

import numpy as np
import pytest

from vcl import config as configs
from vcl.cli import data, main
from vcl.datasets.prepare import PRESETS
from vcl.datasets.stream import open_stream


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """Two clips of five frames at 24x32, below a working folder."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    folder = tmp_path / "downloads"
    folder.mkdir()
    for name in ("cat", "dog"):
        np.save(folder / f"{name}.npy", rng.integers(0, 256, (5, 3, 24, 32), np.uint8))
    return folder


def test_list_shows_benchmarks_and_the_videos_of_one(capsys):
    assert main(["data", "list"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert rows["uvg17"].split()[1:3] == ["17", "9132"]
    assert rows["folder"].split()[1:3] == ["any", "any"]
    assert main(["data", "list", "uvg8"]) == 0
    table = capsys.readouterr().out
    assert "ReadySteadyGo* or ReadySetGo*" in table
    assert "Source: UVG" in table


def test_prepare_verify_and_run_what_was_prepared(downloads, capsys):
    assert main(["data", "prepare", "folder", "--source", "downloads", "--out", "out", "--size", "16x16"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "out: 2 videos, 10 frames"
    settings = shlex.split(lines[1].partition(": ")[2])
    assert settings == ["stream.benchmark=folder", "stream.root=out", "stream.size=[16,16]"]
    assert main(["data", "verify", "out"]) == 0
    assert capsys.readouterr().out == "out: 2 videos as prepared\n"
    small = ["backbone.strides=[2,2]", "backbone.channels=4", "backbone.stem_width=8", "backbone.lower_width=4"]
    (downloads.parent / "short.yaml").write_text("train: {epochs: 1}\nwandb: {mode: disabled}\n")
    assert main(["run", "short.yaml", "--out", "run", "--quiet", *settings, *small]) == 0
    matrix = json.loads((downloads.parent / "run" / "matrix.json").read_text())
    assert (matrix["videos"], matrix["frames"]) == (["cat", "dog"], [5, 5])


def test_a_part_is_prepared_and_the_settings_name_it(downloads, capsys):
    options = ["--source", "downloads", "--out", "out", "--size", "12x16", "--frames", "2", "--stride", "2"]
    assert main(["data", "prepare", "folder", *options, "--videos", "dog"]) == 0
    output = capsys.readouterr().out
    assert "out: 1 video, 2 frames" in output
    assert output.endswith("'stream.size=[12,16]' 'stream.videos=[dog]'\n")


@pytest.mark.parametrize(
    "name", ["01", "on", "Null", "a,b", "x[1]", "a: b", "a #b", "1e3", "12:30", 'a"b', "é", "a b", "- a"]
)
def test_the_printed_settings_name_the_folder_and_its_videos(name, downloads, capsys):
    (downloads / "cat.npy").rename(downloads / f"{name}.npy")
    options = ["--source", "downloads", f"--out={name}", "--size", "16x16", "--videos", "dog", f"{name}.npy"]
    assert main(["data", "prepare", "folder", *options]) == 0
    settings = shlex.split(capsys.readouterr().out.splitlines()[1].partition(": ")[2])
    stream = configs.load(None, settings).stream
    assert (stream.root, stream.videos) == (name, ("dog", name))
    assert [clip.name for clip in open_stream(stream)] == ["dog", name]


def test_the_help_lists_every_preset():
    assert set(data._PRESETS) == set(PRESETS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "folder", "--size", "180"], "--size must be a height and a width such as 180x320, got 180"),
        (["prepare", "folder", "--frames", "0"], "frames must be at least 1"),
        (["prepare", "nothing"], "benchmark must be one of bunny, "),
        (["prepare", "folder"], "cat: cat.npy has frames of 24x32, smaller than the 720x1280 asked for"),
        (["prepare", "folder"], "other sizes and numbers of frames; --size HxW asks for less\n"),
        (["prepare", "folder", "--out", "downloads"], "downloads: the prepared folder must be another than the source"),
        (["verify", "downloads"], "must be a prepared folder, found no prepared.json in it"),
    ],
)
def test_mistakes_are_one_message_and_end_with_2(downloads, capsys, arguments, message):
    folders = ["--source", "downloads", "--out", "out"] if arguments[0] == "prepare" else []
    assert main(["data", arguments[0], *folders, *arguments[1:]]) == 2
    assert message in capsys.readouterr().err


def test_a_missing_array_fails_the_verification(downloads, capsys):
    assert main(["data", "prepare", "folder", "--source", "downloads", "--out", "out", "--size", "12x16"]) == 0
    (downloads.parent / "out" / "cat.npy").unlink()
    assert main(["data", "verify", "out"]) == 2
    assert "1 of 2 videos are not as they were prepared:\n  cat: cat.npy is missing" in capsys.readouterr().err
