"""Runs side by side: quality, forgetting, stored bytes, time."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from vcl import config as configs
from vcl.config import NervConfig, RunConfig, SingleMatchedConfig
from vcl.metrics.registry import METRICS
from vcl.report.quantities import UNDEFINED, Quantity, of_video, quantities, stored_kinds
from vcl.report.summary import Summary, measured, summarise
from vcl.report.tables import markdown_table, text_table
from vcl.rundir import RunFolder
from vcl.wording import printable

_MOST_COLUMNS = 6
"""With more runs than this, each has a row instead of a column."""

_SIZE_TOLERANCE = 0.05
"""Matched sizes that differ by a smaller share than this belong to one group."""

_NOT_COMPARED = (
    *("stream.root", "stream.cache", "stream.videos", "stream.allow_truncated", "train.recipe"),
    *("train.seed", "train.threads", "train.checkpoint_seconds", f"backbone.{NervConfig.operator_knob}"),
)
"""Settings that change no number, that the matrix shows, or that belong to the method."""


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Args:
        groups: by name, runs that differ only in their seed; one run per group unless seeds are averaged.
        notes: what a reader must know before comparing them, one per line.
    """

    groups: Mapping[str, tuple[Summary, ...]]
    notes: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Lay out for a terminal: few runs as columns, with the PSNR of each video, many as rows; notes below."""
        rows = self._cells()
        breaks = [number for number, row in enumerate(rows) if row[0] == self._video_heading(0)]
        return "\n".join([text_table(rows, breaks=breaks), *(f"note: {note}" for note in self.notes)])

    def to_markdown(self) -> str:
        """Lay out as ``to_text`` does, in Markdown."""
        notes = ["", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join([markdown_table(self._cells()), *notes])

    def to_csv(self) -> str:
        """Lay out for programs: one row per run, full precision, empty cells for what does not apply, no notes."""
        kinds = stored_kinds(self._runs())
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        columns = [
            *("run", "method", "capacity", "seed", "sessions", *METRICS, "backward_transfer", "forgetting"),
            *(
                "forward_transfer",
                "stored_bytes",
                *(f"{kind}_bytes" for kind in kinds),
                "bits_per_pixel",
                "quantisation_change",
            ),
            *("updates_per_frame", "seconds", "decode_fps"),
        ]
        videos = [self._video_heading(j) for j in range(self._sessions())]
        writer.writerow([*columns, *videos])
        for summary in self._runs():
            row: dict[str, Any] = {
                **{name: getattr(summary, name) for name in columns if hasattr(summary, name)},
                **summary.averages,
                "sessions": len(summary.videos),
                **{f"{kind}_bytes": summary.stored.get(kind, 0) for kind in kinds},
                **dict(zip(videos, summary.last, strict=False)),
            }
            writer.writerow([row.get(column) for column in (*columns, *videos)])
        return file.getvalue().rstrip("\n")

    def quantities(self) -> list[Quantity]:
        """What the groups are compared by, without what no run has, and without the PSNR of single videos."""
        return self._filled(quantities(list(self.groups.values())))

    def _cells(self) -> list[list[str]]:
        """The table for readers: a line per quantity, or per run if there are many."""
        groups = list(self.groups.values())
        few = len(groups) <= _MOST_COLUMNS
        videos = [of_video(video, self._video_heading(video)) for video in range(self._sessions() if few else 0)]
        lines = [
            ["run", *self.groups],
            ["method", *(runs[0].method for runs in groups)],
            *([quantity.name, *map(quantity.text, groups)] for quantity in [*self.quantities(), *self._filled(videos)]),
        ]
        return lines if few else [list(row) for row in zip(*lines, strict=True)]

    def _filled(self, candidates: Sequence[Quantity]) -> list[Quantity]:
        """Those that any run has, and the metrics, whose absence is to be seen."""
        texts = {quantity.key: set(map(quantity.text, self.groups.values())) for quantity in candidates}
        return [item for item in candidates if item.key in METRICS or texts[item.key] - {UNDEFINED, "0"}]

    def _runs(self) -> list[Summary]:
        return [run for runs in self.groups.values() for run in runs]

    def _sessions(self) -> int:
        return max(len(summary.videos) for summary in self._runs())

    def _video_heading(self, video: int) -> str:
        """Name a session by its number and its video, if all runs have the same there."""
        names = {summary.videos[video] for summary in self._runs() if video < len(summary.videos)}
        return f"{video} {names.pop()}" if len(names) == 1 else f"session {video}"


def compare_runs(
    folders: Sequence[RunFolder], over_seeds: bool = True, names: Sequence[str] | None = None
) -> Comparison:
    """Compare runs, finished or not.

    Args:
        folders: the runs, in the order of the table.
        over_seeds: average runs that differ only in their seed.
        names: of the runs, which differ; default those of ``run_names``.

    Raises:
        VclError: a run has nothing to report yet, or its folder is damaged.
    """
    names = run_names(folders) if names is None else names
    summaries = {name: replace(summarise(folder), run=name) for folder, name in zip(folders, names, strict=True)}
    groups = group_seeds(folders, names) if over_seeds else {name: [name] for name in names}
    return Comparison(
        {name: tuple(summaries[member] for member in members) for name, members in groups.items()},
        tuple(_differences(folders, names)),
    )


def group_seeds(folders: Sequence[RunFolder], names: Sequence[str]) -> dict[str, list[str]]:
    """Group runs that differ only in their seed, and in a matched size that followed from it.

    Returns:
        By the name of a group, the names of its runs; a group of several is named by the parts that their names share.
    """
    return _grouped(
        [
            _Run(name, folder.config(), len(measured(folder)["rows"]))
            for name, folder in zip(names, folders, strict=True)
        ]
    )


def seed_groups(summaries: Sequence[Summary]) -> dict[str, tuple[Summary, ...]]:
    """Group runs by name as ``group_seeds`` does, without their folders."""
    by_name = {summary.run: summary for summary in summaries}
    groups = _grouped([_Run(summary.run, summary.config, len(summary.videos)) for summary in summaries])
    return {name: tuple(by_name[member] for member in members) for name, members in groups.items()}


def _grouped(runs: Sequence[_Run]) -> dict[str, list[str]]:
    groups: list[list[_Run]] = []
    for run in runs:
        group = next((group for group in groups if all(_are_seeds(run, other) for other in group)), None)
        if group is None:
            groups.append(group := [])
        group.append(run)
    by_name = {}
    for members in ([run.name for run in group] for group in groups):
        shared = [part for part in members[0].split("/") if all(part in name.split("/") for name in members)]
        name = "/".join(shared) if len(members) > 1 and shared else members[0]
        by_name[name if name not in by_name else members[0]] = members
    return by_name


@dataclass(frozen=True)
class _Run:
    name: str
    config: RunConfig
    sessions: int


def _are_seeds(run: _Run, other: _Run) -> bool:
    """Whether two runs have as many sessions, configs that differ only in the seed, and names that do in one part."""
    one, two = run.config, other.config
    parts, other_parts = run.name.split("/"), other.name.split("/")
    if one.train.seed == two.train.seed or run.sessions != other.sessions or len(parts) != len(other_parts):
        return False
    if sum(part != other_part for part, other_part in zip(parts, other_parts, strict=True)) > 1:
        return False
    same_seed = replace(one, train=replace(one.train, seed=two.train.seed))
    if isinstance(one.method, SingleMatchedConfig) and isinstance(two.method, SingleMatchedConfig):
        # The bytes of a masked network depend a little on what was learned, and so on the seed.
        if abs(one.method.session_bytes / two.method.session_bytes - 1) > _SIZE_TOLERANCE:
            return False
        same_seed = replace(same_seed, method=two.method)
    return configs.first_difference(same_seed, two) is None


def run_names(folders: Sequence[RunFolder]) -> list[str]:
    """Name runs by their folders, with as many parent folders as it takes to tell them apart."""
    paths = [tuple(map(printable, folder.path.resolve().parts)) for folder in folders]
    for length in range(1, max(map(len, paths)) + 1):
        names = ["/".join(parts[-length:]) for parts in paths]
        if len(set(names)) == len(set(paths)):
            break
    return names


def _differences(folders: Sequence[RunFolder], names: Sequence[str]) -> list[str]:
    """List what the runs differ in besides their methods, one note per setting."""
    matrices = [measured(folder) for folder in folders]
    settings = [asdict(folder.config()) for folder in folders]
    compared: dict[str, list[Any]] = {
        name: [setting[section].get(key) for setting in settings]
        for section in ("stream", "backbone", "train")
        for key in settings[0][section]
        if (name := f"{section}.{key}") not in _NOT_COMPARED
    }
    compared["videos"] = [" ".join(matrix["videos"]) for matrix in matrices]
    compared["frames"] = [" ".join(map(str, matrix["frames"])) for matrix in matrices]
    compared["sessions done"] = [len(matrix["rows"]) for matrix in matrices]
    notes = []
    for key, values in compared.items():
        if len(set(map(str, values))) > 1:
            settings_of_runs = (f"{name} {setting_text(value)}" for name, value in zip(names, values, strict=True))
            notes.append(f"the runs differ in {key}: {', '.join(settings_of_runs)}")
    return notes


def setting_text(value: object) -> str:
    """Write a setting as a person would: 720x1280, yes, 0.3."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "null"
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
