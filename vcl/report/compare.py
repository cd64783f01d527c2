"""Runs side by side: quality, forgetting, stored bytes, time."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rich import box
from rich.table import Table

from vcl.report.summary import KINDS, Summary, measured, summarise
from vcl.report.terminal import plain
from vcl.rundir import RunFolder

_NONE = "n/a"

_NOT_COMPARED = ("root", "cache", "videos", "allow_truncated")
"""Settings of a stream that say where or how frames are read; what was read shows in the matrix."""

_STORED_NAMES = {"weight": "weights", "mask": "masks", "head": "heads"}


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Args:
        summaries: one a run, in the order asked for.
        notes: what a reader must know before comparing them, a line each.
    """

    summaries: tuple[Summary, ...]
    notes: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Lay out for a terminal: a column a run, the PSNR of each video below, then the notes."""
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        head, *rows = self._columns()
        table.add_column(head[0], no_wrap=True)
        for name in head[1:]:
            table.add_column(name, justify="right", no_wrap=True)
        for row in rows:
            if row[0] == self._video_heading(0):
                table.add_section()
            table.add_row(*row)
        return "\n".join([plain(table), *(f"note: {note}" for note in self.notes)])

    def to_markdown(self) -> str:
        """Lay out as ``to_text`` does, as a Markdown table."""
        head, *rows = [[cell.replace("|", "\\|") for cell in row] for row in self._columns()]
        rule = ["---", *("---:" for _ in head[1:])]
        lines = [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]
        notes = ["", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join([*lines, *notes])

    def to_csv(self) -> str:
        """Lay out for programs: a row a run, full precision, empty cells for what does not apply; without notes."""
        kinds = self._kinds()
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        values = [
            *("run", "method", "capacity", "sessions", "psnr", "ssim", "ms_ssim", "backward_transfer", "forgetting"),
            *("forward_transfer", "stored_bytes", *(f"{kind}_bytes" for kind in kinds), "bits_per_pixel", "seconds"),
        ]
        videos = [self._video_heading(j) for j in range(self._sessions())]
        writer.writerow([*values, *videos])
        for summary in self.summaries:
            row: dict[str, Any] = {
                **{key: value for key, value in vars(summary).items() if key in values},
                "sessions": len(summary.videos),
                "stored_bytes": summary.stored_bytes,
                **{f"{kind}_bytes": summary.stored.get(kind, 0) for kind in kinds},
                **dict(zip(videos, summary.last, strict=False)),
            }
            writer.writerow([row.get(key) for key in (*values, *videos)])
        return file.getvalue().rstrip("\n")

    def _columns(self) -> list[list[str]]:
        """List the cells of the table for readers, a line a quantity, what it is in front."""
        lines: dict[str, Callable[[Summary], str]] = {
            "run": lambda s: s.run,
            "method": lambda s: s.method,
            "capacity": lambda s: _shown(s.capacity, "g"),
            "sessions": lambda s: str(len(s.videos)),
            "PSNR (dB)": lambda s: _shown(s.psnr, ".2f"),
            "SSIM": lambda s: _shown(s.ssim, ".4f"),
            "MS-SSIM": lambda s: _shown(s.ms_ssim, ".4f"),
            "backward transfer (dB)": lambda s: _shown(s.backward_transfer, ".2f"),
            "forgetting (dB)": lambda s: _shown(s.forgetting, ".2f"),
            "forward transfer (dB)": lambda s: _shown(s.forward_transfer, ".2f"),
            "stored bytes": lambda s: f"{s.stored_bytes:,}",
            **{f"  {_STORED_NAMES.get(kind, kind)}": _stored(kind) for kind in self._kinds()},
            "bits per pixel": lambda s: f"{s.bits_per_pixel:.4f}",
            "training (s)": lambda s: f"{s.seconds:,.0f}",
            **{self._video_heading(j): _last(j) for j in range(self._sessions())},
        }
        return [[name, *(line(summary) for summary in self.summaries)] for name, line in lines.items()]

    def _kinds(self) -> list[str]:
        return list(dict.fromkeys([*KINDS, *(kind for summary in self.summaries for kind in summary.stored)]))

    def _sessions(self) -> int:
        return max(len(summary.videos) for summary in self.summaries)

    def _video_heading(self, video: int) -> str:
        """Name a session; with its video, where that is the same in all runs."""
        names = {summary.videos[video] for summary in self.summaries if video < len(summary.videos)}
        return f"{video} {names.pop()}" if len(names) == 1 else f"session {video}"


def compare_runs(folders: Sequence[RunFolder]) -> Comparison:
    """Put runs side by side, finished or not.

    Args:
        folders: the runs, in the order of the table.

    Raises:
        VclError: a run has nothing to report yet, or its folder is damaged.
    """
    names = _names(folders)
    summaries = (replace(summarise(folder), run=name) for folder, name in zip(folders, names, strict=True))
    return Comparison(tuple(summaries), tuple(_differences(folders, names)))


def _names(folders: Sequence[RunFolder]) -> list[str]:
    """Name runs by their folders, with as many folders above as it takes to tell them apart."""
    paths = [folder.path.resolve().parts for folder in folders]
    for length in range(1, max(map(len, paths)) + 1):
        names = ["/".join(parts[-length:]) for parts in paths]
        if len(set(names)) == len(set(paths)):
            break
    return names


def _differences(folders: Sequence[RunFolder], names: Sequence[str]) -> list[str]:
    """Say what makes the numbers of these runs differ besides their methods."""
    matrices = [measured(folder) for folder in folders]
    streams = [asdict(folder.config().stream) for folder in folders]
    found: dict[str, list[Any]] = {
        f"stream.{key}": [stream[key] for stream in streams] for key in streams[0] if key not in _NOT_COMPARED
    }
    found["videos"] = [" ".join(matrix["videos"]) for matrix in matrices]
    found["frames"] = [" ".join(map(str, matrix["frames"])) for matrix in matrices]
    found["sessions done"] = [len(matrix["rows"]) for matrix in matrices]
    notes = []
    for key, values in found.items():
        if len(set(map(str, values))) > 1:
            told = (f"{name} {_plainly(value)}" for name, value in zip(names, values, strict=True))
            notes.append(f"the runs differ in {key}: {', '.join(told)}")
    return notes


def _plainly(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _stored(kind: str) -> Callable[[Summary], str]:
    return lambda summary: f"{summary.stored.get(kind, 0):,}"


def _last(video: int) -> Callable[[Summary], str]:
    return lambda summary: _shown(summary.last[video] if video < len(summary.last) else None, ".2f", "")


def _shown(value: float | None, how: str, none: str = _NONE) -> str:
    return none if value is None else format(value, how)
