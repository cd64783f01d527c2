"""The file of events: one JSON object per line, only ever appended to."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vcl.rundir.files import exists, explained
from vcl.rundir.records import check_event

Event = dict[str, Any]
"""A line of ``events.jsonl``: ``kind``, and what events of that kind say."""

Listener = Callable[[Event], None]
"""Whoever watches a run: it gets each event after the run folder has it."""

_IDENTITY = {
    "epoch": ("session", "epoch"),
    "session": ("session",),
    "row": ("session",),
    "probe": ("session", "scratch"),
}
"""By kind, what two events have in common of which the later replaces the earlier."""


def append_event(path: Path, event: Event) -> None:
    """Append an event; it is on the disk when this returns. Raises RunFolderError."""
    line = json.dumps(event, allow_nan=False).encode() + b"\n"
    with explained(path), path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(line)
        file.flush()
        os.fsync(file.fileno())  # What is written after it, such as a session, may not outlive it.


def read_events(path: Path, kind: str | None = None) -> list[Event]:
    """All events in order, or those of one kind; of one that was repeated the last, at the place of the first.

    A line that a kill cut off is left out.

    Raises:
        RunFolderError: a line is no event, or the file cannot be read.
    """
    if not exists(path):
        return []
    with explained(path):
        lines = path.read_bytes().splitlines()
    events: dict[object, Event] = {}
    for number, line in enumerate(lines, 1):
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        with explained(f"{path}, line {number},"):
            check_event(event)
        if kind is None or event["kind"] == kind:
            names = _IDENTITY.get(event["kind"])
            events[number if names is None else (event["kind"], *(event.get(name) for name in names))] = event
    return list(events.values())
