"""What the configs of all methods have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from vcl.config.rules import require

if TYPE_CHECKING:
    from vcl.config.run import RunConfig

FEWEST_BITS, MOST_BITS = 4, 8
"""Bits of the integers that a layer's weights can be stored as."""


@dataclass(frozen=True)
class MethodConfig:
    """Settings that all methods have, and what other rooms ask a method."""

    forgets: ClassVar[bool] = True
    """Whether later sessions may change how earlier videos decode."""
    revisits: ClassVar[bool] = False
    """Whether sessions train on frames of other videos, read from the stream again."""
    together: ClassVar[bool] = False
    """Whether all videos are learned at once, in the last session."""
    excludes: ClassVar[tuple[str, ...]] = ()
    """Settings of other sections that do not go with the method, such as those of a Fourier operator. They are left out
    of a file's where the command line replaces its method by this one."""
    name: str
    """Name of the method."""
    bits: float | None = None
    """Store a session's weights as integers of so many bits on average over its layers, each of which has 4 to 8; null
    stores float32."""
    quantised_share: float = 0.2
    """Share of a session's passes, its last, that train with the integers' values, in [0, 1); for ``bits`` alone."""

    def __post_init__(self) -> None:
        bounds = f"lie in [{FEWEST_BITS}, {MOST_BITS}], or be null"
        require(self.bits is None or FEWEST_BITS <= self.bits <= MOST_BITS, "method.bits", bounds, self.bits)
        require(0 <= self.quantised_share < 1, "method.quantised_share", "lie in [0, 1)", self.quantised_share)

    def rehearsed_at_most(self, session: int) -> int:
        """The most frames of earlier videos that a training step uses in addition to ``train.batch`` new ones."""
        return 0

    @property
    def masks_overlap(self) -> bool:
        """Whether later masks prefer weights that earlier ones chose, so that a run stores less than by chance."""
        return False

    def for_noise(self) -> MethodConfig:
        """The method for a short run on noise, whose work must not depend on how well frames are learned."""
        return self

    def check_sessions(self, sessions: int) -> None:
        """Refuse a number of videos that the method cannot learn.

        Raises:
            ConfigError: names the key and the rule.
        """

    def check(self, run: RunConfig) -> None:
        """Refuse a run that the method cannot do.

        Raises:
            ConfigError: names the key and the rule.
        """
