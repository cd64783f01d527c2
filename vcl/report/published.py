"""Numbers that papers report, read from a table with one row per number."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from vcl.errors import VclError

MEAN = "mean"
"""Instead of the name of a video: an average over videos."""


@dataclass(frozen=True)
class Source:
    """Where published numbers come from and how they were obtained; None or empty where that is unknown.

    Args:
        paper: its name and where it appeared.
        table: where in the paper.
        network: the paper's name for its network.
        stream: name of the benchmark.
        method: as ``method.name``.
        backbone: as ``backbone.name``; another name where we do not have the network.
        channels: as ``backbone.channels``.
        height: of a frame, pixels.
        width: of a frame, pixels.
        epochs: passes over a video.
        batch: frames per step.
        lr: as ``train.lr``.
        session_embedding: as ``backbone.session_embedding``.
        capacity: share of weights in one mask.
        reinit: whether scores are initialised again for each session.
        operator_block: as ``backbone.operator_block``.
        recipe: paper where it was trained by the recipe of NeRV's code, which PFNR's has too: first weights
            ``paper``, Adam's betas 0.5 and 0.999, 20 % warm-up from a tenth, ``l1_ssim`` and float32.
        operator: ``backbone.operator_path``, ``operator_spectrum`` and how the operator's scores are ranked: magnitude
            or signed.
    """

    paper: str
    table: str
    network: str
    stream: str
    method: str
    backbone: str
    channels: int | None
    height: int | None
    width: int | None
    epochs: int | None
    batch: int | None
    lr: float | None
    session_embedding: str
    capacity: float | None
    reinit: bool | None
    operator_block: int | None
    recipe: str = ""
    operator: str = ""

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width, pixels."""
        return None if self.height is None or self.width is None else (self.height, self.width)


@dataclass(frozen=True)
class Published:
    """A reported number.

    Args:
        source: where it comes from, and how it was obtained.
        video: its name in the benchmark, or ``mean``.
        psnr: dB.
        frames: of the video, None where unknown.
        videos: those of a mean, in the order of the sessions; empty for a single video.
        note: what is wrong or uncertain about the number.
    """

    source: Source
    video: str
    psnr: float
    frames: int | None
    videos: tuple[str, ...]
    note: str


def read_published(path: Path, option: str = "--with-published") -> list[Published]:
    """Read reported numbers.

    Args:
        path: a CSV file with a column for each field of ``Source`` and of ``Published``, in any order; further columns
            are ignored. A cell is empty where nothing is known, and ``reinit`` is yes or no. The columns ``recipe`` and
            ``operator`` may be left out.
        option: of the command, which names the file.

    Raises:
        VclError: the file cannot be read, lacks a column, or has a cell of the wrong type.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            missing = [column for column in _REQUIRED if column not in (table.fieldnames or ())]
            if missing:
                raise VclError(f"{path} must have columns for {', '.join(_REQUIRED)}; it lacks {', '.join(missing)}")
            return [_published(row, f"{path}, line {table.line_num}") for row in table]
    except OSError as error:
        hint = f"give the path of the published numbers: {option} FILE"
        raise VclError(f"{path} cannot be read ({error.strerror}); {hint}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise VclError(f"{path} is not a CSV file: {error}") from error


def _published(row: Mapping[str, str | None], line: str) -> Published:
    cells = {column: _cell(column, (row.get(column) or "").strip(), line) for column in _COLUMNS}
    source = Source(**{item.name: cells.pop(item.name) for item in fields(Source)})
    return Published(source, **cells)


def _cell(column: str, text: str, line: str) -> Any:
    kind, read = _KINDS.get(column, ("text", str))
    if not text and column in _OPTIONAL:
        return None
    try:
        return read(text)
    except ValueError as error:
        raise VclError(f"{line}: {column} must be {kind}, got {text!r}") from error


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _yes_or_no(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError(text)
    return text == "yes"


_COLUMNS = tuple(item.name for kind in (Source, Published) for item in fields(kind) if item.name != "source")

_REQUIRED = tuple(column for column in _COLUMNS if column not in ("recipe", "operator"))

_WHOLE = dict.fromkeys(
    ("channels", "height", "width", "epochs", "batch", "operator_block", "frames"), ("a whole number", int)
)

_KINDS: dict[str, tuple[str, Callable[[str], object]]] = {
    **_WHOLE,
    "capacity": ("a number", _number),
    "lr": ("a number", _number),
    "psnr": ("a number", _number),
    "reinit": ("yes or no", _yes_or_no),
    "videos": ("names with spaces between them", lambda text: tuple(text.split())),
}
"""What a column must hold, and how to read it; columns without an entry hold text."""

_OPTIONAL = (*_WHOLE, "capacity", "lr", "reinit")
