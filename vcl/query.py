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
        size: height and width of the frame that the window or the points are a part of; None for the network's own.
        points: ``(B, N, 2)``, row and column of single pixels that are wanted, from 0; None for whole frames.
    """

    session: Tensor
    t: Tensor
    frames: Tensor
    window: Tensor | None = None
    size: tuple[int, int] | None = None
    points: Tensor | None = None

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
        (session, t, frames), rest = rows[:, :3].unbind(1), rows[:, 3:]
        if rows.shape[1] % 2 == 0:
            return cls(session, t, frames, points=rest[:, 1:].reshape(len(rows), -1, 2))
        return cls(session, t, frames, rest if rest.shape[1] else None)

    def tensor(self) -> Tensor:
        """``(B, 3)`` float64: session, t, frames; behind them the 4 numbers of a window, or of N points N and 2·N.

        Batches of stock loaders and buffers of frames hold queries like this.
        """
        parts = [torch.stack((self.session, self.t, self.frames), dim=1)]
        if self.points is not None:
            parts += [torch.full_like(parts[0][:, :1], self.points.shape[1]), self.points.flatten(1)]
        elif self.window is not None:
            parts.append(self.window)
        return torch.cat([part.double() for part in parts], dim=1)

    def __len__(self) -> int:
        """Number of frames, B."""
        return len(self.session)

    def key_rows(self, every: int) -> Tensor:
        """Among the key frames of its video (``record.key_frames``), those around each frame: ``(B, 2)``, from 0.

        The first is at the frame or before it, the second behind it; at the end of the video both are the last.
        """
        before, last = self.t.long() // every, -(-(self.frames.long() - 1) // every)
        return torch.stack((before, torch.minimum(before + 1, last)), dim=1)

    @property
    def fraction(self) -> Tensor:
        """``(B,)`` float64: t / T, in [0, 1)."""
        return self.t / self.frames


@dataclass(frozen=True)
class Output:
    """What a network gives.

    Args:
        frames: ``(B, 3, H, W)``, of the window where one was wanted; ``(B, 3, N)`` of points. What lies beyond
            [0, 1] is cut where a video is decoded, and not in training, where it would have no gradient.
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
        target: in [0, 1], what it should give, of the shape of ``Output.frames``.
        weight: ``(B,)`` of each in the loss; None for equal ones.
        seen: the frames that the network encodes, where they are not the target: ``(B, C, 3, H, W)``, or
            ``(B, 3, H, W)`` of one each, see ``Backbone.frames_seen``.
    """

    query: Query
    target: Tensor
    weight: Tensor | None = None
    seen: Tensor | None = None

    @property
    def to_encode(self) -> Tensor:
        """The frames for ``Backbone.encode``: ``seen``, or the target where that is what a network encodes."""
        return self.target if self.seen is None else self.seen
