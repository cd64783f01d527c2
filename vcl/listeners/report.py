"""A page that is kept fresh while a run goes on."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import torch

from vcl.listeners.sink import one_line
from vcl.report.page.kept import Kept
from vcl.report.page.view import report_of, write_page
from vcl.rundir import Event, RunFolder

log = logging.getLogger(__name__)

_SECONDS = 30.0
"""Least time between two pages that differ in training curves alone."""

_SHARE = 0.02
"""Most of the time that such pages may take, in which nothing is trained."""


class PageListener:
    """Writes a run's page after each row, at its end, and now and then at the end of an epoch.

    Videos are decoded after a row, and only those that decode otherwise than after the row before. The listener never
    ends training: whatever goes wrong, the run continues, with one warning, and the page is tried again.

    Args:
        folder: the run.
        path: the page.
    """

    def __init__(self, folder: RunFolder, path: Path) -> None:
        self._folder = folder
        self._path = path
        self._kept = Kept()
        self._written: float | None = None
        self._pause = _SECONDS
        self._warned = False

    def __call__(self, event: Event) -> None:
        """Take an event of the run."""
        is_due = self._written is None or time.monotonic() > self._written + self._pause
        if event["kind"] in ("row", "end"):
            self._write()  # How long it takes says nothing of other pages: it decodes videos.
        elif event["kind"] == "epoch" and is_due:
            self._pause = max(_SECONDS, self._write() / _SHARE)

    def close(self) -> None:
        """Write the page of a run in which nothing happened, as one that was finished before."""
        if self._written is None:
            self._write()

    def _write(self) -> float:
        """Write the page; returns the seconds that it took."""
        started = time.monotonic()
        try:
            # A new network draws its first weights, and training goes on after this as if nothing had been drawn.
            with torch.random.fork_rng():
                write_page(self._path, report_of([self._folder], kept=self._kept, live=True))
        except Exception as error:
            if not self._warned:
                log.warning("the page is not written, the run goes on without it: %s", one_line(error))
            self._warned = True
        self._written = time.monotonic()
        return self._written - started
