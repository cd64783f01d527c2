"""What the JSON files of a run folder must hold, and the matrix as a table.

A malformed record raises ValueError, with the rule that it breaks, before anything is computed from it.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from vcl.metrics.registry import METRICS, PSNR

_HASHES = ("sha256", "sample_sha256", "state_sha256")

_Check = tuple[str, Callable[[Any], bool]]


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_layers(value: Any) -> bool:
    numbers = ("total", "used", "reused", "new", "free")
    return isinstance(value, list) and all(
        isinstance(layer, dict) and isinstance(layer.get("name"), str) and all(_is_count(layer.get(n)) for n in numbers)
        for layer in value
    )


_COUNT: _Check = ("a whole number", _is_count)
_NUMBER: _Check = ("a finite number", _is_number)
_NAME: _Check = ("a name", lambda value: isinstance(value, str))
_NAMES: _Check = ("a list of names", _is_names)

_EVENTS: dict[str, dict[str, _Check]] = {
    "start": {"videos": _NAMES, "sha256": _NAMES},
    "epoch": {
        **dict.fromkeys(("session", "epoch", "epochs", "step", "steps"), _COUNT),
        **dict.fromkeys(("loss", "psnr", "lr", "seconds"), _NUMBER),
    },
    "session": {"session": _COUNT, "seconds": _NUMBER, "layers": ("a list of layers", _is_layers)},
    "row": {"session": _COUNT},
    "probe": {"session": _COUNT, "psnr": _NUMBER, "scratch": ("true or false", lambda value: type(value) is bool)},
}


def check_event(event: Any) -> None:
    """Check a line of ``events.jsonl``; raises ValueError."""
    _require(event, {"kind": _NAME}, "an event")
    _require(event, _EVENTS.get(event["kind"], {}), f"the event {event['kind']}")


def check_versions(starts: Any) -> None:
    """Check the content of ``versions.json``; raises ValueError."""
    if not isinstance(starts, list) or not all(isinstance(start, dict) for start in starts):
        raise ValueError("it must be a list of objects")


def check_appended(videos: Any) -> None:
    """Refuse what ``appended.json`` cannot hold."""
    text: _Check = ("text", lambda value: isinstance(value, str))
    root: _Check = ("text or null", lambda value: value is None or isinstance(value, str))
    if not isinstance(videos, list):
        raise ValueError("it must be a list of videos")
    for number, video in enumerate(videos):
        _require(video, {"video": text, "benchmark": text, "root": root}, f"video {number}")


def check_matrix(matrix: Any) -> None:
    """Check the content of ``matrix.json``; raises ValueError."""
    size: _Check = ("height and width", lambda value: _is_list_of(2, _is_count, value))
    rows: _Check = ("a list", lambda value: isinstance(value, list))
    _require(matrix, {"videos": _NAMES, "size": size, "rows": rows}, "the matrix")
    count = len(matrix["videos"])
    frames: _Check = (f"{count} whole numbers", lambda value: _is_list_of(count, _is_count, value))
    _require(matrix, {"frames": frames}, "the matrix")
    if len(matrix["rows"]) > count:
        raise ValueError(f"rows must be at most {count}, one per video, got {len(matrix['rows'])}")
    for number, row in enumerate(matrix["rows"]):
        _check_row(row, number, count)


def check_statistics(statistics: Any) -> None:
    """Check the content of ``statistics.json``; raises ValueError."""
    hashes: _Check = ("a list of hashes or null", lambda value: isinstance(value, list) and all(map(_is_hash, value)))
    a_list: _Check = ("a list", lambda value: isinstance(value, list))
    whole = {"version": _COUNT, "frame_count": _COUNT, "state_sha256": hashes}
    _require(statistics, {**whole, **dict.fromkeys(("layers", "spectra", "frames"), a_list)}, "the statistics")
    sessions = len(statistics["state_sha256"])
    for layer in statistics["layers"]:
        _require(layer, {"name": _NAME, "variance": _cells(sessions)}, "a layer")
    for curve in statistics["spectra"]:
        _require(curve, {"group": _NAME}, "a spectrum of a block")
    for curve in (*statistics["spectra"], *statistics["frames"]):
        numbers: _Check = ("numbers", lambda value: isinstance(value, list) and all(map(_is_number, value)))
        _require(curve, {"name": _NAME, "frequency": numbers}, "a spectrum")
        _, is_spectrum = _cells(len(curve["frequency"]))
        spectra: _Check = (f"{sessions} lists as long as frequency", partial(_is_list_of, sessions, is_spectrum))
        _require(curve, {"log_amplitude": spectra}, f"the spectrum {curve['name']}")


def matrix_csv(matrix: Mapping[str, Any]) -> str:
    """The matrix as a table: a line for each metric and session, a column for each video."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["metric", "after session", *matrix["videos"]])
    for metric in METRICS:
        for row in matrix["rows"]:
            cells = row.get(metric) or [None] * len(matrix["videos"])
            writer.writerow([metric, row["session"], *("" if cell is None else cell for cell in cells)])
    return table.getvalue()


def _check_row(row: Any, number: int, count: int) -> None:
    rule, are_cells = _cells(count)
    cells: _Check = (rule, lambda value: value is None or are_cells(value))
    hashes: _Check = (f"{count} hashes or null", lambda value: _is_list_of(count, _is_hash, value))
    session: _Check = (str(number), lambda value: type(value) is int and value == number)
    required = {"session": session, PSNR.name: cells, "sha256": hashes}
    optional = {  # Rows of older runs may lack these.
        **dict.fromkeys(METRICS, cells),
        **dict.fromkeys(_HASHES, hashes),
        **dict.fromkeys(("seconds", "decoded", "decode_seconds"), _NUMBER),
    }
    present = {key: check for key, check in optional.items() if isinstance(row, dict) and key in row}
    _require(row, {**required, **present}, f"row {number}")


def _cells(count: int) -> _Check:
    return f"{count} cells, numbers or null", partial(_is_list_of, count, lambda cell: cell is None or _is_number(cell))


def _is_hash(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_list_of(count: int, is_one: Callable[[Any], bool], value: Any) -> bool:
    return isinstance(value, list) and len(value) == count and all(map(is_one, value))


def _require(record: Any, checks: Mapping[str, _Check], what: str) -> None:
    if not isinstance(record, dict):
        raise ValueError(f"{what} must be an object, got {_shown(record)}")
    for key, (rule, holds) in checks.items():
        if key not in record:
            raise ValueError(f"{what} must have {key}")
        if not holds(record[key]):
            raise ValueError(f"{key} of {what} must be {rule}, got {_shown(record[key])}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
