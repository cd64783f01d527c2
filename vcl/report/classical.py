"""Points of classical codecs, read from a table with one row per encoder, kind of key frames and CRF."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from vcl.errors import VclError

_COLUMNS = ("name", "key_frames", "crf", "bits_per_pixel", "psnr", "decode_frames_per_second")


@dataclass(frozen=True)
class ClassicalPoint:
    """What an encoder makes of a stream at one CRF.

    Args:
        encoder: FFmpeg's name.
        key_frames: which frames are key frames: ``default``, ``every second`` or ``all``.
        crf: the encoder's setting of quality, which is the worse the higher.
        bits_per_pixel: of all videos together.
        psnr: mean over frames, then over videos, dB.
        decode_fps: frames decoded a second.
    """

    encoder: str
    key_frames: str
    crf: float
    bits_per_pixel: float
    psnr: float
    decode_fps: float


def read_classical(path: Path) -> list[ClassicalPoint]:
    """Read what ``vcl bench classical --csv`` printed.

    Args:
        path: a CSV file with the columns above, in any order; further columns are ignored.

    Raises:
        VclError: the file cannot be read, lacks a column, has no rows, or has a cell that is no number.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            missing = [column for column in _COLUMNS if column not in (table.fieldnames or ())]
            if missing:
                raise VclError(f"{path} must have columns for {', '.join(_COLUMNS)}; it lacks {', '.join(missing)}")
            points = [
                ClassicalPoint(
                    row["name"],
                    row["key_frames"],
                    *(_positive(row[column], column, f"{path}, line {table.line_num}") for column in _COLUMNS[2:]),
                )
                for row in table
            ]
    except OSError as error:
        hint = "give the path of what vcl bench classical --csv printed: --classical FILE"
        raise VclError(f"{path} cannot be read ({error.strerror}); {hint}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise VclError(f"{path} is not a CSV file: {error}") from error
    if not points:
        raise VclError(f"{path} must have a row for each point, got none")
    return points


def _positive(text: str | None, column: str, line: str) -> float:
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise VclError(f"{line}: {column} must be a number above 0, got {text!r}")
    return number
