"""What a short run took."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class SessionTimes:
    """Seconds of the parts of a session.

    Args:
        begin: before the first step.
        first_step: a step of the first session, or of a network of its own.
        later_step: a step of a later session.
        rehearsed: frames of earlier videos in that step.
        end: after the last step, whatever the frames; a checkpoint is part of it.
        end_frame: after the last step, for each frame of the session's video.
        save: what training waits for at a checkpoint, which is copied first and written beside training.
        write: writing a checkpoint.
        seal: storing the session and its row.
    """

    begin: float
    first_step: float
    later_step: float
    rehearsed: int
    end: float
    end_frame: float
    save: float
    write: float
    seal: float


@dataclass(frozen=True)
class RowTimes:
    """Seconds of the parts of a row of the matrix.

    Args:
        fixed: whatever is measured.
        per_session: for each closed session.
        frame: decoding and measuring one.
        sampled_frame: decoding one.
    """

    fixed: float
    per_session: float
    frame: float
    sampled_frame: float


@dataclass(frozen=True)
class PeakMemory:
    """Bytes that the process had at most.

    Args:
        process: all of it.
        frames: how many frames were in this memory.
        device: what PyTorch reserved on the accelerator; None without one.
        device_free: what was free there before; None without one.
    """

    process: int
    frames: int
    device: int | None = None
    device_free: int | None = None


@dataclass(frozen=True)
class Calibration:
    """What a short run took.

    Args:
        seconds: for all of it.
        start: seconds before the first session.
        session: of the parts of one.
        row: of the parts of one.
        memory: at most.
        checkpoint: bytes of its file.
        undescribed: type and shape, by name, of what the method stored in the last session without having said so.
    """

    seconds: float
    start: float
    session: SessionTimes
    row: RowTimes
    memory: PeakMemory
    checkpoint: int
    undescribed: Mapping[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)

    def to_json(self) -> str:
        """As one process gives it to another."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """The calibration of which ``to_json`` gave this, in another process."""
        parts = json.loads(text)
        groups = {"session": SessionTimes, "row": RowTimes, "memory": PeakMemory}
        return cls(**{**parts, **{name: group(**parts[name]) for name, group in groups.items()}})

    def undescribed_tensors(self) -> dict[str, Tensor]:
        """``undescribed`` as tensors without content."""
        return {
            name: torch.empty(tuple(shape), dtype=getattr(torch, dtype), device="meta")
            for name, (dtype, shape) in self.undescribed.items()
        }
