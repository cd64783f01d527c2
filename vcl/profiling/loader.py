"""Loading of a batch against a training step, and the time from the command to the first step."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from vcl import config as configs
from vcl.config import RunConfig
from vcl.device import prepared
from vcl.errors import VclError
from vcl.profiling.subjects import noise, our_steps
from vcl.profiling.table import Row, Table, rows_of, setting_of
from vcl.profiling.timing import Subject, take_turns, timed
from vcl.rundir import RunFolder
from vcl.sessions.experience import video_stream
from vcl.sessions.loader import ResidentFrames

STEPS = 2

ROUNDS = 5


def measure(config: RunConfig, rounds: int) -> Table:
    """Time steps and the loading of their batches; then start the run of the config once, in a separate process.

    Raises:
        VclError: the run does not start.
    """
    config, device = prepared(config)
    subjects = {"step": our_steps(config, STEPS, device), "its batch": _batches(config, device)}
    rows = rows_of(take_turns(subjects, rounds, device), "step", STEPS)
    first = Row("command to first step", 1e3 * _seconds_to_first_step(config))
    setting = setting_of(config, device, rounds=rounds, steps=STEPS)
    return Table("loader", "a training step", "milliseconds", (*rows, first), setting)


def _batches(config: RunConfig, device: torch.device) -> Subject:
    clip = noise(config, STEPS * config.train.batch)
    dataset = video_stream([clip]).train_stream[0].dataset
    loader = ResidentFrames(dataset, [clip], config.train.batch, torch.randperm, device)
    return timed(lambda: sum(1 for _ in loader))


def _seconds_to_first_step(config: RunConfig) -> float:
    """Time from the start of the process to its only step, in a real run of one frame and one epoch."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "first.yaml").write_text(configs.to_yaml(config))
        command = [sys.executable, "-m", "vcl", "run", str(path / "first.yaml"), "--out", str(path / "run"), "--quiet"]
        command += ["stream.frames=1", "train.epochs=1", "matrix.transfer_epochs=0", "track=[]"]
        started = time.perf_counter()
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            while not (epochs := RunFolder(path / "run").events("epoch")):
                if process.poll() not in (None, 0):
                    raise VclError(f"the run must start to be timed, but it said: {process.stderr.read().strip()}")
                time.sleep(0.01)
            seconds = time.perf_counter() - started
            process.kill()
    # The event follows the step, and has the time that training took until then.
    return seconds - float(epochs[0]["seconds"])
