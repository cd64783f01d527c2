"""What the knobs of all methods have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from vcl.config.run import RunConfig


@dataclass(frozen=True)
class MethodConfig:
    """Settings of every method."""

    forgets: ClassVar[bool] = True
    """Whether later sessions may change how earlier videos decode."""
    together: ClassVar[bool] = False
    """Whether all videos are learned at once, when the last has arrived."""
    excludes: ClassVar[tuple[str, ...]] = ()
    """Settings of other sections that the method does not go with, such as ``backbone.operator_block``. A file's are
    left out where the method is named on the command line."""
    name: str
    """Name of the method."""

    def rehearsed_at_most(self, session: int) -> int:
        """Frames of earlier videos that a step of a session trains on beside its own."""
        return 0

    def check(self, run: RunConfig) -> None:
        """Refuse a run that the method cannot do.

        Raises:
            ConfigError: names the key and the rule.
        """
