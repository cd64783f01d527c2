"""What each session of a run does, in steps and frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from vcl.config import LwfConfig, MatrixConfig, RunConfig, passes
from vcl.config.rules import require
from vcl.render import BATCH


@dataclass(frozen=True)
class SessionWork:
    """One session, counted.

    Args:
        frames: of its own video.
        held: frames that its steps draw from, all in memory.
        rehearsed: frames of earlier videos that each step trains on beside its own.
        steps: of training.
        trained_on: frames trained on, each counted every time.
        kept: frames in the method's buffer when it has ended.
        measured: frames decoded and measured after it.
        sampled: frames decoded after it for their hash alone.
    """

    frames: int
    held: int
    rehearsed: int
    steps: int
    trained_on: int
    kept: int
    measured: int
    sampled: int


def work_of(config: RunConfig, lengths: Sequence[int]) -> list[SessionWork]:
    """Count a run. Where a method chooses what to keep by how well it was learned, all is taken to be good enough.

    Args:
        config: the run's.
        lengths: frames of each video, by session.

    Raises:
        ConfigError: the method cannot learn so many videos.
    """
    rehearsals = _rehearsals(config, lengths)
    found = []
    for session, (frames, (rehearsed, kept)) in enumerate(zip(lengths, rehearsals, strict=True)):
        batch, waits = config.train.batch, config.method.together and session + 1 < len(lengths)
        held = sum(lengths) if config.method.together else frames
        a_pass = held
        if config.method.name == "cumulative":
            held = sum(lengths[: session + 1])
        times = 0 if waits else passes(config.train.epochs, batch, a_pass, rehearsed)
        steps = times * -(-a_pass // batch)
        measured, sampled = (0, 0) if waits else _row(config.matrix, lengths, session)
        found.append(
            SessionWork(frames, held, rehearsed, steps, times * a_pass + steps * rehearsed, kept, measured, sampled)
        )
    return found


def _rehearsals(config: RunConfig, lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Frames rehearsed a step, and frames kept at the end, by session; the method's own plugin decides."""
    from vcl.sessions.methods import METHODS  # Loads Avalanche, which takes seconds.
    from vcl.sessions.rehearsal import Buffered
    from vcl.subnet.ledger import Ledger

    method, settings = METHODS[config.method.name], config.method
    if settings.name == "gem":
        earlier, buffer = len(lengths) - 1, getattr(settings, "buffer", 0)
        require(buffer >= earlier, "method.buffer", f"be at least {earlier} for gem", buffer)
    plugins = method.own_plugins(settings, Ledger({}, method.state_kind), config.train.seed)
    buffers = [plugin for plugin in plugins if isinstance(plugin, Buffered)]
    held, found = list[int](), []
    for session, frames in enumerate(lengths):
        rehearsed = sum(buffer.rehearsed(session) for buffer in buffers)
        if isinstance(settings, LwfConfig):
            rehearsed = min(settings.rehearse, sum(lengths[:session]))
        for buffer in buffers:
            owners = [*held, *[session] * frames]
            held = [owners[number] for number in buffer.keep(held, session, frames)]
            buffer.buffer = {"query": torch.tensor([[owner, 0, 0] for owner in held], dtype=torch.float64)}
        found.append((rehearsed, len(held)))
    return found


def _row(how: MatrixConfig, lengths: Sequence[int], session: int) -> tuple[int, int]:
    """Frames measured, and frames sampled, after a session."""
    measured = sampled = 0
    for video, frames in enumerate(lengths):
        if video > session:
            measured += frames if how.upper else 0
            continue
        if how.verify == "hash":
            sampled += _sample(frames, how.verify_frames)
        if how.verify == "decode" or session in (video, len(lengths) - 1):
            measured += frames
    return measured, sampled


def _sample(frames: int, wanted: int) -> int:
    """Whole batches, the last one shorter where the video ends in it."""
    batches = -(-frames // BATCH)
    taken = min(batches, -(-wanted // BATCH))
    ends = taken > 1 or batches == 1
    return taken * BATCH - (batches * BATCH - frames if ends else 0)
