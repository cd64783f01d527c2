"""The knobs of networks."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from vcl.config.rules import require


@dataclass(frozen=True)
class BackboneConfig:
    """What every network has."""

    widths: ClassVar[tuple[str, ...]] = ()
    """Knobs that make the network wider, the stem's first."""
    name: str
    initial: Literal["paper", "scaled"] = "paper"
    """Range of the first weights: the paper's, or wide enough that signals keep their size in spite of the masks."""


@dataclass(frozen=True)
class NervConfig(BackboneConfig):
    """NeRV with a session-indexed input and, where asked for, a Fourier subneural operator."""

    widths = ("stem_width", "channels", "lower_width")
    name: str = "nerv"
    """Row of the backbone table."""
    levels: int = 40
    """Frequencies of the frame embedding and of the session embedding; each gives a sine and a cosine."""
    base: float = 1.25
    """Ratio of one embedding frequency to the one before."""
    stem_width: int = 512
    """Width of the first linear layer."""
    channels: int = 112
    """Channels that the stem hands to block 1."""
    strides: tuple[int, ...] = (5, 2, 2, 2, 2)
    """Up-scaling of each block; the frame's height and width must be multiples of their product."""
    expansion: float = 1.0
    """Channels of block 1 as a multiple of the stem's."""
    reduction: int = 2
    """From block 2 on, each block has this many times fewer channels than the one before."""
    lower_width: int = 96
    """No block after the first has fewer channels than this."""
    operator_block: int = 0
    """Block, from 1, that gets the Fourier operator; 0 means none. f-NeRV2 is block 1, f-NeRV3 is block 2."""
    operator_path: Literal["sum", "only"] = "sum"
    """Add the operator to the convolution's path, or put it in its place."""
    operator_spectrum: Literal["centred", "packed"] = "centred"
    """Where negative vertical frequencies go in the larger output: to its end, or (parity) where they were."""
    session_embedding: Literal["open", "fraction"] = "open"
    """Place of a session: needs no number of sessions, or (parity) (s + 1) / (N + 1)."""

    def __post_init__(self) -> None:
        for key in ("levels", "stem_width", "channels", "reduction", "lower_width"):
            require(getattr(self, key) >= 1, f"backbone.{key}", "be 1 or more", getattr(self, key))
        require(self.base > 1, "backbone.base", "be greater than 1", self.base)
        wide = 1 <= self.channels * self.expansion < math.inf
        require(wide, "backbone.expansion", f"leave one of {self.channels} channels or more", self.expansion)
        strides_hold = len(self.strides) >= 1 and all(stride >= 1 for stride in self.strides)
        require(strides_hold, "backbone.strides", "hold one whole number from 1 up for each block", list(self.strides))
        last = len(self.strides)
        require(0 <= self.operator_block <= last, "backbone.operator_block", f"lie in 0..{last}", self.operator_block)


BACKBONES: dict[str, type[BackboneConfig]] = {"nerv": NervConfig}
"""Name to knobs; the networks themselves stand in ``vcl.backbones``."""
