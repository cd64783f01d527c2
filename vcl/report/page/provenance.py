"""How a run came about: its command, times, code, settings and machine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from vcl.config.differences import differences, every_setting
from vcl.config.rules import in_full
from vcl.report.summary import MACHINE
from vcl.rundir import Event, RunFolder
from vcl.wording import printable

_OF_MACHINE = (*MACHINE, "system")
"""What a start says of the machine, torch aside, which is a library."""

_OF_PROCESS = ("command", "commit")


def provenance(folder: RunFolder) -> dict[str, Any]:
    """What the page says of a run's origin; every command, and the last start; older runs lack some of it."""
    config = folder.config()
    starts = folder.versions() or [{}]
    start = starts[-1]
    commands = dict.fromkeys(start["command"] for start in starts if start.get("command"))
    events = folder.events()
    started = next((event for event in events if event["kind"] == "start"), None)
    ended = next((event for event in reversed(events) if event["kind"] == "end"), None)
    machine = [key for key in _OF_MACHINE if key in start and key != "torch"]
    libraries = [key for key in start if key not in (*machine, *_OF_PROCESS)]
    return {
        "command": "\n".join(_text(command) for command in commands) or None,
        "commit": _text(start["commit"]) if "commit" in start else None,
        "started": _moment(started),
        "ended": _moment(ended) if folder.finished() else None,
        "seed": config.train.seed,
        "differences": [[key, _text(value), _text(default)] for key, value, default in differences(config)],
        "config": [[key, _text(value)] for key, value in every_setting(config).items()],
        "machine": [[key, _text(start[key])] for key in machine],
        "versions": [[key, _text(start[key])] for key in libraries],
    }


def machine_text(machine: Mapping[str, Any] | None) -> str:
    """The machine of a row in a few words: ``cpu, AVX2, 1 thread, torch 2.6``; empty in older runs."""
    if not machine:
        return ""
    words = dict(machine)
    threads = words.pop("threads", None)
    parts = [words.pop(key) for key in ("device", "cpu") if key in words]
    if threads is not None:
        parts.append(f"{threads} thread{'s' * (threads != 1)}")
    return _text(", ".join(map(str, [*parts, *(f"{key} {value}" for key, value in words.items())])))


def utc(seconds: float) -> str:
    """Seconds since 1970 as ``2026-11-28T01:02:03Z``."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(event: Event | None) -> str | None:
    seconds = (event or {}).get("time")
    if not isinstance(seconds, int | float):
        return None  # Older runs have no times.
    try:
        return utc(seconds)
    except (OverflowError, ValueError, OSError):
        return None


def _text(value: object) -> str:
    return printable(value if isinstance(value, str) else in_full(value))
