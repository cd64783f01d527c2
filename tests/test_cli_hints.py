"""What a newcomer types that is not quite right, and the line that says what was meant."""

import shlex

import numpy as np
import pytest

from vcl import config as configs
from vcl.cli import main
from vcl.errors import Interrupted
from vcl.rundir import RunFolder


@pytest.fixture
def here(tmp_path, monkeypatch, tiny_config):
    """A working folder with a config, a grid, two clips, one of them a folder of frames, and a run that is begun."""
    monkeypatch.chdir(tmp_path)
    config = tiny_config("finetune")
    (tmp_path / "mine.yaml").write_text(configs.to_yaml(config))
    (tmp_path / "mine.grid.yaml").write_text("config: mine.yaml\naxes: {seed: {a: [train.seed=0]}}\n")
    (tmp_path / "own.py").write_text("print('loaded')\n")
    (tmp_path / "clips" / "dog").mkdir(parents=True)
    (tmp_path / "clips" / "dog" / "0.png").write_bytes(b"x")
    np.save(tmp_path / "clips" / "camel.npy", np.zeros((5, 3, 32, 48), np.uint8))
    with RunFolder.opened(tmp_path / "runs" / "first", config) as folder:
        folder.figures.mkdir()
    (folder.path / "matrix.json").write_text("{}")
    return tmp_path


CAMEL = "stream.benchmark=folder stream.root=clips 'stream.videos=[camel]'"
DOG = "stream.benchmark=folder stream.root=clips 'stream.videos=[dog]'"
CLIPS = "stream.benchmark=folder stream.root=clips"
RUN_OWN = "videos of your own go behind a config: vcl run experiments/demo/pfnr.yaml"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["run", "clips"], f"config must be a YAML file, got clips, a folder; {RUN_OWN} {CLIPS} stream.frames=null"),
        (["plan", "clips/camel.npy"], f"got clips/camel.npy, a video; {RUN_OWN} {CAMEL} stream.frames=null"),
        (["bench", "step", "clips/dog"], f"got clips/dog, a folder; {RUN_OWN} {DOG} stream.frames=null"),
        (["config", "clips/camel.npy"], f"got clips/camel.npy, a video; {RUN_OWN} {CAMEL} stream.frames=null"),
        (["grid", "clips"], f"grid must be a YAML file, got clips, a folder; {RUN_OWN} {CLIPS} stream.frames=null"),
        (["run", "runs/first"], "got runs/first, a run folder; its config is runs/first/config.yaml"),
        (
            ["run", "own.py"],
            "config must be a YAML file, got own.py, a Python file; a plugin is given by --plugin own.py",
        ),
        (
            ["grid", "own.py"],
            "grid must be a YAML file, got own.py, a Python file; a plugin is given by --plugin own.py",
        ),
        (["run", "mine.yaml", "--plugin", "ovn.py"], "{here}/ovn.py, no such file; did you mean {here}/own.py?"),
        (
            ["run", "mine.yaml", "--plugin", "mine.yaml"],
            "a plugin must be a Python file, got {here}/mine.yaml; a manifest of your own is given as "
            "stream.benchmark={here}/mine.yaml",
        ),
        (
            ["run", "mine.yaml", "--plugin", "own.py"],
            "own.py must register a method, a backbone or a benchmark, got none",
        ),
        (["run", "mine.yml"], "got mine.yml, no such file; did you mean mine.yaml?"),
        (["run", "mine.grid.yaml"], "must hold settings, got a grid; run it with: vcl grid mine.grid.yaml"),
        (["grid", "mine.yaml"], "; it is a config, run it with: vcl run mine.yaml"),
        (["run", "mine.yaml", "stream.benchmark=uvg"], "got 'uvg'; did you mean uvg17 or uvg7 or uvg8?"),
        (["data", "list", "uvg"], "got 'uvg'; did you mean uvg17 or uvg7 or uvg8?"),
        (["data", "list", "daviss10"], "did you mean davis10 or davis20 or davis50?"),
        (["run", "mine.yaml", "stream.benchmark=clips"], f"got 'clips'; videos of your own are {CLIPS}"),
        (["run", "mine.yaml", "stream.benchmark=clips/dog"], f"got 'clips/dog'; videos of your own are {DOG}"),
        (["run", "mine.yaml", "stream.benchmark=folder"], "the folder that holds its videos; give stream.root=FOLDER"),
        (
            ["run", "mine.yaml", "stream.root=clips/camel.npy"],
            f"stream.root must be a folder, got the file clips/camel.npy; it is taken out of its folder by {CAMEL}",
        ),
        (["run", "mine.yaml", "stream.benchmark=folder", "stream.root=clips/dog"], f"it is one video itself: {DOG}"),
        (
            ["run", "mine.yaml", "stream.root=clips"],
            f"clips: holds no video of the samples benchmark; videos of your own are {CLIPS}",
        ),
        (
            ["data", "prepare", "folder", "--source", "clips/camel.npy", "--out", "o"],
            "camel.npy; it lies in clips",
        ),
        (["plot", "runs/first/config.yaml"], "did you mean {here}/runs/first?"),
        (["compare", "runs/first/matrix.json"], "did you mean {here}/runs/first?"),
        (["decode", "runs/first/figures", "-o", "out"], "did you mean {here}/runs/first?"),
        (["decode", "runs", "-o", "out"], "runs is not a run folder: it has no config.yaml; it holds runs/first"),
    ],
)
def test_a_path_or_a_name_that_is_nearly_right_is_refused_with_the_right_one(here, capsys, words, line):
    assert main(words) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].endswith(line.format(here=here))


def test_the_settings_of_a_video_named_for_a_config_are_taken_as_they_stand(here, capsys):
    (here / "clips" / "007.npy").write_bytes((here / "clips" / "camel.npy").read_bytes())
    assert main(["run", "clips/007.npy"]) == 2
    words = shlex.split(capsys.readouterr().err.split("pfnr.yaml ")[1])
    stream = configs.load(None, words).stream
    assert (stream.benchmark, stream.root, stream.videos, stream.frames) == ("folder", "clips", ("007",), None)


def test_a_tilde_that_the_shell_left_is_the_home_of_the_user(here, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(here))
    (here / "two.yaml").write_text("videos: [{name: camel, frames: 5}]\n")
    assert main(["config", "~/mine.yaml", "train.epochs=7"]) == 0
    assert "epochs: 7" in capsys.readouterr().out
    assert main(["data", "list", "~/two.yaml"]) == 0
    assert main(["data", "prepare", "~/two.yaml", "--source", "~/clips", "--out=~/out", "--size", "32x48"]) == 0
    assert (here / "out" / "camel.npy").is_file()
    assert main(["decode", "~/runs/first", "-o", "~/new"]) == 2
    assert "runs/first has no finished session yet" in capsys.readouterr().err
    assert not (here / "~").exists()
    assert main(["run", "~nobody-at-all/mine.yaml"]) == 2
    assert "a path must lie in a home that exists" in capsys.readouterr().err


def test_a_folder_of_another_config_is_refused_before_a_video_is_looked_at(here, capsys):
    (here / "runs" / "first" / "checkpoint.safetensors").touch()  # Something was trained.
    words = ["run", "mine.yaml", "--out", "runs/first", "stream.frames=3", "stream.benchmark=folder", "stream.root=no"]
    assert main(words) == 2
    assert "runs/first belongs to another config: it has stream.benchmark = samples" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "called", "line"),
    [
        (["compare", "runs"], "vcl.rundir.run_folders", "vcl: stopped\n"),
        (
            ["data", "prepare", "folder", "--source", "clips", "--out", "out"],
            "vcl.datasets.prepare.prepare",
            "vcl: stopped, and progress is saved; the same command resumes it\n",
        ),
    ],
)
def test_ctrl_c_promises_to_go_on_only_where_a_command_does(here, capsys, monkeypatch, words, called, line):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(called, stopped)
    assert main(words) == 130
    assert capsys.readouterr().err == line


def test_what_a_stopped_run_says_of_itself_is_kept(here, capsys, monkeypatch):
    def stopped(*_, **__):
        raise Interrupted("stopped in session 1")

    monkeypatch.setattr("vcl.datasets.prepare.prepare", stopped)
    assert main(["data", "prepare", "folder", "--source", "clips", "--out", "out"]) == 130
    assert capsys.readouterr().err == "vcl: stopped in session 1; the same command resumes it\n"
