"""What one page leaves to the next, so that a page that is written again while a run goes on decodes nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Kept:
    """Values by what they were made from: those of this page, and of the page before."""

    def __init__(self) -> None:
        self._before: dict[Hashable, Any] = {}
        self._now: dict[Hashable, Any] = {}

    def begin_page(self) -> None:
        """Drop what the last page did not need."""
        self._before, self._now = self._now, {}

    def take(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is kept under a key, or what ``make`` returns, which is kept from now on."""
        if key not in self._now:
            self._now[key] = self._before[key] if key in self._before else make()
        value: T = self._now[key]
        return value
