"""Positions of frames, sessions and pixels as the numbers that a network takes."""

import math

import torch
from torch import Tensor, nn

from vcl.layers.constant import constant

_GOLDEN = (math.sqrt(5) - 1) / 2


def session_position_open(session: Tensor) -> Tensor:
    """A position in (0, 1) for every session, independent of how many follow.

    Multiples of the golden ratio modulo 1 stay nearly as far apart as possible, however many there are.

    Args:
        session: any shape, whole numbers from 0.

    Returns:
        The same shape, float64.
    """
    return ((session.double() + 1) * _GOLDEN) % 1


def session_position_fraction(session: Tensor, sessions: int) -> Tensor:
    """The published position, ``(s + 1) / (N + 1)``, which needs the final number of sessions N."""
    return (session.double() + 1) / (sessions + 1)


def time_position(t: Tensor, frames: Tensor, kind: str) -> Tensor:
    """A position for a frame of a video.

    Args:
        t: any shape, index of the frame, from 0.
        frames: of the same shape, length T of its video.
        kind: as in ``vcl.config.backbones.base.Time``; with ``both_ends`` the only frame of a video lies at 0.

    Returns:
        The same shape, float64, in [0, 1].
    """
    t, frames = t.double(), frames.double()
    if kind == "both_ends":
        return t / (frames - 1).clamp(min=1)
    return (t + (kind == "to_one")) / frames


class PositionalEncoding(nn.Module):
    """A position in [0, 1) as sines and cosines: ``(B,)`` to ``(B, 2 * levels)``, sine and cosine in turn.

    Level i has the angle ``position * pi * base ** i``, computed in float64, as the highest level turns thousands of
    times.

    Args:
        levels: number of frequencies.
        base: ratio of one frequency to the one before.

    Source:
        Chen et al., NeurIPS 2021, arXiv:2110.13903.
    """

    frequency: Tensor

    def __init__(self, levels: int, base: float) -> None:
        super().__init__()
        frequency = constant(lambda: math.pi * _powers(levels, base))
        self.register_buffer("frequency", frequency, persistent=False)

    def forward(self, position: Tensor) -> Tensor:
        """Sines and cosines, float32."""
        angle = position.double()[:, None] * self.frequency
        return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1).float()


class FrameEncoding(PositionalEncoding):
    """A frame as sines and cosines: of its time and, where a network learns several videos by it, of its session.

    Args:
        levels: number of frequencies.
        base: ratio of one frequency to the one before.
        time: as of ``time_position``.
        sessions: whether to encode the session, at ``session_position_open``.
    """

    def __init__(self, levels: int, base: float, time: str, sessions: bool) -> None:
        super().__init__(levels, base)
        self.time, self.sessions = time, sessions

    @property
    def width(self) -> int:
        """Numbers of a frame."""
        return 2 * len(self.frequency) * (1 + self.sessions)

    def of_frames(self, session: Tensor, t: Tensor, frames: Tensor) -> Tensor:
        """``(B, width)``, float32, of the frames of a query."""
        time: Tensor = self(time_position(t, frames, self.time))
        return torch.cat((time, self(session_position_open(session))), dim=1) if self.sessions else time


class PlaceTimeEncoding(nn.Module):
    """Waves in time whose frequencies depend on the place, so that places next to each other differ a little.

    Level i has the angle ``(2 pi b + sin(2 pi y b) / b + sin(2 pi x b) / b) * t`` with ``b = base ** i``, in float64.

    Args:
        levels: number of frequencies.
        base: ratio of one frequency to the one before.

    Source:
        Gupta et al., TMLR 2024, arXiv:2406.19299.
    """

    power: Tensor

    def __init__(self, levels: int, base: float) -> None:
        super().__init__()
        self.register_buffer("power", constant(lambda: _powers(levels, base)), persistent=False)

    def forward(self, time: Tensor, place: Tensor) -> Tensor:
        """Cosine and sine in turn.

        Args:
            time: ``(B,)``.
            place: ``(B, 2)``, row and column, each in [0, 1].

        Returns:
            ``(B, 2 * levels)``, float32.
        """
        turns = 2 * math.pi * self.power
        of_place = (place.double()[..., None] * turns).sin().sum(1) / self.power
        angle = (turns + of_place) * time.double()[:, None]
        return torch.stack((angle.cos(), angle.sin()), dim=-1).flatten(1).float()


class OctaveEncoding(nn.Module):
    """Each coordinate as sines and cosines: ``(..., D)`` to ``(..., 2 · D · octaves)``.

    Octave k has the angle ``coordinate · π · 2^k``. All sines come first, the octaves of a coordinate side by side;
    then the cosines.

    Args:
        octaves: number of frequencies.

    Source:
        Mildenhall et al., ECCV 2020, arXiv:2003.08934.
    """

    frequency: Tensor

    def __init__(self, octaves: int) -> None:
        super().__init__()
        frequency = torch.tensor([math.pi * 2.0**octave for octave in range(octaves)])
        self.register_buffer("frequency", frequency, persistent=False)

    def forward(self, coordinates: Tensor) -> Tensor:
        """Sines and cosines, in the type of the coordinates."""
        angles = (coordinates[..., None] * self.frequency).flatten(-2)
        return torch.cat((angles.sin(), angles.cos()), dim=-1)


def _powers(levels: int, base: float) -> Tensor:
    """``base ** i``, float64."""
    powers: Tensor = torch.tensor(base, dtype=torch.float64) ** torch.arange(levels).double()
    return powers
