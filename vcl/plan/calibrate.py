"""Seconds and bytes of a run's parts, from a short real run on noise, in a process of its own."""

from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from vcl import config as configs
from vcl.config import BufferConfig, EsmerConfig, LwfConfig, MatrixConfig, RunConfig, WandbConfig
from vcl.config.plugins import plugins_loaded
from vcl.device import choose_device, keep_freed_memory
from vcl.errors import VclError
from vcl.evaluate import measure_row
from vcl.plan.machine import peak_memory
from vcl.plan.work import work_of
from vcl.render import BATCH
from vcl.run import run_clips
from vcl.rundir import Event, RunFolder
from vcl.video.cache import Clip

logger = logging.getLogger(__name__)

MACS = 1.2e12
"""Multiplications with an addition that a calibration's second session may take: about 10 s on two CPU cores."""


@dataclass(frozen=True)
class Calibration:
    """What a short run took. Times in seconds, memory and files in bytes.

    Args:
        took: for all of it.
        start: before the first session.
        begin: of a session, before its first step.
        first_step: a step of the first session, or of a network of its own.
        later_step: a step of a later session.
        rehearsed: frames of earlier videos in that step.
        end: of a session after its last step, whatever its frames; a checkpoint among it.
        end_frame: likewise, for each of its frames.
        save: a checkpoint.
        seal: storing a session and its row.
        row: measuring nothing.
        row_session: likewise, for each closed session.
        frame: decoding and measuring one.
        sampled_frame: decoding one.
        memory: the most that the process held.
        frames: that were in this memory.
        device_memory: the most that PyTorch held on the accelerator; None without one.
        device_there: that were free on it before.
        checkpoint: its file.
    """

    took: float
    start: float
    begin: float
    first_step: float
    later_step: float
    rehearsed: int
    end: float
    end_frame: float
    save: float
    seal: float
    row: float
    row_session: float
    frame: float
    sampled_frame: float
    memory: int
    frames: int
    device_memory: int | None
    device_there: int | None
    checkpoint: int


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
        (path / "asked.yaml").write_text(configs.to_yaml(config))
        words = [sys.executable, "-c", "from vcl.plan.calibrate import main; main()", folder, str(macs), f"{_now()}"]
        done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode < 0:
            raise MemoryError(f"the calibration was ended by signal {-done.returncode}")
        if not (path / "found.json").exists():
            said = done.stderr.strip().splitlines() or [f"nothing, and its exit status was {done.returncode}"]
            raise VclError(f"the run must start to be planned, but it said: {said[-1]}")
        return Calibration(**json.loads((path / "found.json").read_text()))


def main() -> None:
    """The new process: a folder with ``asked.yaml``, the MACs of a frame and the time of its start are its words."""
    path, macs, launched = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    with suppress(OSError):
        # Where memory runs out, this process is to go, and no other.
        Path("/proc/self/oom_score_adj").write_text("1000")
    keep_freed_memory()
    try:
        with plugins_loaded():
            found = measure(configs.load(path / "asked.yaml"), macs, path / "run", launched)
    except VclError as error:
        sys.exit(str(error))
    (path / "found.json").write_text(json.dumps(asdict(found)))


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
    short, lengths, extra = shortened(config, macs)
    *clips, more = [_noise(frames, config.stream.size) for frames in (*lengths, extra)]
    device = choose_device(config.train.device)
    there = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
    watch = _Watch(clips, more, device)
    folder = run_clips(short, clips, path, lambda folder: [watch.listener(folder)])
    memory = peak_memory()
    on_device = torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None
    kept = folder.read_checkpoint()
    assert kept is not None
    started = _now()
    folder.write_checkpoint(*kept)
    save = _now() - started
    begins, steps, ends = zip(*(watch.session(session) for session in range(2)), strict=True)
    later = steps[1]
    assert later is not None
    work = work_of(short, lengths)
    end_frame = max(0.0, ends[1] - ends[0]) / (lengths[1] - lengths[0]) if steps[0] is not None else 0.0
    (_, alone), (_, with_more), (sealed, row) = *watch.rows, watch.last("row")
    frame = max(with_more["seconds"] - alone["seconds"], 0.0) / extra
    fixed = [max(0.0, alone["seconds"] - frame * lengths[0]), max(0.0, row["seconds"] - frame * sum(lengths))]
    row_session = max(0.0, fixed[1] - fixed[0])
    first_done, first = watch.first("session")
    closed, _ = watch.last("session")
    return Calibration(
        took=_now() - launched,
        start=max(0.0, first_done - launched - first["seconds"]) + max(0.0, begins[0] - begins[1]),
        begin=begins[1],
        first_step=later if steps[0] is None else steps[0],
        later_step=later,
        rehearsed=work[1].rehearsed,
        end=max(0.0, ends[1] - end_frame * lengths[1]),
        end_frame=end_frame,
        save=save,
        seal=max(0.0, sealed - closed - row["seconds"]),
        row=max(0.0, fixed[0] - row_session),
        row_session=row_session,
        frame=frame,
        sampled_frame=with_more["decode_seconds"] / with_more["decoded"],
        memory=memory,
        frames=sum(lengths) + extra + work[1].held + work[1].kept,
        device_memory=on_device,
        device_there=there,
        checkpoint=(folder.path / "checkpoint.safetensors").stat().st_size,
    )


def shortened(config: RunConfig, macs: int) -> tuple[RunConfig, tuple[int, int], int]:
    """A run that shows what a real one takes, and no more of it than that.

    Returns:
        The config; frames of its two videos, which differ; frames of one that is only decoded.
    """
    method, batch = config.method, config.train.batch
    rehearse: int = getattr(method, "rehearse", 0) if isinstance(method, BufferConfig | LwfConfig) else 0
    steps = int(min(max(MACS / (3 * macs * (batch + rehearse)), 4), 200))
    passes = 2 if steps < 20 else 5
    a_pass = max(2, steps // passes)
    first = max(rehearse, batch * max(1, a_pass // 4))
    if isinstance(method, EsmerConfig):
        method = replace(method, margin=1e9)  # Else what is kept, and a step rehearses, would depend on the noise.
    # No rate that could make noise diverge, and no checkpoint in the middle: neither changes what a step takes.
    train = replace(
        config.train, epochs=math.ceil(passes * (batch + rehearse) / batch), lr=1e-6, checkpoint_seconds=1e9
    )
    wandb = WandbConfig(mode="disabled")
    short = replace(config, method=method, train=train, matrix=MatrixConfig(upper=False), wandb=wandb)
    return short, (first, max(a_pass * batch, 2 * first)), BATCH * min(max(1, steps // 12), 8)


class _Watch:
    """Notes when each event came; at the last row, with the trainer still in memory, measures rows of other lengths."""

    def __init__(self, clips: Sequence[Clip], more: Clip, device: torch.device) -> None:
        self.clips, self.more, self.device = clips, more, device
        self.events: list[tuple[float, Event]] = []
        self.rows: list[tuple[float, dict[str, Any]]] = []

    def listener(self, folder: RunFolder) -> Any:
        def listen(event: Event) -> None:
            self.events.append((_now(), event))
            if event["kind"] == "row" and event["session"] == 1:
                for clips, upper in ((self.clips[:1], False), ([self.clips[0], self.more], True)):
                    row = measure_row(folder, clips, 0, MatrixConfig(upper=upper), self.device)
                    self.rows.append((_now(), row))

        return listen

    def first(self, kind: str) -> tuple[float, Event]:
        return next(found for found in self.events if found[1]["kind"] == kind)

    def last(self, kind: str) -> tuple[float, Event]:
        return next(found for found in reversed(self.events) if found[1]["kind"] == kind)

    def session(self, number: int) -> tuple[float, float | None, float]:
        """Seconds before the first step, of a step (None where there was none) and after the last."""
        told = [(at, e) for at, e in self.events if e.get("session") == number and e["kind"] in ("epoch", "session")]
        epochs, (_, closed) = told[:-1], told[-1]
        if not epochs:
            return 0.0, None, closed["seconds"]
        pairs = pairwise(epochs)
        step = median((now - before) / (e["step"] - earlier["step"]) for (before, earlier), (now, e) in pairs)
        begin = max(0.0, epochs[0][1]["seconds"] - epochs[0][1]["step"] * step)
        return begin, step, max(0.0, closed["seconds"] - epochs[-1][1]["seconds"])


def _noise(frames: int, size: tuple[int, int]) -> Clip:
    return Clip("noise", np.random.default_rng(0).integers(0, 256, (frames, 3, *size), np.uint8), "")


def _now() -> float:
    return time.monotonic()
