"""What the configs of all methods have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from vcl.config.run import RunConfig


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
