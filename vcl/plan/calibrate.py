"""Seconds and bytes of a run's parts, from a short real run on noise, in a process of its own."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vcl import config as configs
from vcl.config import MatrixConfig, RunConfig
from vcl.config.plugins import plugins_loaded
from vcl.device import choose_device, keep_freed_memory
from vcl.errors import VclError
from vcl.evaluate import measure_row
from vcl.plan.calibration import Calibration, PeakMemory, RowTimes, SessionTimes
from vcl.plan.machine import peak_memory
from vcl.plan.work import SessionWork, work_of
from vcl.render import BATCH
from vcl.run import run_clips
from vcl.rundir import Event, RunFolder
from vcl.sessions.checkpoint_writer import CheckpointWriter
from vcl.video.cache import Clip

logger = logging.getLogger(__name__)

MACS = 1.2e12
"""Multiplications with an addition that a calibration's second session may take: about 10 s on two CPU cores."""

GPU_SPEED = 100
"""How many times as much it may take on a GPU; a session's first epoch, in which its step is recorded, is not timed."""


def calibration_of(config: RunConfig, macs: int) -> Calibration:
    """Measure, in a new process, so that this one's memory and warm state have no part in it.

    Args:
        config: the run's.
        macs: of one decoded frame; chooses how much is run.

    Raises:
        VclError: the run fails.
        MemoryError: the process was killed, as systems do where memory runs out.
    """
    logger.info("calibrating: two short sessions on noise, which take minutes at full size")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "config.yaml").write_text(configs.to_yaml(config))
        command = [sys.executable, "-c", "from vcl.plan.calibrate import main; main()", folder, str(macs), f"{_now()}"]
        process = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if process.returncode < 0:
            raise MemoryError(f"the calibration was ended by signal {-process.returncode}")
        if not (path / "calibration.json").exists():
            lines = process.stderr.strip().splitlines() or [f"nothing, and its exit status was {process.returncode}"]
            raise VclError(f"the run must start to be planned, but it said: {lines[-1]}")
        return Calibration.from_json((path / "calibration.json").read_text())


def main() -> None:
    """The new process; its arguments are a folder with ``config.yaml``, the MACs of a frame and when it was started."""
    path, macs, launched = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    with suppress(OSError):
        # Where memory runs out, this process is to go, and no other.
        Path("/proc/self/oom_score_adj").write_text("1000")
    keep_freed_memory()
    try:
        with plugins_loaded():
            calibration = measure(configs.load(path / "config.yaml"), macs, path / "run", launched)
    except VclError as error:
        sys.exit(str(error))
    (path / "calibration.json").write_text(calibration.to_json())


def measure(config: RunConfig, macs: int, path: Path, launched: float) -> Calibration:
    """Run two short sessions of noise at full size, and take them apart.

    Args:
        config: the run's.
        macs: of one decoded frame.
        path: the run folder to make.
        launched: when the process was, in seconds of the system's monotonic clock.

    Raises:
        VclError: the run fails.
    """
    device = choose_device(config.train.device)
    on_gpu = device.type == "cuda"
    short, lengths, extra = shortened(config, macs // GPU_SPEED if on_gpu else macs)
    *clips, more = [_noise(frames, config.stream.size) for frames in (*lengths, extra)]
    device_free = torch.cuda.mem_get_info(device)[0] if on_gpu else None
    watch = _Watch(clips, more, device)
    folder = run_clips(short, clips, path, lambda folder: [watch.listener(folder)])
    process_memory = peak_memory()
    work = work_of(short, lengths)
    frames = sum(lengths) + extra + work[1].drawn_from + work[1].buffered
    device_memory = torch.cuda.max_memory_reserved(device) if on_gpu else None
    session, late_start = _session_times(watch, lengths, work, _seconds_to_save(folder))
    first_event, first = watch.first("session")
    return Calibration(
        start=max(0.0, first_event - launched - first["seconds"]) + late_start,
        session=session,
        row=_row_times(watch, lengths, extra),
        memory=PeakMemory(process_memory, frames, device_memory, device_free),
        checkpoint=(folder.path / "checkpoint.safetensors").stat().st_size,
        undescribed=_undescribed(folder.read_session(1)[0], work[1].state),
        seconds=_now() - launched,
    )


def shortened(config: RunConfig, macs: int) -> tuple[RunConfig, tuple[int, int], int]:
    """A run that shows what a real one takes, and no more of it than that.

    Returns:
        The config; frames of its two videos, which differ; frames of one that is only decoded.
    """
    method, batch = config.method.for_noise(), config.train.batch
    rehearsed = method.rehearsed_at_most(session=1)
    steps = int(min(max(MACS / (3 * macs * (batch + rehearsed)), 4), 200))
    passes = 2 if steps < 20 else 5
    steps_per_pass = max(2, steps // passes)
    first = max(rehearsed, batch * max(1, steps_per_pass // 4))
    # No rate that could make noise diverge, and no checkpoint in the middle: neither changes what a step takes.
    train = replace(
        config.train, epochs=math.ceil(passes * (batch + rehearsed) / batch), lr=1e-6, checkpoint_seconds=1e9
    )
    short = replace(config, method=method, train=train, matrix=MatrixConfig(upper=False), track=())
    return short, (first, max(steps_per_pass * batch, 2 * first)), BATCH * min(max(1, steps // 12), 8)


class _Watch:
    """Notes when each event came; at the last row, with the trainer still in memory, measures rows of other lengths."""

    def __init__(self, clips: Sequence[Clip], more: Clip, device: torch.device) -> None:
        self.clips, self.more, self.device = clips, more, device
        self.events: list[tuple[float, Event]] = []
        self.rows: list[dict[str, Any]] = []

    def listener(self, folder: RunFolder) -> Any:
        def listen(event: Event) -> None:
            self.events.append((_now(), event))
            if event["kind"] == "row" and event["session"] == 1:
                for clips, upper in ((self.clips[:1], False), ([self.clips[0], self.more], True)):
                    self.rows.append(measure_row(folder, clips, 0, MatrixConfig(upper=upper), self.device))

        return listen

    def first(self, kind: str) -> tuple[float, Event]:
        return next((time, event) for time, event in self.events if event["kind"] == kind)

    def last(self, kind: str) -> tuple[float, Event]:
        return next((time, event) for time, event in reversed(self.events) if event["kind"] == kind)

    def session(self, number: int) -> tuple[float, float | None, float]:
        """Seconds before the first step, of a step (None where there was none) and after the last."""
        kinds = ("epoch", "session")
        *epochs, (_, closed) = [
            (time, event) for time, event in self.events if event.get("session") == number and event["kind"] in kinds
        ]
        if not epochs:
            return 0.0, None, closed["seconds"]
        step = median(
            (later - earlier) / (event["step"] - before["step"])
            for (earlier, before), (later, event) in pairwise(epochs)
        )
        begin = max(0.0, epochs[0][1]["seconds"] - epochs[0][1]["step"] * step)
        return begin, step, max(0.0, closed["seconds"] - epochs[-1][1]["seconds"])


def _session_times(
    watch: _Watch, lengths: tuple[int, int], work: Sequence[SessionWork], saving: tuple[float, float]
) -> tuple[SessionTimes, float]:
    """Of the parts of a session; and by how much the first one began more slowly than the second."""
    (first_begin, first_step, first_end), (begin, step, end) = (watch.session(session) for session in range(2))
    assert step is not None
    end_frame = 0.0 if first_step is None else max(0.0, end - first_end) / (lengths[1] - lengths[0])
    closed, _ = watch.last("session")
    sealed, row = watch.last("row")
    times = SessionTimes(
        begin=begin,
        first_step=step if first_step is None else first_step,
        later_step=step,
        rehearsed=work[1].rehearsed,
        end=max(0.0, end - end_frame * lengths[1]),
        end_frame=end_frame,
        save=saving[0],
        write=saving[1],
        seal=max(0.0, sealed - closed - row["seconds"]),
    )
    return times, max(0.0, first_begin - begin)


def _row_times(watch: _Watch, lengths: tuple[int, int], extra: int) -> RowTimes:
    """Of the parts of a row, from rows of one session with and without another video, and of both sessions."""
    alone, with_more = watch.rows
    _, both = watch.last("row")
    frame = max(with_more["seconds"] - alone["seconds"], 0.0) / extra
    one_session = max(0.0, alone["seconds"] - frame * lengths[0])
    two_sessions = max(0.0, both["seconds"] - frame * sum(lengths))
    per_session = max(0.0, two_sessions - one_session)
    return RowTimes(
        fixed=max(0.0, one_session - per_session),
        per_session=per_session,
        frame=frame,
        sampled_frame=with_more["decode_seconds"] / with_more["decoded"],
    )


def _seconds_to_save(folder: RunFolder) -> tuple[float, float]:
    """Of copying the checkpoint once more, which on CUDA is about as fast, and of writing it."""
    checkpoint = folder.read_checkpoint()
    assert checkpoint is not None
    tensors, notes = checkpoint
    writer = CheckpointWriter()
    writer.reserve(tensors)
    for _ in range(2):  # The first copy also fills the memory with pages.
        started = _now()
        writer.start(tensors, lambda copies: folder.write_checkpoint(copies, notes))
        copied = _now()
        writer.wait()
    return copied - started, _now() - copied


def _undescribed(
    stored: Mapping[str, Tensor], described: Mapping[str, Tensor]
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Type and shape of what the method stored for the next session and its plugins did not say."""
    state = {name.removeprefix("buffer/"): tensor for name, tensor in stored.items() if name.startswith("buffer/")}
    return {
        name: (str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))
        for name, tensor in state.items()
        if name not in described
    }


def _noise(frames: int, size: tuple[int, int]) -> Clip:
    return Clip("noise", np.random.default_rng(0).integers(0, 256, (frames, 3, *size), np.uint8), "")


def _now() -> float:
    return time.monotonic()
