"""Our numbers beside published ones, with every reason why the two cannot be compared."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from vcl.config import RunConfig, SingleConfig
from vcl.datasets.resolve import manifest_of
from vcl.errors import VideoError
from vcl.metrics.registry import PSNR
from vcl.report.comparison import plainly
from vcl.report.published import MEAN, Published, Source
from vcl.report.summary import Summary
from vcl.report.tables import markdown_table, text_table

_FEW = 3
"""Up to so many videos are named in one reason."""

_HEADINGS = ("source", "video", *(f"{column} ({PSNR.unit})" for column in ("published", "ours", "difference")))

_DB = f".{PSNR.digits}f"
"""Format of a PSNR."""

_CSV_HEADINGS = (
    *("run", "source", "paper", "method", "video", "published", "ours", "difference"),
    *("comparable", "reasons", "note"),
)


@dataclass(frozen=True)
class Condition:
    """A setting that two numbers must share to be compared.

    Args:
        name: what a reader calls it.
        theirs: its value in a paper; None or empty where that is unknown.
        ours: its value in a run; None where the run has no such setting, so that it cannot differ.
        told: whether it belongs to the name of a source.
    """

    name: str
    theirs: Callable[[Source], object]
    ours: Callable[[RunConfig], object]
    told: bool = True


_CONDITIONS = (
    Condition("size", lambda source: source.size, lambda run: run.stream.size),
    Condition("epochs", lambda source: source.epochs, lambda run: run.train.epochs),
    Condition("batch", lambda source: source.batch, lambda run: run.train.batch, told=False),
    Condition("rate", lambda source: source.lr, lambda run: run.train.lr, told=False),
    Condition(
        "session embedding",
        lambda source: source.session_embedding,
        lambda run: getattr(run.backbone, "session_embedding", None),
        told=False,
    ),
    Condition("capacity", lambda source: source.capacity, lambda run: getattr(run.method, "capacity", None)),
    Condition("re-init", lambda source: source.reinit, lambda run: getattr(run.method, "reinit", None)),
    Condition(
        "operator block",
        lambda source: source.operator_block,
        lambda run: getattr(run.backbone, "operator_block", None),
        told=False,
    ),
    Condition("backbone", lambda source: source.backbone, lambda run: run.backbone.name, told=False),
    Condition(
        "channels", lambda source: source.channels, lambda run: getattr(run.backbone, "channels", None), told=False
    ),
)


@dataclass(frozen=True)
class Beside:
    """The numbers of a source beside ours.

    Args:
        source: where the published ones come from.
        pairs: a published number and ours, dB.
        reasons: why they cannot be compared; none where that is not known.
    """

    source: Source
    pairs: tuple[tuple[Published, float], ...]
    reasons: tuple[str, ...]

    @property
    def name(self) -> str:
        """Tell the source apart from the others: its place and the settings that are known of it."""
        known = [(each.name, value) for each in _CONDITIONS if each.told and _known(value := each.theirs(self.source))]
        settings = [f"{name} {plainly(value)}" for name, value in known]
        return ", ".join(filter(None, (self.source.paper, self.source.table, self.source.network, *settings)))

    @property
    def verdict(self) -> str:
        """Say whether the numbers can be compared, and if not why not."""
        if self.reasons:
            return f"not comparable: {'; '.join(self.reasons)}"
        return "comparable as far as its settings are known"


@dataclass(frozen=True)
class PublishedComparison:
    """Runs beside published numbers.

    Args:
        runs: by name, a run or runs that differ in nothing but their seed.
        found: by the same name, the sources that concern it.
    """

    runs: Mapping[str, tuple[Summary, ...]]
    found: Mapping[str, tuple[Beside, ...]]

    def to_text(self) -> str:
        """Lay out for a terminal: a table for each run, and a line on each source below."""
        blocks = []
        for heading, rows, lines in self._parts():
            table = [text_table(rows, left=2)] if rows else []
            blocks.append("\n".join([heading, *table, *lines]))
        return "\n\n".join(blocks)

    def to_markdown(self) -> str:
        """Lay out as ``to_text`` does, with Markdown tables and lists."""
        blocks = []
        for heading, rows, lines in self._parts():
            table = [markdown_table(rows, left=2), "\n".join(f"- {line}" for line in lines)] if rows else []
            blocks += [heading, *table]
        return "\n\n".join(blocks)

    def to_csv(self) -> str:
        """Lay out for programs: a row a number, full precision."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_CSV_HEADINGS)
        for run, each in ((run, each) for run, sources in self.found.items() for each in sources):
            about = [run, each.name, each.source.paper, each.source.method]
            verdict = ["no" if each.reasons else "yes", "; ".join(each.reasons)]
            for number, ours in each.pairs:
                values = [number.video, number.psnr, ours, ours - number.psnr]
                writer.writerow([*about, *values, *verdict, number.note])
        return file.getvalue().rstrip("\n")

    def _parts(self) -> Iterator[tuple[str, list[list[str]], list[str]]]:
        """For each run its heading, its table and what to say below; sources are numbered from 1."""
        for run, sources in self.found.items():
            config = self.runs[run][0].config
            what = f"{config.method.name} on {_stream(config)}"
            if not sources:
                yield f"{run}: no published number is known to set beside {what}", [], []
                continue
            numbered = list(enumerate(sources, 1))
            rows = [
                [str(number), theirs.video, f"{theirs.psnr:{_DB}}", f"{ours:{_DB}}", f"{ours - theirs.psnr:+{_DB}}"]
                for number, each in numbered
                for theirs, ours in each.pairs
            ]
            lines = [line for number, each in numbered for line in _lines(number, each)]
            yield f"{run}: {what}, beside published numbers", [list(_HEADINGS), *rows], lines


def beside(runs: Mapping[str, tuple[Summary, ...]], published: Sequence[Published]) -> PublishedComparison:
    """Set runs beside the published numbers of the same method on the same stream, or on one that it takes videos of.

    Args:
        runs: by name, a run or runs that differ in nothing but their seed.
        published: numbers of all streams and methods.
    """
    return PublishedComparison(runs, {name: tuple(_sources(group, published)) for name, group in runs.items()})


def _sources(group: Sequence[Summary], published: Sequence[Published]) -> list[Beside]:
    """Sources that concern a run, those with the fewest reasons against them first."""
    run = group[0]
    streams = _streams(run.config)
    lists: dict[Source, list[Published]] = {}
    for number in published:
        if number.source.stream in streams and number.source.method == run.config.method.name:
            lists.setdefault(number.source, []).append(number)
    found = []
    for source, numbers in lists.items():
        pairs = [(number, ours) for number in numbers if (ours := _ours(number, group)) is not None]
        if pairs:
            found.append(Beside(source, tuple(pairs), tuple(_reasons(source, numbers, run))))
    return sorted(found, key=lambda each: len(each.reasons))


def _ours(number: Published, group: Sequence[Summary]) -> float | None:
    """Ours of the same video, or the mean over the same videos, averaged over seeds; None where there is none."""
    by_video = dict(zip(group[0].videos, zip(*(run.last for run in group), strict=True), strict=False))
    if number.video == MEAN:
        same = set(number.videos) == set(by_video)
        return fmean(value for values in by_video.values() for value in values) if same else None
    return fmean(by_video[number.video]) if number.video in by_video else None


def _reasons(source: Source, numbers: Sequence[Published], run: Summary) -> Iterator[str]:
    """Say what tells a run from a source, its numbers being all that the source has."""
    for each in _CONDITIONS:
        theirs, ours = each.theirs(source), each.ours(run.config)
        if _known(theirs) and ours is not None and theirs != ours:
            yield f"{each.name} {plainly(theirs)}, ours {plainly(ours)}"
    order = next((number.videos for number in numbers if number.video == MEAN), ())
    yield from _about_sessions(order, run)
    yield from _about_frames({number.video: number.frames for number in numbers}, order, run)
    if len(run.videos) < len(run.planned):
        yield f"not finished: {len(run.videos)} of {len(run.planned)} sessions"


def _about_sessions(theirs: Sequence[str], run: Summary) -> Iterator[str]:
    """Compare which videos there are and how they follow on one another, where that matters to the method."""
    if not theirs or isinstance(run.config.method, SingleConfig):
        return
    if len(theirs) != len(run.planned):
        yield f"sessions {len(theirs)}, ours {len(run.planned)}"
    shared = [video for video in theirs if video in run.planned]
    if not run.config.method.together and shared != [video for video in run.planned if video in theirs]:
        yield "another order of sessions"


def _about_frames(theirs: Mapping[str, int | None], order: Sequence[str], run: Summary) -> Iterator[str]:
    """Compare lengths of the videos that both have."""
    shared = {video: count for video, count in zip(run.videos, run.frames, strict=True) if video in (*theirs, *order)}
    unknown = [video for video in shared if theirs.get(video) is None]
    if unknown:
        yield f"frames unknown of {', '.join(unknown) if len(unknown) <= _FEW else f'{len(unknown)} videos'}"
    for video, count in shared.items():
        if video not in unknown and theirs[video] != count:
            yield f"frames of {video} {theirs[video]}, ours {count}"


def _lines(number: int, each: Beside) -> Iterator[str]:
    """What to say of a source: whether it can be compared, and what is said of its numbers."""
    yield f"source {number}: {each.name}: {each.verdict}"
    notes: dict[str, list[str]] = {}
    for theirs, _ in each.pairs:
        if theirs.note:
            notes.setdefault(theirs.note, []).append(theirs.video)
    for note, videos in notes.items():
        yield f"source {number}, {', '.join(videos)}: {note}"


def _streams(config: RunConfig) -> set[str]:
    """Names of the benchmark and of the one whose videos it has, where its manifest still lies where it was."""
    with suppress(VideoError):
        return {_stream(config), manifest_of(config.stream.benchmark).of}
    return {_stream(config)}


def _known(value: object) -> bool:
    return value not in (None, "")


def _stream(config: RunConfig) -> str:
    """Name of the benchmark, which may be the path of a manifest."""
    return Path(config.stream.benchmark).stem
