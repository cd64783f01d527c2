"""One run in several processes that share the frames of each step."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from rank_processes import ended, start_ranks
from safetensors.numpy import load_file
from warm_process import run_vcl

from vcl import config as configs
from vcl.config.methods import METHODS
from vcl.rundir import RunFolder
from vcl.video.pixels import read_png

pytestmark = [pytest.mark.process, pytest.mark.cpu]

NEEDED = {"single_matched": {"session_bytes": 8000}}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def command(home, tiny_config, stream):
    """Call with a folder's name, a method and changes to the tiny config; gives the words of ``vcl run``."""

    def make(folder, method="pfnr", **sections):
        knobs = {**NEEDED.get(method, {}), **sections.pop("method", {})}
        config = tiny_config(method, stream=stream, method=knobs, **sections)
        path = home / f"{folder}.yaml"
        path.write_text(configs.to_yaml(config))
        return ["run", path, "--out", home / folder, "--quiet"]

    return make


@pytest.fixture(scope="module")
def together(home, command):
    """What two ranks leave behind that nobody disturbs."""
    assert ended(start_ranks(command("together"))) == ([0, 0], "")
    return RunFolder(home / "together")


def results(folder):
    """All that must not depend on how often a run was stopped, nor on the time."""
    rows = [
        {key: value for key, value in row.items() if not key.endswith("seconds")} for row in folder.matrix()["rows"]
    ]
    epochs = [{key: value for key, value in event.items() if key != "seconds"} for event in folder.events("epoch")]
    return rows, [path.read_bytes() for path in sorted((folder.path / "sessions").iterdir())], epochs


def sealed(folder):
    """Tensors of all sessions, by number and name."""
    files = enumerate(sorted((folder.path / "sessions").iterdir()))
    return {(number, name): tensor for number, path in files for name, tensor in load_file(path).items()}


def assert_alike(folder, other, decibels):
    """Matrices of the same run in another number of ranks: as many updates, equal to rounding."""
    epochs = [[(e["session"], e["epoch"], e["step"]) for e in f.events("epoch")] for f in (folder, other)]
    assert epochs[0] == epochs[1]
    for row, of_other in zip(folder.matrix()["rows"], other.matrix()["rows"], strict=True):
        assert row["psnr"] == pytest.approx(of_other["psnr"], abs=decibels)
        assert row.get("decoded") == of_other.get("decoded")
    for event, of_other in zip(folder.events("epoch"), other.events("epoch"), strict=True):
        assert event["psnr"] == pytest.approx(of_other["psnr"], abs=1e-3)


def test_two_ranks_make_what_one_makes_to_rounding(command, together, finished_run):
    _, alone = finished_run("pfnr")
    assert_alike(together, alone, decibels=1e-4)
    weights = sealed(alone)
    for key, tensor in sealed(together).items():
        if tensor.dtype == np.float32:
            np.testing.assert_allclose(tensor, weights[key], atol=1e-5)
        else:
            np.testing.assert_array_equal(tensor, weights[key])  # The same scores rank to the same masks.


def test_two_ranks_give_the_same_bits_every_time_and_forget_nothing(home, command, together):
    assert ended(start_ranks(command("again"))) == ([0, 0], "")
    assert results(RunFolder(home / "again")) == results(together)
    rows = together.matrix()["rows"]
    for row in rows:
        assert [row["sha256"][video] for video in range(row["session"])] == [
            rows[video]["sha256"][video] for video in range(row["session"])
        ]


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_gpus_make_what_one_makes_to_rounding_and_the_same_bits_every_time(home, command):
    on_cuda = {"device": "cuda", "precision": "float32"}
    for name in ("gpus", "gpus-again"):
        assert ended(start_ranks(command(name, train=on_cuda))) == ([0, 0], "")
    assert run_vcl(*command("gpu", train=on_cuda)).returncode == 0
    together, again, alone = (RunFolder(home / name) for name in ("gpus", "gpus-again", "gpu"))
    assert results(again) == results(together)
    assert_alike(together, alone, decibels=1e-2)


def test_pictures_are_kept_of_videos_that_any_rank_has_decoded(together, clips, finished_run):
    for video, clip in enumerate(clips):
        assert np.array_equal(read_png(together.frame_path(video, "true")), clip.frames[len(clip.frames) // 2])
        decoded = [read_png(f.frame_path(video, "decoded")) for f in (together, finished_run("pfnr")[1])]
        np.testing.assert_allclose(*(picture.astype(int) for picture in decoded), atol=1)


def test_three_ranks_share_a_step_that_has_fewer_frames_than_they_are(home, command, finished_run):
    # Clips of 5, 4 and 6 frames: by 3, passes end with a step of 2, of 1 and of 3 frames.
    assert ended(start_ranks(command("three", train={"batch": 3}), world=3)) == ([0, 0, 0], "")
    assert_alike(RunFolder(home / "three"), finished_run("pfnr", train={"batch": 3})[1], decibels=1e-4)


SLOW = [name for name in METHODS.known if name not in ("pfnr", "replay", "esmer")]


@pytest.mark.parametrize("method", ["replay", "esmer", *(pytest.param(m, marks=pytest.mark.slow) for m in SLOW)])
def test_every_method_trains_in_ranks_as_alone(method, home, command, finished_run):
    assert ended(start_ranks(command(method, method))) == ([0, 0], "")
    assert_alike(RunFolder(home / method), finished_run(method, method=NEEDED.get(method, {}))[1], decibels=1e-3)


def test_a_rank_that_is_killed_ends_the_others_and_is_named_and_any_number_goes_on(home, command, together):
    words = command("killed", train={"checkpoint_seconds": 0})
    ranks = start_ranks(words)
    folder = RunFolder(home / "killed")
    while folder.sessions() < 1 or (folder.checkpoint_notes() or {"session": 0})["session"] < 1:
        assert ranks[1].poll() is None
        time.sleep(0.005)
    ranks[1].kill()
    killed = ranks[1]._process.pid
    statuses, said = ended(ranks)
    assert statuses == [2, -signal.SIGKILL]
    assert said.count("vcl: ") == 1
    assert said.startswith(f"vcl: rank 1 (process {killed} on ")
    assert said.endswith(" has died; the same command resumes the run\n")
    assert ended(start_ranks(words)) == ([0, 0], "")
    assert results(folder) == results(together)


@pytest.mark.slow
def test_a_rank_that_stands_still_ends_the_others_within_a_minute(home, command):
    ranks = start_ranks(command("frozen", train={"epochs": 4000, "checkpoint_seconds": 0}))
    while RunFolder(home / "frozen").checkpoint_notes() is None:
        assert ranks[1].poll() is None
        time.sleep(0.005)
    ranks[1].send_signal(signal.SIGSTOP)
    errors = ranks[0].communicate()[1]
    ranks[1].kill()
    assert ranks[0].poll() == 2
    assert errors.startswith("vcl: rank 1 (process ")
    assert errors.count("\n") == 1


def test_a_signal_that_one_rank_gets_stops_all_at_one_step_and_one_rank_goes_on_alone(home, command, together):
    words = command("stopped", train={"checkpoint_seconds": 0})
    ranks = start_ranks(words)
    folder = RunFolder(home / "stopped")
    while folder.checkpoint_notes() is None:
        assert ranks[1].poll() is None
        time.sleep(0.002)
    os.kill(ranks[1]._process.pid, signal.SIGINT)
    statuses, said = ended(ranks)
    assert statuses == [130, 130]
    notes = folder.checkpoint_notes()
    assert said == f"vcl: stopped in session {notes['session']}, step {notes['step']}; the same command resumes it\n"
    assert run_vcl(*words).returncode == 0
    assert_alike(folder, together, decibels=1e-4)


def test_torchrun_starts_ranks_and_the_first_alone_tells_and_writes(home, command, together):
    words = [str(word) for word in command("torchrun") if word != "--quiet"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "vcl"]
    run = subprocess.run([*launcher, *words], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("session 0 clip0: epoch 3 of 3") == 1
    assert run.stdout.count("nothing forgotten: 2 of 2") == 1
    folder = RunFolder(home / "torchrun")
    assert [row["state_sha256"] for row in folder.matrix()["rows"]] == [
        row["state_sha256"] for row in together.matrix()["rows"]
    ]
    assert folder.versions()[0]["ranks"] == 2
    assert len(folder.events("start")) == 1


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        (
            {"train": {"batch": 1}},
            "train.batch must be 2 or more, where as many ranks share the frames of a step, got 1",
        ),
        (
            {"train": {"device": "cuda:1"}},
            "train.device must be cuda, auto or cpu where ranks have a device each, got cuda:1",
        ),
    ],
)
def test_what_ranks_cannot_train_is_refused_in_one_line(sections, line, home, command):
    statuses, said = ended(start_ranks(command("refused", **sections)))
    assert statuses == [2, 2]
    assert said == f"vcl: {line}\n"
    assert not (home / "refused").exists()


def test_a_second_command_is_refused_while_ranks_hold_the_folder(home, command):
    words = command("held", train={"epochs": 400, "checkpoint_seconds": 0})
    ranks = start_ranks(words)
    while RunFolder(home / "held").checkpoint_notes() is None:
        assert ranks[0].poll() is None
        time.sleep(0.005)
    second = run_vcl(*words)
    for rank in ranks:
        rank.send_signal(signal.SIGTERM)
    assert ended(ranks)[0] == [130, 130]
    assert (second.returncode, second.stderr.count("is in use by process")) == (2, 1)
    assert json.loads((home / "held" / "versions.json").read_text())[0]["ranks"] == 2


AVERAGED = """
import sys
import torch
from vcl.ranks import joined

with joined() as ranks:
    shapes = [(3,), (2, 512, 512), (5, 7), (512, 1024)]
    tensors = [torch.full(shape, float(ranks.rank + number)) for number, shape in enumerate(shapes)]
    tensors[3] = tensors[3].t().contiguous().t()  # Large, and not in the order of its memory.
    ranks.average_(tensors)
    means = [sorted(set(tensor.flatten().tolist())) for tensor in tensors]
    shared = torch.full((2,), float(ranks.rank))
    ranks.broadcast_(shared, 1)
    print(means, ranks.gather([ranks.rank, "ä", 0.1]), shared.tolist())
"""


def test_ranks_average_large_and_small_tensors_and_give_each_other_json():
    processes = start_ranks([], code=AVERAGED)
    said = [process.communicate() for process in processes]
    assert said == [("[[0.5], [1.5], [2.5], [3.5]] [[0, 'ä', 0.1], [1, 'ä', 0.1]] [1.0, 1.0]\n", "")] * 2


ENDING = """
import os, sys, time
from datetime import timedelta
from vcl.errors import VclError
from vcl.ranks import join, joined, watch

watch.BEAT, watch.LIMIT = 0.1, 3
try:
    if sys.argv[1] == "missing":
        join._TO_MEET = timedelta(seconds=1)
        if os.environ["RANK"] == "1":
            sys.exit()
    with joined() as ranks:
        if ranks.is_first:
            time.sleep(4 if sys.argv[1] == "slow" else 1)
            if sys.argv[1] == "fails":
                raise VclError("no space for the page")
except VclError as error:
    print("vcl:", error, file=sys.stderr)
    sys.exit(2)
"""


@pytest.mark.parametrize(
    ("what", "statuses", "line"),
    [
        ("slow", [0, 0], ""),
        ("fails", [2, 2], "vcl: rank 0: no space for the page"),
        ("missing", [2, 0], "vcl: 2 ranks must meet, but rank 0 cannot: "),
    ],
)
def test_ranks_wait_for_the_first_at_the_end_and_for_ever_for_none_at_the_start(what, statuses, line):
    of_ranks, said = ended(start_ranks([what], code=ENDING))
    assert of_ranks == statuses
    lines = [text for text in said.splitlines() if text.startswith("vcl: ")]  # PyTorch, loaded before, says more here.
    assert "".join(lines).startswith(line)
    assert len(lines) == bool(line)
