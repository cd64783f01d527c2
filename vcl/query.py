"""What a network is asked, what it gives, and what it is trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Query:
    """Frames of videos to decode, one per row; sessions may be mixed.

    A query never holds a normalised time: each network makes its own of ``t`` and ``frames``.

    Args:
        session: ``(B,)``, index of each frame's session, from 0.
        t: ``(B,)``, index of the frame in its video, from 0; may lie between two frames.
        frames: ``(B,)``, length T of the frame's video.
        window: ``(B, 4)``, top, left, height and width in pixels of the part that is wanted; None for whole frames.
        size: height and width of the frame that the window is a part of; None for the network's own.
    """

    session: Tensor
    t: Tensor
    frames: Tensor
    window: Tensor | None = None
    size: tuple[int, int] | None = None

    @classmethod
    def of_video(
        cls,
        session: int,
        t: Tensor | range,
        frames: int,
        device: torch.device | str | None = None,
        size: tuple[int, int] | None = None,
        window: tuple[int, int, int, int] | None = None,
    ) -> Query:
        """Frames of one video.

        Args:
            session: its index.
            t: indices of the frames.
            frames: length of the video.
            device: of the tensors; default that of ``t``.
            size: as in the class.
            window: as in the class, the same for all frames.
        """
        indices = torch.tensor(t) if isinstance(t, range) else t
        indices = indices.to(device or indices.device, torch.float64)
        windows = None if window is None else indices.new_tensor(window).expand(len(indices), 4)
        return cls(torch.full_like(indices, session), indices, torch.full_like(indices, frames), windows, size)

    @classmethod
    def of_tensor(cls, rows: Tensor) -> Query:
        """What ``tensor`` gave; without a copy."""
        session, t, frames = rows[:, :3].unbind(1)
        return cls(session, t, frames, rows[:, 3:] if rows.shape[1] > 3 else None)

    def tensor(self) -> Tensor:
        """``(B, 3)`` float64: session, t, frames; ``(B, 7)`` with the window behind them.

        Batches of stock loaders and buffers of frames hold queries like this.
        """
        rows = torch.stack((self.session, self.t, self.frames), dim=1).double()
        return rows if self.window is None else torch.cat((rows, self.window.double()), dim=1)

    def __len__(self) -> int:
        """Number of frames, B."""
        return len(self.session)

    @property
    def fraction(self) -> Tensor:
        """``(B,)`` float64: t / T, in [0, 1)."""
        return self.t / self.frames


@dataclass(frozen=True)
class Output:
    """What a network gives.

    Args:
        frames: ``(B, 3, H, W)`` in [0, 1].
        extras: what else its loss terms need, by name, such as sub-bands.
    """

    frames: Tensor
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    def detach(self) -> Output:
        """Frames and extras without the graph that made them."""
        return Output(self.frames.detach(), {name: tensor.detach() for name, tensor in self.extras.items()})

    def float(self) -> Output:
        """Frames and extras in float32, as losses and metrics need them; a copy only where they are not."""
        return Output(self.frames.float(), {name: tensor.float() for name, tensor in self.extras.items()})


@dataclass(frozen=True)
class Batch:
    """What a network is trained on in one step.

    Args:
        query: B frames, or parts of frames.
        target: ``(B, 3, H, W)`` in [0, 1], what it should give.
        weight: ``(B,)`` of each in the loss; None for equal ones.
    """

    query: Query
    target: Tensor
    weight: Tensor | None = None
