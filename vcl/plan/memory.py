"""From the memory of a calibration to that of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vcl.config import RunConfig
from vcl.plan.calibration import Calibration
from vcl.plan.work import SessionWork
from vcl.subnet.record import StateKind

_HELD_BY_THE_LEDGER: dict[StateKind, tuple[str, ...]] = {
    "shared_masked": ("mask", "frame"),
    "shared_latest": ("frame",),
    "per_session": ("weight", "session", "frame"),
    "differences": ("weight", "session", "frame"),
}
"""Kinds of a closed session's tensors that stay in memory, but for those that all sessions share."""


def more_frames(config: RunConfig, work: Sequence[SessionWork], already: int = 0) -> int:
    """Bytes of the frames that a run holds together, less those of so many frames."""
    return frame_bytes(config) * (max(session.drawn_from + session.buffered for session in work) - already)


def more_memory(
    config: RunConfig,
    work: Sequence[SessionWork],
    files: Sequence[Mapping[str, int]],
    kind: StateKind,
    calibration: Calibration,
) -> int:
    """Bytes that a run holds and its calibration does not: frames, and what closed sessions leave, twice.

    Args:
        config: the run's.
        work: of its sessions.
        files: bytes of each session's file by kind.
        kind: what the method leaves behind a session.
        calibration: of two sessions.
    """
    copied = max(session.copied for session in work) * frame_bytes(config)
    closed = sum(file.get(name, 0) for file in files[2:] for name in _HELD_BY_THE_LEDGER[kind])
    return max(more_frames(config, work, calibration.memory.frames) + copied + 2 * closed, 0)


def frame_bytes(config: RunConfig) -> int:
    """Of one frame at 8 bits per colour."""
    return 3 * config.stream.size[0] * config.stream.size[1]
