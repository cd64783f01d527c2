"""Settings of a library that nobody set: how large its network is and how long it trains, by a word for quality."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_REFERENCE_PIXELS = 180 * 320
"""Frames for which the widths of a quality are; those of larger frames grow with the fourth root of their pixels, so
that weights grow with the square root."""

_SMALLEST_GRID = 9
"""Rows or columns, whichever are fewer, of the grid that a network begins with."""

_SMALLEST_SIDE = 16
"""Pixels of a network's frame, as ``stream.size`` has it."""


@dataclass(frozen=True)
class Quality:
    """What a word for quality sets.

    Args:
        stem_width: of the backbone, for frames of 180 x 320.
        channels: as ``stem_width``.
        lower_width: as ``stem_width``.
        bits: of a weight.
        epochs: passes over each video.
    """

    stem_width: int
    channels: int
    lower_width: int
    bits: float
    epochs: int

    def in_words(self) -> str:
        """For a help text."""
        widths = f"{self.stem_width}, {self.channels} and {self.lower_width}"
        return f"widths of {widths} channels, {self.bits:g} bits a weight, {self.epochs} epochs"


QUALITIES: Mapping[str, Quality] = {
    "low": Quality(24, 16, 12, 5.0, 30),
    "medium": Quality(32, 24, 16, 6.0, 60),
    "high": Quality(64, 40, 24, 6.0, 150),
}
"""Qualities by name, from small files to good pictures."""


def strides_for(size: tuple[int, int]) -> tuple[int, ...]:
    """Strides of the blocks for frames of a size, where the grid has 9 to 17 rows or columns, whichever are fewer.

    The first is 5 where that fits the size without padding, as it does 16:9 frames of 180, 360 or 720 rows; else their
    product is a power of two.

    Args:
        size: height and width of the largest frame, pixels.
    """
    largest = max(1, min(size) // _SMALLEST_GRID)
    if largest >= 10:
        doublings = int(math.log2(largest // 5))
        if all(side % (5 * 2**doublings) == 0 for side in size):
            return (5, *(2,) * doublings)
    doublings = int(math.log2(largest))
    return (4, *(2,) * (doublings - 2)) if doublings > 2 else (2,) * doublings or (1,)


def padded_size(size: tuple[int, int], unit: int) -> tuple[int, int]:
    """The smallest frame of a network that holds frames of a size, pixels.

    Args:
        size: height and width of the largest frame, pixels.
        unit: what the sides of the network's frames are multiples of.
    """
    height, width = (max(1, math.ceil(max(side, _SMALLEST_SIDE) / unit)) * unit for side in size)
    return height, width


def library_settings(given: Mapping[str, Any], quality: str, size: tuple[int, int]) -> dict[str, Any]:
    """Settings of a library: those that are given, and what a quality sets of the others.

    Args:
        given: as ``settings_of`` gives them.
        quality: one of ``QUALITIES``.
        size: height and width of the largest video, pixels; for ``stream.size`` and the widths.
    """
    chosen = QUALITIES[quality]
    settings: dict[str, Any] = {
        "method": {"name": "wsn", "bits": chosen.bits},
        "train": {"epochs": chosen.epochs},
        "wandb": {"mode": "disabled"},
    }
    if given.get("backbone", {}).get("name", "nerv") == "nerv":
        scale = max(1.0, math.prod(size) / _REFERENCE_PIXELS) ** 0.25
        widths = {
            name: 4 * round(getattr(chosen, name) * scale / 4) for name in ("stem_width", "channels", "lower_width")
        }
        # Narrow networks with wide first weights may learn one grey for everything, and stay there.
        settings["backbone"] = {**widths, "strides": strides_for(size), "initial": "paper"}
    for section, values in given.items():
        settings[section] = {**settings.get(section, {}), **values} if isinstance(values, Mapping) else values
    return settings
