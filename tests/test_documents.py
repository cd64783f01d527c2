"""What the documents tell a reader to do is done here."""

import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from on_device import DEVICE

from vcl import cli
from vcl import config as configs
from vcl.cli import main
from vcl.grid import read_grid
from vcl.plan.calibrate import measure
from vcl.report.summary import summarise
from vcl.rundir import RunFolder
from vcl.sessions.experience import video_stream
from vcl.sessions.trainer import build
from vcl.tune.search_file import read_search
from vcl.tune.space import Range
from vcl.video.cache import Clip
from vcl.video.pixels import write_png
from vcl.video.write import write_video

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "experiments").rglob("*.yaml"))
SEARCHES = [path for path in FILES if path.name.endswith(".search.yaml")]
EXPERIMENTS = [
    path for path in FILES if not path.name.endswith((".grid.yaml", ".search.yaml")) and path.parent.name != "parts"
]
BENCHMARKS = [path for path in EXPERIMENTS if path.parent.name in ("paper", "corrected")]
CONFIGS = {path: configs.load(path) for path in EXPERIMENTS}
LARGE = (720, 1280)
CELLS = [cell for path in FILES if path.name.endswith(".grid.yaml") for cell in read_grid(path)]
DOCUMENTS = [ROOT / "README.md", ROOT / "experiments" / "README.md", ROOT / "benchmarks" / "README.md"]


def commands(document, shells="sh|bash"):
    """Of blocks of code; those marked ``shell`` are for machines that are not here."""
    blocks = re.findall(rf"```(?:{shells})\n(.*?)```", document.read_text(), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def scripts(document):
    return re.findall(r"```python\n(.*?)```", document.read_text(), re.DOTALL)


def test_the_method_of_the_readme_runs_as_a_plugin_and_is_that_of_the_experiments(tmp_path, tiny_config, stream):
    _, method, _ = scripts(ROOT / "README.md")
    assert (ROOT / "experiments" / "own_method.py").read_text().endswith(method)
    plugin, config = tmp_path / "printed.py", tmp_path / "run.yaml"
    plugin.write_text(method)
    config.write_text(configs.to_yaml(tiny_config("finetune", stream=stream)))
    words = ["--plugin", str(plugin), "method.name=anchor", "--out", str(tmp_path / "run")]
    assert main(["run", str(config), *words]) == 0
    assert summarise(RunFolder.existing(tmp_path / "run")).stored["buffer"] > 0


@pytest.mark.process
def test_the_avalanche_script_of_the_readme_runs_and_forgets_nothing(capsys):
    *_, script = scripts(ROOT / "README.md")
    exec(script, {"__name__": "__main__"})
    hashes = re.findall(r"^(?:bunny|bikes|carphone) ([0-9a-f]{12})$", capsys.readouterr().out, re.MULTILINE)
    assert len(hashes) == 3
    assert len(set(hashes)) == 1


@cache
def every_config():
    """Of every file and of every cell, but for other seeds, epochs and videos of the same."""
    by_source = {(path, ()): CONFIGS[path] for path in EXPERIMENTS}
    same = ("train.seed", "train.epochs", "stream.videos", "stream.frames", "stream.benchmark")
    for cell in CELLS:
        words = tuple(word for word in cell.settings if not word.startswith(same))
        by_source[cell.base, words] = configs.load(cell.base, words)
    return by_source


def steps_of(config):
    """Train two sessions of one frame each, a step in each; session and step of every epoch's end."""
    clip = Clip("noise", np.random.default_rng(0).integers(0, 256, (1, 3, *config.stream.size), np.uint8), "")
    seen = []
    strategy = build(config, [clip, clip], seen.append, DEVICE, stop_after=1)
    for experience in video_stream([clip, clip]).train_stream:
        strategy.train(experience, eval_streams=[])
    return [(event["session"], event["step"]) for event in seen if event["kind"] == "epoch"]


def expected_steps(config):
    return [(1, 1 + (config.train.batch == 1))] if config.method.together else [(0, 1), (1, 1)]


def small_configs():
    """Those for other frames; a cell whose method, network and operator at this size others have is a repeat."""
    params, seen = [], set()
    for (path, words), config in every_config().items():
        size = config.stream.size
        if size == LARGE:
            continue
        operator_block = getattr(config.backbone, "operator_block", 0)
        kinds = {config.method.name, (config.backbone.name, size), (operator_block, size)}
        marks = [pytest.mark.slow] if words and kinds <= seen else []
        seen |= kinds
        params.append(pytest.param(config, marks=marks, id="-".join((*path.parts[-2:], *words))))
    return params


@pytest.mark.parametrize("config", small_configs())
@pytest.mark.process
def test_every_experiment_takes_a_step_in_two_sessions_at_its_own_size(config):
    assert steps_of(config) == expected_steps(config)


@pytest.mark.parametrize("path", SEARCHES, ids=lambda path: "-".join(path.parts[-2:]))
def test_every_search_changes_an_experiment_and_no_end_of_its_ranges_is_refused(path):
    search = read_search(path, ["stream.frames=3"])
    assert search.base.resolve() in EXPERIMENTS
    for knob in search.space:
        for value in (knob.low, knob.high) if isinstance(knob, Range) else knob.words:
            assert search.config([f"{knob.key}={value}"]).stream.frames == 3


def large_configs():
    """Those for large frames, but for those that are another's on other videos."""
    by_recipe = {}
    for (path, words), config in every_config().items():
        if config.stream.size == LARGE:
            name = "-".join((*path.parts[-2:], *words))
            by_recipe.setdefault(replace(config, stream=replace(config.stream, benchmark="any")), (name, config))
    return [pytest.param(config, id=name) for name, config in by_recipe.values()]


@pytest.mark.parametrize("config", large_configs())
def test_every_experiment_with_large_frames_takes_a_step_in_two_sessions_at_small_size(config):
    small = replace(config.backbone, stem_width=16, channels=8, lower_width=8, strides=(2, 2, 2, 2, 1))
    config = replace(config, backbone=small, stream=replace(config.stream, size=(32, 48)))
    assert steps_of(config) == expected_steps(config)


@pytest.mark.slow
@pytest.mark.parametrize("config", large_configs())
def test_every_experiment_with_large_frames_takes_a_step_in_two_sessions_at_its_own_size(config):
    assert steps_of(config) == expected_steps(config)


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: "-".join(path.parts[-3:]))
def test_a_benchmark_experiment_is_what_its_name_says_and_the_paper_does(path):
    config, paper = CONFIGS[path], path.parent.name == "paper"
    train, backbone, method = config.train, config.backbone, config.method
    assert (train.batch, train.lr, train.betas, train.loss) == (1, 5e-4, (0.5, 0.999), "l1_ssim")
    assert (train.warmup, train.warmup_from) == (0.2, 0.1)
    assert train.epochs == (300 if paper and path.stem in ("single", "joint") else 150)
    assert (backbone.stem_width, backbone.channels, backbone.lower_width) == (512, 112, 96)
    assert backbone.session_embedding == ("fraction" if paper else "open")
    name, *parts = path.stem.split("_")
    assert method.name == name
    assert ("kept" in parts) == (getattr(method, "reinit", True) is False)
    if name in ("wsn", "pfnr"):
        assert method.capacity == int(parts[-1][1:]) / 100
    assert backbone.operator_block == (int(parts[0][-1]) if name == "pfnr" else 0)
    if name == "pfnr":
        as_in_its_code = (backbone.operator_path, backbone.operator_spectrum, method.signed_operator_scores)
        assert as_in_its_code == (("only", "packed", True) if paper else ("sum", "centred", False))


def test_the_benchmarks_have_one_file_a_method_and_capacity_and_differ_in_their_videos_alone():
    for name in ("uvg8", "uvg17", "davis50"):
        mine = {path.relative_to(ROOT / "experiments" / name) for path in BENCHMARKS if name in path.parts}
        first = {path.relative_to(ROOT / "experiments" / "uvg8") for path in BENCHMARKS if "uvg8" in path.parts}
        assert mine == first
        for path in mine:
            ours, other = (CONFIGS[ROOT / "experiments" / each / path] for each in (name, "uvg8"))
            assert ours.stream.benchmark == name
            assert replace(ours, stream=replace(ours.stream, benchmark="uvg8")) == other


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.parent.name)
def test_every_experiment_a_document_names_exists(document):
    named = re.findall(r"experiments/[\w/.]+\.yaml", document.read_text())
    assert named
    assert all((ROOT / name).is_file() for name in named)


def test_no_document_has_a_gap_left_to_fill():
    assert not [path for path in DOCUMENTS if re.search(r"@[A-Z]+@|TODO|TBD", path.read_text())]


def test_every_picture_and_page_that_a_document_links_to_exists():
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            assert "://" in target or (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.parent.name)
def test_make_commands_name_targets(document):
    for command in commands(document):
        if command.startswith("make"):
            planned = subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, check=False, capture_output=True)
            assert planned.returncode == 0, planned.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.parent.name)
def test_vcl_commands_say_what_the_command_line_understands(document):
    every_command = commands(document, "sh|bash|shell")
    vcl_commands = [shlex.split(command) for command in every_command if command.startswith("vcl ")]
    assert vcl_commands
    assert all(cli._parse(words[1:]).do for words in vcl_commands)


SHORTER = ["stream.frames=3", "train.epochs=1"]
SMALLER = ["backbone.channels=8", "backbone.lower_width=8"]
SHORTENED = {
    "run": [*SHORTER, *SMALLER, "wandb.mode=disabled"],
    "compile": [*SHORTER, *SMALLER],
    "grid": [*SHORTER, *SMALLER, "wandb.mode=disabled"],
    "tune": [*SHORTER, *SMALLER, "wandb.mode=disabled", "--trials", "1"],
    "plan": [*SHORTER, *SMALLER],
    "bench": [*SMALLER, "--rounds", "1"],
}


@pytest.mark.process
def test_the_commands_of_the_readme_work_in_their_order(tmp_path, monkeypatch, clips):
    """Word for word, but for fewer frames and epochs and a smaller network, and a calibration in this process."""
    calibrate_shortly = partial(measure, macs=10**12, path=tmp_path / "calibration", launched=time.monotonic())
    monkeypatch.setattr("vcl.plan.calibration_of", lambda config, macs: calibrate_shortly(config))
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    for clip in clips:
        (tmp_path / "my-videos" / clip.name).mkdir(parents=True)
        for t, frame in enumerate(clip.frames):
            write_png(tmp_path / "my-videos" / clip.name / f"{t}.png", frame)
    for name in ("holiday", "dog", "cat", "bird"):
        write_video(tmp_path / f"{name}.mp4", iter([torch.from_numpy(np.array(clips[0].frames))]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VCL_CACHE", str(tmp_path / "cache"))
    subcommands = []
    for command in commands(ROOT / "README.md"):
        program, *words = shlex.split(command)
        if program == "vcl":
            assert main([*words, *SHORTENED.get(words[0], [])]) == 0, command
            subcommands.append(words[0])
        if program == "torchrun":
            launcher = [sys.executable, "-m", "torch.distributed.run", *words, *SHORTENED["run"]]
            subprocess.run(launcher, check=True, capture_output=True)
    expected = {"run", "append", "grid", "plot", "compare", "decode", "config", "bench", "plan"}
    assert {*expected, "compile", "info", "verify", "export"} <= set(subcommands)
    script = scripts(ROOT / "README.md")[0]
    settings = f"settings={[*SHORTER, *SMALLER]}"
    exec(script.replace('quality="low"', settings).replace('"pets.vcl"', '"p.vcl"').replace("10, 20", "1, 3"), {})
