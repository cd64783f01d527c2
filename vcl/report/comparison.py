"""Runs side by side: quality, forgetting, stored bytes, time."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean, stdev
from typing import Any

from vcl import config as configs
from vcl.config import RunConfig, SingleMatchedConfig
from vcl.metrics.registry import METRICS, PSNR
from vcl.report.summary import KINDS, Summary, measured, summarise
from vcl.report.tables import markdown_table, text_table
from vcl.rundir import RunFolder
from vcl.wording import printable

_NONE = "n/a"

_FEW = 6
"""Up to so many runs have a column each."""

_ALIKE = 0.05
"""Matched sizes that differ by less than this share belong to one group."""

_NOT_COMPARED = (
    *("stream.root", "stream.cache", "stream.videos", "stream.allow_truncated"),
    *("train.seed", "train.threads", "train.checkpoint_seconds", "backbone.operator_block"),
)
"""Settings that move no number, show in the matrix, or belong to the method."""

_STORED_NAMES = {"weight": "weights", "mask": "masks", "head": "heads", "buffer": "buffers"}


@dataclass(frozen=True)
class Quantity:
    """A line of the table.

    Args:
        name: what a reader calls it, with its unit.
        of: a run to its value; None where it does not apply.
        how: format of the value.
        spread: whether to say how far seeds lie apart.
    """

    name: str
    of: Callable[[Summary], float | None]
    how: str
    spread: bool = False

    def shown(self, runs: Sequence[Summary]) -> str:
        """The mean over runs; behind it, where there are several, their standard deviation."""
        values = [value for run in runs if (value := self.of(run)) is not None]
        if not values or len(values) < len(runs):
            return _NONE
        mean = format(fmean(values), self.how)
        return f"{mean} ± {stdev(values):{self.how}}" if self.spread and len(values) > 1 else mean


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Args:
        groups: by name, runs that differ in nothing but their seed; one each unless they are put together.
        notes: what a reader must know before comparing them, a line each.
    """

    groups: Mapping[str, tuple[Summary, ...]]
    notes: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Lay out for a terminal, the notes below: few runs a column each with the PSNR of each video, many a row."""
        rows = self._cells()
        breaks = [number for number, row in enumerate(rows) if row[0] == self._video_heading(0)]
        return "\n".join([text_table(rows, breaks=breaks), *(f"note: {note}" for note in self.notes)])

    def to_markdown(self) -> str:
        """Lay out as ``to_text`` does, as a Markdown table."""
        notes = ["", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join([markdown_table(self._cells()), *notes])

    def to_csv(self) -> str:
        """Lay out for programs: a row a run, full precision, empty cells for what does not apply; without notes."""
        kinds = self._kinds()
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        values = [
            *("run", "method", "capacity", "seed", "sessions", *METRICS, "backward_transfer", "forgetting"),
            *("forward_transfer", "stored_bytes", *(f"{kind}_bytes" for kind in kinds), "bits_per_pixel"),
            *("updates_per_frame", "seconds", "decode_fps"),
        ]
        videos = [self._video_heading(j) for j in range(self._sessions())]
        writer.writerow([*values, *videos])
        for summary in self._runs():
            row: dict[str, Any] = {
                **{name: getattr(summary, name) for name in values if hasattr(summary, name)},
                **summary.averages,
                "sessions": len(summary.videos),
                **{f"{kind}_bytes": summary.stored.get(kind, 0) for kind in kinds},
                **dict(zip(videos, summary.last, strict=False)),
            }
            writer.writerow([row.get(key) for key in (*values, *videos)])
        return file.getvalue().rstrip("\n")

    def _cells(self) -> list[list[str]]:
        """The table for readers: a line a quantity, or a line a run where there are many; without what nobody has."""
        members = list(self.groups.values())
        lines = [
            ["run", *self.groups],
            ["method", *(runs[0].method for runs in members)],
            *([q.name, *map(q.shown, members)] for q in self._quantities()),
        ]
        always = {"run", "method", *(metric.heading for metric in METRICS.values())}
        kept = [line for line in lines if line[0] in always or set(line[1:]) - {_NONE, "0"}]
        if len(self.groups) <= _FEW:
            return kept
        return [list(row) for row in zip(*kept, strict=True)]

    def _quantities(self) -> list[Quantity]:
        each_video = [Quantity(self._video_heading(j), _last(j), f".{PSNR.digits}f") for j in range(self._sessions())]
        several = any(len(runs) > 1 for runs in self.groups.values())
        return [
            Quantity("capacity", lambda s: s.capacity, "g"),
            *([Quantity("seeds", lambda s: len(self._group_of(s)), ".0f")] if several else []),
            Quantity("sessions", lambda s: len(s.videos), ".0f"),
            *(Quantity(m.heading, _average(m.name), f".{m.digits}f", spread=True) for m in METRICS.values()),
            Quantity("backward transfer (dB)", lambda s: s.backward_transfer, ".2f", spread=True),
            Quantity("forgetting (dB)", lambda s: s.forgetting, ".2f", spread=True),
            Quantity("forward transfer (dB)", lambda s: s.forward_transfer, ".2f", spread=True),
            Quantity("stored bytes", lambda s: s.stored_bytes, ",.0f"),
            *(Quantity(f"  {_STORED_NAMES.get(kind, kind)}", _stored(kind), ",.0f") for kind in self._kinds()),
            Quantity("bits per pixel", lambda s: s.bits_per_pixel, ".4f"),
            Quantity("updates per frame", lambda s: s.updates_per_frame, ".1f"),
            Quantity("training (s)", lambda s: s.seconds, ",.0f"),
            Quantity("decoding (frames/s)", lambda s: s.decode_fps, ",.0f"),
            *(each_video if len(self.groups) <= _FEW else []),
        ]

    def _group_of(self, summary: Summary) -> tuple[Summary, ...]:
        return next(runs for runs in self.groups.values() if summary in runs)

    def _runs(self) -> list[Summary]:
        return [run for runs in self.groups.values() for run in runs]

    def _kinds(self) -> list[str]:
        return list(dict.fromkeys([*KINDS, *(kind for summary in self._runs() for kind in summary.stored)]))

    def _sessions(self) -> int:
        return max(len(summary.videos) for summary in self._runs())

    def _video_heading(self, video: int) -> str:
        """Name a session; with its video, where that is the same in all runs."""
        names = {summary.videos[video] for summary in self._runs() if video < len(summary.videos)}
        return f"{video} {names.pop()}" if len(names) == 1 else f"session {video}"


def compare_runs(folders: Sequence[RunFolder], over_seeds: bool = True) -> Comparison:
    """Put runs side by side, finished or not.

    Args:
        folders: the runs, in the order of the table.
        over_seeds: put runs together that differ in nothing but their seed.

    Raises:
        VclError: a run has nothing to report yet, or its folder is damaged.
    """
    names = names_of(folders)
    summaries = {name: replace(summarise(folder), run=name) for folder, name in zip(folders, names, strict=True)}
    groups = grouped(folders, names) if over_seeds else {name: [name] for name in names}
    return Comparison(
        {name: tuple(summaries[member] for member in members) for name, members in groups.items()},
        tuple(_differences(folders, names)),
    )


def grouped(folders: Sequence[RunFolder], names: Sequence[str]) -> dict[str, list[str]]:
    """Put runs together that differ in nothing but their seed, and in a matched size that followed from it.

    Returns:
        By the name of a group, the names of its runs; a group of several has the part of their names that they share.
    """
    runs = [
        _Run(name, folder.config(), len(measured(folder)["rows"])) for name, folder in zip(names, folders, strict=True)
    ]
    groups: list[list[_Run]] = []
    for run in runs:
        own = next((group for group in groups if all(_are_seeds(run, other) for other in group)), None)
        if own is None:
            groups.append(own := [])
        own.append(run)
    found = {}
    for members in ([run.name for run in group] for group in groups):
        shared = [part for part in members[0].split("/") if all(part in name.split("/") for name in members)]
        name = "/".join(shared) if len(members) > 1 and shared else members[0]
        found[name if name not in found else members[0]] = members
    return found


@dataclass(frozen=True)
class _Run:
    name: str
    config: RunConfig
    done: int


def _are_seeds(run: _Run, other: _Run) -> bool:
    """Whether two runs, as far as they are done, differ in their seed alone: in one part of their names at most."""
    one, two = run.config, other.config
    parts = [each.name.split("/") for each in (run, other)]
    if one.train.seed == two.train.seed or run.done != other.done or len(parts[0]) != len(parts[1]):
        return False
    if sum(mine != its for mine, its in zip(*parts, strict=True)) > 1:
        return False
    alike = replace(one, train=replace(one.train, seed=two.train.seed))
    if isinstance(one.method, SingleMatchedConfig) and isinstance(two.method, SingleMatchedConfig):
        # Bytes of a masked network depend a little on what was learned, and so on the seed.
        if abs(one.method.session_bytes / two.method.session_bytes - 1) > _ALIKE:
            return False
        alike = replace(alike, method=two.method)
    return configs.first_difference(alike, two) is None


def names_of(folders: Sequence[RunFolder]) -> list[str]:
    """Name runs by their folders, with as many folders above as it takes to tell them apart."""
    paths = [tuple(map(printable, folder.path.resolve().parts)) for folder in folders]
    for length in range(1, max(map(len, paths)) + 1):
        names = ["/".join(parts[-length:]) for parts in paths]
        if len(set(names)) == len(set(paths)):
            break
    return names


def _differences(folders: Sequence[RunFolder], names: Sequence[str]) -> list[str]:
    """Say what makes the numbers of these runs differ besides their methods."""
    matrices = [measured(folder) for folder in folders]
    settings = [asdict(folder.config()) for folder in folders]
    found: dict[str, list[Any]] = {
        name: [setting[section].get(key) for setting in settings]
        for section in ("stream", "backbone", "train")
        for key in settings[0][section]
        if (name := f"{section}.{key}") not in _NOT_COMPARED
    }
    found["videos"] = [" ".join(matrix["videos"]) for matrix in matrices]
    found["frames"] = [" ".join(map(str, matrix["frames"])) for matrix in matrices]
    found["sessions done"] = [len(matrix["rows"]) for matrix in matrices]
    notes = []
    for key, values in found.items():
        if len(set(map(str, values))) > 1:
            told = (f"{name} {plainly(value)}" for name, value in zip(names, values, strict=True))
            notes.append(f"the runs differ in {key}: {', '.join(told)}")
    return notes


def plainly(value: object) -> str:
    """Write a setting as a reader would: 720x1280, yes, 0.3."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "null"
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _stored(kind: str) -> Callable[[Summary], float]:
    return lambda summary: summary.stored.get(kind, 0)


def _average(metric: str) -> Callable[[Summary], float | None]:
    return lambda summary: summary.averages[metric]


def _last(video: int) -> Callable[[Summary], float | None]:
    return lambda summary: summary.last[video] if video < len(summary.last) else None
