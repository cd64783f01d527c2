"""What the configs of all backbones have in common."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from vcl.config.rules import require

WIDEST = 1_000_000
"""Far more channels than any network has; larger numbers are typing errors, and would overflow in torch."""

_FLOAT32_MAX = 3.4e38

Activation = Literal["silu", "gelu", "relu", "none"]

Time = Literal["from_zero", "to_one", "both_ends"]
"""Position of frame t of T, for networks that take one: t / T, as the code of NeRV has it; (t + 1) / T, as its paper
has it; or t / (T - 1), as E-NeRV and D-NeRV have it."""


@dataclass(frozen=True)
class BackboneConfig:
    """Settings that all backbones have."""

    widths: ClassVar[tuple[str, ...]] = ()
    """Knobs that make the network wider, the one of its first layers first; empty where its size cannot be matched."""
    fine_knob: ClassVar[tuple[str, float]] = ("", 0)
    """Knob that makes the network a little larger, with the step that does so; for sizes that widths alone miss."""
    operator_knob: ClassVar[str] = ""
    """Knob that says where the network has a Fourier operator, 0 for nowhere; empty where it cannot have one."""
    pixelwise: ClassVar[bool] = False
    """Whether it trains on single pixels, of which no loss can compare neighbours."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Published sizes by name: the knobs of each, under those that are set."""
    suggests: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Settings of other sections that go with the network, by section: they win over the recipe's and the defaults."""
    excludes: ClassVar[tuple[str, ...]] = ("backbone.preset",)
    """Settings of a file that another backbone on the command line leaves out."""
    name: str
    """Name of the backbone."""
    preset: str | None = None
    """A published size by name, which sets all knobs that are not set; on the command line, also those of a file."""
    size: str | None = None
    """Numbers to have, such as 3M or 350k: of the network, a session's own and those of its frames together. Widths
    are scaled until they are met within 1 %."""
    initial: Literal["paper", "scaled"] = "scaled"
    """Range of the initial weights: as in the paper, or wide enough that masking does not shrink the signal. Layers of
    sines have one range alone, which masks widen."""

    @property
    def numbers(self) -> int | None:
        """What ``size`` says; raises ConfigError where that is no number."""
        if self.size is None:
            return None
        written = re.fullmatch(r"(\d+(?:\.\d+)?)([kKmM]?)", self.size, re.ASCII)
        require(written is not None, "backbone.size", "be a number such as 3M, 350k or 1500000", self.size)
        assert written is not None
        return round(float(written[1]) * {"": 1, "k": 1e3, "m": 1e6}[written[2].lower()])

    @property
    def unit(self) -> int:
        """Pixels of which the sides of a frame must be multiples."""
        return 1

    @property
    def operator(self) -> int:
        """Value of ``operator_knob``; 0 where there is none."""
        return getattr(self, self.operator_knob) if self.operator_knob else 0

    def without_operator(self) -> BackboneConfig:
        """The same network without a Fourier operator."""
        knobs: dict[str, Any] = {self.operator_knob: 0} if self.operator_knob else {}
        return replace(self, **knobs)

    @property
    def needs_session_count(self) -> bool:
        """Whether the network's input depends on the number of videos, so that no run can take another."""
        return False

    def check_widths(self, *keys: str) -> None:
        """Refuse a knob that counts channels, layers or the like and is no such number."""
        for key in keys:
            require(getattr(self, key) >= 1, f"backbone.{key}", "be 1 or more", getattr(self, key))
            require(getattr(self, key) <= WIDEST, f"backbone.{key}", f"be at most {WIDEST}", getattr(self, key))

    def check_frequencies(self, levels: int, base: float) -> None:
        """Refuse a ratio of successive frequencies that makes none greater, or the last one too great for float32."""
        require(base > 1, "backbone.base", "be greater than 1", base)
        in_range = (levels - 1) * math.log(base) < math.log(_FLOAT32_MAX)
        require(in_range, "backbone.base", f"keep {levels} frequencies within the range of float32", base)
