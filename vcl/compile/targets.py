"""A file size or a quality to be reached: what of a library's settings follows from it.

A size is met by arithmetic: widths follow from an estimate before anything is trained, and bits from the code lengths
of what a session would seal, once its masks are chosen. A quality is met by trying: a session that falls short is
trained again with twice the passes.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from vcl import backbones
from vcl.codec.encode import Draws, encode_session
from vcl.config import BackboneConfig, RunConfig
from vcl.config.methods.base import FEWEST_BITS, MOST_BITS
from vcl.config.rules import require
from vcl.subnet.ledger import Ledger

log = logging.getLogger(__name__)

TOLERANCE = 0.05
"""Share of a target by which it may be missed without a word."""

MOST_TRIALS = 4
"""Trainings of a session that falls short, each with twice the passes."""

_CODED_BITS = 1.0
"""Bits that coding saves of a weight's, as measured with 6 and the presets' first weights."""

_CODED_MASK = 0.65
"""Bits of a coded mask, relative to its entropy, as measured with a share of 0.3."""

_FIRST_SIDE, _SIDE, _FRAME_SIDE = 1600, 700, 8
"""Bytes of all else: of a library, of a session, of a frame."""

_STEPS = 6
"""Halvings of the range of bits: less than 0.1 remains."""


@dataclass(frozen=True)
class Target:
    """What a library is to reach; at most one of both.

    Args:
        bpp: bits per pixel over all videos that are added.
        psnr: of each video that is added, dB.

    Raises:
        ConfigError: a target that no library can reach.
    """

    bpp: float | None = None
    psnr: float | None = None

    def __post_init__(self) -> None:
        require(self.bpp is None or self.psnr is None, "the target", "be --target-bpp or --target-psnr", "both")
        require(self.bpp is None or 0 < self.bpp <= 24, "--target-bpp", "lie in (0, 24]", self.bpp)
        require(self.psnr is None or 10 <= self.psnr <= 60, "--target-psnr", "lie in [10, 60]", self.psnr)

    def check(self, config: RunConfig) -> None:
        """Refuse weights whose bits cannot be chosen; raises ConfigError."""
        integers = self.bpp is None or config.method.bits is not None
        require(integers, "method.bits", "be a number for --target-bpp, not float32", config.method.bits)


NO_TARGET = Target()


def expected_bytes(config: RunConfig, frames: Sequence[int], before: int = 0) -> list[float]:
    """Bytes of each session, before anything is trained.

    Args:
        config: of the library.
        frames: of each video.
        before: sessions that are in the library already.
    """
    with torch.device("meta"):
        network = backbones.of_run(config, sessions=1)
    weights = sum(shape.numel() for shape in network.shapes().values())
    method, bits = config.method, float(config.method.bits or 32) - _CODED_BITS
    share = getattr(method, "capacity", getattr(method, "kept", 1.0))
    unit_is_weight = getattr(method, "mask_unit", "weight") == "weight"
    entropy = -share * math.log2(share) - (1 - share) * math.log2(1 - share) if share < 1 and unit_is_weight else 0
    free = (lambda session: (1 - share) ** session) if share < 1 else (lambda session: 1.0)
    return [
        weights * (share * free(session) * bits + _CODED_MASK * entropy) / 8 + side_bytes(session, length)
        for session, length in enumerate(frames, before)
    ]


def side_bytes(session: int, frames: int) -> int:
    """Bytes of a session beside masks and weights, about."""
    return _SIDE + _FRAME_SIDE * frames + (0 if session else _FIRST_SIDE)


def fitted_widths(config: RunConfig, frames: Sequence[int], total: float) -> BackboneConfig:
    """The backbone with the widths whose library is expected to have so many bytes, in the ratios of the config's.

    Args:
        config: of the library.
        frames: of each video.
        total: bytes.
    """
    backbone = config.backbone

    def scaled(factor: float) -> BackboneConfig:
        widths: dict[str, Any] = {name: max(1, round(getattr(backbone, name) * factor)) for name in backbone.widths}
        return replace(backbone, **widths)

    low, high = 1 / 32, 16.0
    for _ in range(24):
        middle = math.sqrt(low * high)
        fits = sum(expected_bytes(replace(config, backbone=scaled(middle)), frames)) <= total
        low, high = (middle, high) if fits else (low, middle)
    return scaled(low)


@dataclass(frozen=True)
class Budget:
    """Chooses a session's bits for a number of bytes; a ``MeanBits``.

    Args:
        ledger: of the sessions before.
        draws: of the session.
        coded: bytes for masks and weights.
    """

    ledger: Ledger
    draws: Draws
    coded: float

    def __call__(self, sealed: Callable[[float], Mapping[str, Any]]) -> float:
        """The largest mean number of bits whose codes fit."""
        low, high = float(FEWEST_BITS), float(MOST_BITS)
        if self._bytes(sealed(high)) <= self.coded:
            return high
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._bytes(sealed(middle)) <= self.coded else (low, middle)
        return low

    def _bytes(self, sealed: Mapping[str, Any]) -> int:
        record = copy.deepcopy(self.ledger).seal(**sealed, session={})
        masks, weights, _ = encode_session(record, self.ledger, self.draws)
        return len(masks) + len(weights)


def explained(target: Target, bpp: float, psnrs: Mapping[str, float]) -> str:
    """One line on a target that was missed by more than ``TOLERANCE``; empty where it was met.

    Args:
        target: what was to be reached.
        bpp: bits per pixel that were.
        psnrs: of each video, dB.
    """
    if target.bpp is not None and abs(bpp / target.bpp - 1) > TOLERANCE:
        more = bpp < target.bpp
        cure = "wider layers (backbone.channels) or method.capacity" if more else "narrower layers (backbone.channels)"
        bits = f"more than {MOST_BITS}" if more else f"less than {FEWEST_BITS}"
        takes = f"it takes {bits} bits a weight; {cure} bring it nearer"
        return f"{bpp:.4f} bits per pixel instead of {target.bpp:g}: {takes}"
    if target.psnr is not None:
        least, most = target.psnr, target.psnr * (1 + TOLERANCE)
        short = [f"{name} {psnr:.2f} dB" for name, psnr in psnrs.items() if psnr < least]
        over = [f"{name} {psnr:.2f} dB" for name, psnr in psnrs.items() if psnr > most]
        if short:
            cure = "a higher --quality or wider layers (backbone.channels) bring it nearer"
            return f"less than {least:g} dB after {MOST_TRIALS} trainings: {', '.join(short)}; {cure}"
        if over:
            return f"more than {least:g} dB: {', '.join(over)}; a lower --quality makes a smaller file"
    return ""
