"""Our numbers next to published ones, with every reason why the two cannot be compared."""

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
from vcl.report.comparison import setting_text
from vcl.report.published import MEAN, Published, Source
from vcl.report.summary import Summary
from vcl.report.tables import markdown_table, text_table

_MOST_NAMES = 3
"""Videos that one reason names at most; more are counted."""

_HEADINGS = ("source", "video", *(f"{column} ({PSNR.unit})" for column in ("published", "ours", "difference")))

_DB = f".{PSNR.digits}f"
"""Format of a PSNR."""

_CSV_HEADINGS = (
    *("run", "source", "paper", "method", "video", "published", "ours", "difference"),
    *("comparable", "reasons", "note"),
)


@dataclass(frozen=True)
class Condition:
    """A setting that must be equal for two numbers to be comparable.

    Args:
        name: in a reason.
        theirs: its value in a paper; None or empty where that is unknown.
        ours: its value in a run; None where the run has no such setting, so that it cannot differ.
        in_name: whether it is part of the name of a source.
        of_network: whether it makes another network, not the same one in another training.
    """

    name: str
    theirs: Callable[[Source], object]
    ours: Callable[[RunConfig], object]
    in_name: bool = False
    of_network: bool = False

    def differs(self, source: Source, run: RunConfig) -> bool:
        """Whether a run is known to have another value than a paper."""
        theirs, ours = self.theirs(source), self.ours(run)
        return _is_known(theirs) and ours is not None and theirs != ours


def _of_recipe(value: object) -> Callable[[Source], object]:
    """A setting of the papers' recipe, known where a source says that it was used."""
    return lambda source: value if source.recipe == "paper" else None


def _precision(run: RunConfig) -> str:
    """TensorFloat-32 is what PyTorch's convolutions took for float32 when the papers were written."""
    return {"tfloat32": "float32"}.get(run.train.precision, run.train.precision)


def _score_rate(run: RunConfig) -> float | None:
    return run.train.score_rate if hasattr(run.method, "capacity") else None


def _operator(run: RunConfig) -> str | None:
    if not run.backbone.operator:
        return None
    ranked = "signed" if getattr(run.method, "signed_operator_scores", False) else "magnitude"
    return " ".join([*(getattr(run.backbone, f"operator_{part}", "") for part in ("path", "spectrum")), ranked])


_CONDITIONS = (
    Condition("size", lambda source: source.size, lambda run: run.stream.size, in_name=True),
    Condition("epochs", lambda source: source.epochs, lambda run: run.train.epochs, in_name=True),
    Condition("batch", lambda source: source.batch, lambda run: run.train.batch),
    Condition("rate", lambda source: source.lr, lambda run: run.train.lr),
    Condition(
        "session embedding",
        lambda source: source.session_embedding,
        lambda run: getattr(run.backbone, "session_embedding", None),
    ),
    Condition(
        "capacity", lambda source: source.capacity, lambda run: getattr(run.method, "capacity", None), in_name=True
    ),
    Condition("re-init", lambda source: source.reinit, lambda run: getattr(run.method, "reinit", None), in_name=True),
    Condition(
        "operator block", lambda source: source.operator_block, lambda run: run.backbone.operator, of_network=True
    ),
    Condition("operator", lambda source: source.operator, _operator),
    Condition("backbone", lambda source: source.backbone, lambda run: run.backbone.name, of_network=True),
    Condition(
        "channels",
        lambda source: source.channels,
        lambda run: getattr(run.backbone, "channels", None),
        of_network=True,
    ),
    Condition("first weights", _of_recipe("paper"), lambda run: run.backbone.initial),
    Condition("betas", _of_recipe("0.5 and 0.999"), lambda run: "{} and {}".format(*run.train.betas)),
    Condition("warm-up", _of_recipe("0.2 from 0.1"), lambda run: f"{run.train.warmup} from {run.train.warmup_from}"),
    Condition("loss", _of_recipe("l1_ssim"), lambda run: run.train.loss),
    Condition("score rate", _of_recipe(1.0), _score_rate),
    Condition("precision", _of_recipe("float32"), _precision),
)


@dataclass(frozen=True)
class SourceComparison:
    """The numbers of one source next to ours.

    Args:
        source: where the published ones come from.
        pairs: a published number and ours, dB.
        reasons: why they cannot be compared; empty where no reason is known.
    """

    source: Source
    pairs: tuple[tuple[Published, float], ...]
    reasons: tuple[str, ...]

    @property
    def name(self) -> str:
        """The source, by paper, table, network and known settings, which tell it from the others."""
        source = self.source
        return ", ".join(filter(None, (source.paper, source.table, source.network, settings_text(source))))

    @property
    def verdict(self) -> str:
        """Whether the numbers can be compared, and if not, why."""
        if self.reasons:
            return f"not comparable: {'; '.join(self.reasons)}"
        return "comparable as far as its settings are known"


@dataclass(frozen=True)
class PublishedComparison:
    """Runs next to published numbers.

    Args:
        runs: by name, one run, or several that differ only in their seed.
        sources: by the same name, the comparisons with every source of that method and stream.
    """

    runs: Mapping[str, tuple[Summary, ...]]
    sources: Mapping[str, tuple[SourceComparison, ...]]

    def to_text(self) -> str:
        """Lay out for a terminal: a table per run, with a line about each source below."""
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
        """Lay out for programs: one row per number, full precision."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_CSV_HEADINGS)
        for run, comparison in ((run, comparison) for run, sources in self.sources.items() for comparison in sources):
            origin = [run, comparison.name, comparison.source.paper, comparison.source.method]
            verdict = ["no" if comparison.reasons else "yes", "; ".join(comparison.reasons)]
            for number, ours in comparison.pairs:
                values = [number.video, number.psnr, ours, ours - number.psnr]
                writer.writerow([*origin, *values, *verdict, number.note])
        return file.getvalue().rstrip("\n")

    def _parts(self) -> Iterator[tuple[str, list[list[str]], list[str]]]:
        """For each run its heading, its table and the lines below it; sources are numbered from 1."""
        for run, sources in self.sources.items():
            config = self.runs[run][0].config
            experiment = f"{config.method.name} on {_stream(config)}"
            if not sources:
                yield f"{run}: no published number is known for {experiment}", [], []
                continue
            numbered = list(enumerate(sources, 1))
            rows = [
                [str(number), theirs.video, f"{theirs.psnr:{_DB}}", f"{ours:{_DB}}", f"{ours - theirs.psnr:+{_DB}}"]
                for number, comparison in numbered
                for theirs, ours in comparison.pairs
            ]
            lines = [line for number, comparison in numbered for line in _lines(number, comparison)]
            yield f"{run}: {experiment}, compared with published numbers", [list(_HEADINGS), *rows], lines


def settings_text(source: Source) -> str:
    """The known settings that tell a source from others: ``size 720x1280, epochs 150``."""
    conditions = [(condition.name, condition.theirs(source)) for condition in _CONDITIONS if condition.in_name]
    return ", ".join(f"{name} {setting_text(value)}" for name, value in conditions if _is_known(value))


def differing(source: Source, run: RunConfig) -> list[Condition]:
    """The conditions in which a run is known to differ from a source."""
    return [condition for condition in _CONDITIONS if condition.differs(source, run)]


def is_network(source: Source, run: RunConfig) -> bool:
    """Whether a run has a source's method, stream and, as far as it is known, network; its backbone must be known."""
    same = bool(source.backbone) and source.method == run.method.name and source.stream in streams_of(run)
    return same and not any(condition.of_network for condition in differing(source, run))


def compare_with_published(
    runs: Mapping[str, tuple[Summary, ...]], published: Sequence[Published]
) -> PublishedComparison:
    """Compare runs with the published numbers of the same method on the same stream, or on one that shares its videos.

    Args:
        runs: by name, one run, or several that differ only in their seed.
        published: numbers of all streams and methods.
    """
    return PublishedComparison(runs, {name: tuple(_comparisons(group, published)) for name, group in runs.items()})


def _comparisons(group: Sequence[Summary], published: Sequence[Published]) -> list[SourceComparison]:
    """A run's comparison with each source, those with the fewest reasons against them first."""
    run = group[0]
    streams = streams_of(run.config)
    lists: dict[Source, list[Published]] = {}
    for number in published:
        if number.source.stream in streams and number.source.method == run.config.method.name:
            lists.setdefault(number.source, []).append(number)
    comparisons = []
    for source, numbers in lists.items():
        pairs = [(number, ours) for number in numbers if (ours := _ours(number, group)) is not None]
        if pairs:
            comparisons.append(SourceComparison(source, tuple(pairs), tuple(_reasons(source, numbers, run))))
    return sorted(comparisons, key=lambda comparison: len(comparison.reasons))


def _ours(number: Published, group: Sequence[Summary]) -> float | None:
    """Our number for the same video, or mean over the same videos, averaged over seeds; None where there is none."""
    by_video = dict(zip(group[0].videos, zip(*(run.last for run in group), strict=True), strict=False))
    if number.video == MEAN:
        same = set(number.videos) == set(by_video)
        return fmean(value for values in by_video.values() for value in values) if same else None
    return fmean(by_video[number.video]) if number.video in by_video else None


def _reasons(source: Source, numbers: Sequence[Published], run: Summary) -> Iterator[str]:
    """In what a run differs from a source.

    Args:
        source: of the published numbers.
        numbers: all that the source has.
        run: ours.
    """
    for condition in differing(source, run.config):
        theirs, ours = condition.theirs(source), condition.ours(run.config)
        yield f"{condition.name} {setting_text(theirs)}, ours {setting_text(ours)}"
    order = next((number.videos for number in numbers if number.video == MEAN), ())
    yield from _about_sessions(order, run)
    yield from _about_frames({number.video: number.frames for number in numbers}, order, run)
    if len(run.videos) < len(run.planned):
        yield f"not finished: {len(run.videos)} of {len(run.planned)} sessions"


def _about_sessions(theirs: Sequence[str], run: Summary) -> Iterator[str]:
    """Compare the number of sessions and their order, where the method depends on them."""
    if not theirs or isinstance(run.config.method, SingleConfig):
        return
    if len(theirs) != len(run.planned):
        yield f"sessions {len(theirs)}, ours {len(run.planned)}"
    shared = [video for video in theirs if video in run.planned]
    if not run.config.method.together and shared != [video for video in run.planned if video in theirs]:
        yield "another order of sessions"


def _about_frames(theirs: Mapping[str, int | None], order: Sequence[str], run: Summary) -> Iterator[str]:
    """Compare the lengths of the videos that both have."""
    shared = {video: count for video, count in zip(run.videos, run.frames, strict=True) if video in (*theirs, *order)}
    unknown = [video for video in shared if theirs.get(video) is None]
    if unknown:
        yield f"frames unknown of {', '.join(unknown) if len(unknown) <= _MOST_NAMES else f'{len(unknown)} videos'}"
    for video, count in shared.items():
        if video not in unknown and theirs[video] != count:
            yield f"frames of {video} {theirs[video]}, ours {count}"


def _lines(number: int, comparison: SourceComparison) -> Iterator[str]:
    """The lines about a source: whether it can be compared, and the notes on its numbers."""
    yield f"source {number}: {comparison.name}: {comparison.verdict}"
    notes: dict[str, list[str]] = {}
    for theirs, _ in comparison.pairs:
        if theirs.note:
            notes.setdefault(theirs.note, []).append(theirs.video)
    for note, videos in notes.items():
        yield f"source {number}, {', '.join(videos)}: {note}"


def streams_of(config: RunConfig) -> set[str]:
    """Names of the benchmark and, where its manifest can still be read, of the one whose videos it has."""
    with suppress(VideoError):
        return {_stream(config), manifest_of(config.stream.benchmark).of}
    return {_stream(config)}


def _is_known(value: object) -> bool:
    return value not in (None, "")


def _stream(config: RunConfig) -> str:
    """Name of the benchmark, which may be the path of a manifest."""
    return Path(config.stream.benchmark).stem
