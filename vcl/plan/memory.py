"""From the memory of a calibration to that of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vcl.config import EsmerConfig, IcarlConfig, RunConfig
from vcl.plan.calibrate import Calibration
from vcl.plan.work import SessionWork


def more_frames(config: RunConfig, work: Sequence[SessionWork], already: int = 0) -> int:
    """Bytes of the frames that a run holds together, less those of so many frames."""
    return frame_bytes(config) * (max(done.held + done.kept for done in work) - already)


def more_memory(
    config: RunConfig,
    work: Sequence[SessionWork],
    files: Sequence[Mapping[str, int]],
    keeps: str,
    found: Calibration,
) -> int:
    """Bytes that a run holds and its calibration does not: frames, and what closed sessions leave, twice."""
    longest = max(done.frames for done in work) * frame_bytes(config)
    again = {IcarlConfig: 2, EsmerConfig: 1}.get(type(config.method), 0)  # Whole videos, when a session ends.
    kept = 0
    if keeps != "shared_latest":
        kinds = ("mask",) if keeps == "shared_masked" else ("weight", "session")
        kept = 2 * sum(file.get(kind, 0) for file in files[2:] for kind in kinds)
    return max(more_frames(config, work, found.frames) + longest * again + kept, 0)


def frame_bytes(config: RunConfig) -> int:
    """Of one frame at 8 bits a colour."""
    return 3 * config.stream.size[0] * config.stream.size[1]
