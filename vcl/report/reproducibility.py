"""What became of every published number here: verified, differs or not run, as a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from vcl import config as configs
from vcl.config import RunConfig
from vcl.config.backbones import BACKBONES
from vcl.errors import VclError
from vcl.metrics.registry import PSNR
from vcl.report.comparison import seed_groups
from vcl.report.published import MEAN, Published, Source
from vcl.report.published_comparison import compare_with_published, differing, is_network, settings_text
from vcl.report.results import json_files, read_json
from vcl.report.summary import Summary
from vcl.report.tables import markdown_table

TOLERANCE = 0.3
"""How far a verified number may be from the published one, dB: about twice what another seed moves a PSNR, and what the
rounding of frames to 8 bits takes from it."""

VERIFIED, DIFFERS, NOT_RUN = "verified", "differs", "not run"

_DB = f".{PSNR.digits}f"

_HEADINGS = ("network and training", "video", "verdict", "published (dB)", "ours (dB)", "difference (dB)")

_TOLD = {"size": "size", "epochs": "epochs", "batch": "batch", "lr": "rate", "recipe": "recipe"}
"""Fields of a source that a verdict rests on, and what they are called where a paper does not tell them."""


@dataclass(frozen=True)
class Finding:
    """A published number and the run that says most about it.

    Args:
        number: the published one.
        run: the name of ours; empty where no run has its method and network on its stream.
        ours: dB, the mean over seeds; None without a run.
        reasons: why the two cannot be compared.
    """

    number: Published
    run: str = ""
    ours: float | None = None
    reasons: tuple[str, ...] = ()

    def verdict(self, tolerance: float) -> str:
        """Verified, differs or not run.

        Args:
            tolerance: the largest difference of a verified number, dB.
        """
        if self.ours is None:
            return NOT_RUN
        # Both are known to a hundredth; without rounding 0.3 would be larger than 0.3.
        is_near = round(abs(self.ours - self.number.psnr), PSNR.digits + 2) <= tolerance
        return VERIFIED if is_near and not self.reasons else DIFFERS


@dataclass(frozen=True)
class Cost:
    """A plan that ``vcl plan --save`` wrote.

    Args:
        name: of its file.
        config: of the run that was planned.
        videos: of the run.
        hours: by part, on that machine.
        machine: what it is, in words.
        share: of the time of its only thread, how much it had a processor for itself; 1 where that is not known, as on
            a GPU or with several threads.
    """

    name: str
    config: RunConfig
    videos: frozenset[str]
    hours: Mapping[str, float]
    machine: str
    share: float = 1.0

    def hours_for(self, source: Source) -> float:
        """Hours of the run with the epochs of a source, where these are known, while nothing else runs there."""
        epochs = source.epochs or self.config.train.epochs
        training = self.hours.get("training", 0.0)
        return self.share * (sum(self.hours.values()) + training * (epochs / self.config.train.epochs - 1))


def read_costs(paths: Sequence[Path]) -> list[Cost]:
    """Read plans.

    Args:
        paths: files that ``vcl plan --save`` wrote, and folders of them.

    Raises:
        VclError: a file cannot be read or is no plan.
    """
    return [_cost(path) for path in json_files(paths)]


def findings_of(summaries: Sequence[Summary], published: Sequence[Published]) -> list[Finding]:
    """Find, for every published number, what finished runs say about it.

    Runs that differ only in their seed count as one. Of several the one that differs from the paper in the fewest
    conditions counts, and of these the first; that its number is nearer is no reason to take another.

    Args:
        summaries: of the runs.
        published: the numbers.
    """
    found: dict[Published, list[Finding]] = {}
    comparison = compare_with_published(seed_groups(summaries), published)
    for name, sources in comparison.sources.items():
        for each in sources:
            if is_network(each.source, comparison.runs[name][0].config):
                for number, ours in each.pairs:
                    found.setdefault(number, []).append(Finding(number, name, ours, each.reasons))
    nothing = [Finding(number) for number in published]
    return [min(found.get(each.number, [each]), key=lambda finding: len(finding.reasons)) for each in nothing]


def reproducibility(
    summaries: Sequence[Summary],
    published: Sequence[Published],
    costs: Sequence[Cost] = (),
    tolerance: float = TOLERANCE,
) -> str:
    """Write the document, in Markdown.

    Args:
        summaries: of finished runs.
        published: the numbers that it is about.
        costs: what runs would take.
        tolerance: the largest difference of a verified number, dB.
    """
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings_of(summaries, published):
        groups.setdefault((finding.number.source.paper, finding.number.source.stream), []).append(finding)
    blocks = [_PREFACE.format(tolerance=tolerance), _counts_table(groups, tolerance)]
    for (paper, stream), findings in groups.items():
        blocks += [f"## {paper}: {stream}", _verdict_table(findings, costs, tolerance), *_notes(findings)]
    if summaries:
        blocks += ["## Runs", _runs_table(seed_groups(summaries))]
    if costs:
        blocks += ["## Costs", _COSTS, _costs_table(costs)]
    return "\n\n".join(blocks) + "\n"


_PREFACE = """\
# Published numbers, and what became of them here

Made by `vcl reproducibility` from results of finished runs; not to be edited.

- **verified**: a finished run under equal conditions, as far as the paper tells them, is within {tolerance:g} dB of the
  number, above or below.
- **differs**: a finished run of the same method and network on the same stream has another number, or other conditions,
  which are listed. A higher number under other conditions is no verification.
- **not run**: there is no finished run of this method and network on this stream. What one would cost is said by the
  plan in brackets (see Costs below), brought to the paper's epochs.

Differences are ours minus published. Ours are means over frames rounded to 8 bits, as decoded from disk."""

_COSTS = """\
Measured by `vcl plan` in short runs on that machine, and not by whole runs. Where others were at work there, the plan's
only thread had a share of a processor; the hours on a quiet machine are that share of the planned ones."""


def _counts_table(groups: Mapping[tuple[str, str], Sequence[Finding]], tolerance: float) -> str:
    verdicts = (VERIFIED, DIFFERS, NOT_RUN)
    rows, total = [], Counter[str]()
    for (paper, stream), findings in groups.items():
        counts = Counter(finding.verdict(tolerance) for finding in findings)
        total += counts
        rows.append([paper, stream, str(len(findings)), *(str(counts[verdict]) for verdict in verdicts)])
    rows.append(["all", "", str(total.total()), *(str(total[verdict]) for verdict in verdicts)])
    return markdown_table([["paper", "stream", "numbers", *verdicts], *rows], left=2)


def _verdict_table(findings: Sequence[Finding], costs: Sequence[Cost], tolerance: float) -> str:
    """A row for each number with a run, and one for all those of a source, or of a missing backbone, without."""
    rows = [list(_HEADINGS)]
    without: dict[tuple[str, str], list[Published]] = {}
    by_source: dict[Source, list[Finding]] = {}
    for finding in findings:
        by_source.setdefault(finding.number.source, []).append(finding)
    for source, of_source in by_source.items():
        rows += [_row(finding, tolerance) for finding in of_source if finding.ours is not None]
        numbers = [finding.number for finding in of_source if finding.ours is None]
        if numbers and source.backbone in BACKBONES.known:
            rows.append(_row_without(_name(source), _with_cost(numbers, costs), numbers))
        elif numbers:
            why = f"{NOT_RUN}: vcl has no backbone {source.backbone}"
            why = why if source.backbone else f"{NOT_RUN}: which network it is is not told"
            without.setdefault((why, source.method), []).extend(numbers)
    for (why, method), numbers in without.items():
        networks = dict.fromkeys(number.source.network for number in numbers)
        rows.append(_row_without(f"{', '.join(networks)}: {method}", why, numbers))
    return markdown_table(rows, left=3)


def _row(finding: Finding, tolerance: float) -> list[str]:
    assert finding.ours is not None
    number = finding.number
    conditions = "; ".join(finding.reasons) or "equal conditions"
    untold = [name for field, name in _TOLD.items() if getattr(number.source, field) in (None, "")]
    conditions += f"; not told: {', '.join(untold)}" if untold else ""
    verdict = f"**{finding.verdict(tolerance)}** (`{finding.run}`): {conditions}"
    values = [f"{number.psnr:{_DB}}", f"{finding.ours:{_DB}}", f"{finding.ours - number.psnr:+{_DB}}"]
    return [_name(number.source), number.video, verdict, *values]


def _row_without(name: str, why: str, numbers: Sequence[Published]) -> list[str]:
    by_video = [number for number in numbers if number.video != MEAN]
    means = [f"mean {number.psnr:{_DB}}" for number in numbers if number.video == MEAN]
    videos = list(dict.fromkeys(number.video for number in by_video))
    shown = ", ".join([*videos, *([MEAN] if means else [])])
    if len(videos) > 1:
        shown = f"{len(videos)} videos{' and their mean' if means else ''}"
    values = sorted(number.psnr for number in by_video)
    spans = (
        [f"{values[0]:{_DB}}"] if len(values) == 1 else [f"{values[0]:{_DB}} to {values[-1]:{_DB}}"] if values else []
    )
    return [name, shown, why, ", ".join([*spans, *means]), "", ""]


def _with_cost(numbers: Sequence[Published], costs: Sequence[Cost]) -> str:
    """Not run, and for each machine what the plan that is nearest to the paper's conditions says."""
    source = numbers[0].source
    asked = {video for number in numbers for video in (number.videos or (number.video,))}
    fitting = [cost for cost in costs if is_network(source, cost.config) and not _other_work(source, cost.config)]
    texts = []
    for machine in dict.fromkeys(cost.machine for cost in fitting):
        mine = sorted(
            (cost for cost in fitting if cost.machine == machine),
            key=lambda cost: len(differing(source, cost.config)),
        )
        whole = next((cost for cost in mine if asked <= cost.videos), None)
        part = next((cost for cost in mine if cost.videos < asked), None)
        parts = [_hours_text(whole, source)] if whole else []
        parts += [f"{', '.join(sorted(part.videos))} alone {_hours_text(part, source)}"] if part else []
        texts += [f"{', '.join(parts)} on {machine}"] if parts else []
    return f"{NOT_RUN}; {'; '.join(texts)}" if texts else f"{NOT_RUN}; not planned"


def _other_work(source: Source, run: RunConfig) -> bool:
    """Whether a frame or a step of a run is other work than a source's."""
    return any(condition.name in ("size", "batch") for condition in differing(source, run))


def _hours_text(cost: Cost, source: Source) -> str:
    return f"{_shown_hours(cost.hours_for(source))} (`{cost.name}`)"


def _shown_hours(hours: float) -> str:
    if hours < 1:
        return f"{60 * hours:.0f} min"
    return f"{hours:,.0f} h" if hours >= 10 else f"{hours:.1f} h"


def _notes(findings: Iterable[Finding]) -> list[str]:
    """The notes on numbers that were run, each once; those on the others stand in the table of published numbers."""
    notes = dict.fromkeys(f.number.note for f in findings if f.ours is not None and f.number.note)
    return ["\n".join(f"- {note}" for note in notes)] if notes else []


def _runs_table(groups: Mapping[str, Sequence[Summary]]) -> str:
    rows = [["run", "method and stream", "machine", "note", "seeds", "PSNR (dB)", "training (s)"]]
    for name, runs in groups.items():
        run = runs[0]
        psnr = [each.psnr for each in runs if each.psnr is not None]
        what = f"{run.method} on {Path(run.config.stream.benchmark).stem}"
        notes = "; ".join(dict.fromkeys(each.note for each in runs if each.note))
        numbers = [
            str(len(runs)),
            f"{fmean(psnr):{_DB}}" if psnr else "",
            f"{fmean(each.seconds for each in runs):,.0f}",
        ]
        rows.append([name, what, machine_text(run.machine), notes, *numbers])
    return markdown_table(rows, left=4)


def _costs_table(costs: Sequence[Cost]) -> str:
    rows = [["plan", "machine", "method and stream", "epochs", "planned", "share", "quiet"]]
    for cost in costs:
        train, what = cost.config.train, f"{cost.config.method.name} on {Path(cost.config.stream.benchmark).stem}"
        hours = sum(cost.hours.values())
        numbers = [_shown_hours(hours), f"{cost.share:.0%}", _shown_hours(cost.share * hours)]
        rows.append([f"`{cost.name}`", cost.machine, what, str(train.epochs), *numbers])
    return markdown_table(rows, left=3)


def machine_text(machine: Mapping[str, Any]) -> str:
    """The device, or the processor and its threads, in a few words; empty where nothing is known."""
    device = str(machine.get("device", "cpu"))
    if device != "cpu" or not machine:
        return device if machine else ""
    threads = machine.get("threads", "?")
    return f"{machine.get('cpu', 'cpu')}, {threads} thread{'' if threads == 1 else 's'}, no GPU"


def _name(source: Source) -> str:
    network = f"{source.network}: " if source.network else ""
    return f"{network}{source.method}, {settings_text(source)}".rstrip(", ")


def _cost(path: Path) -> Cost:
    values = read_json(path)
    try:
        hours = {str(part): float(taken) for part, taken in values["hours"].items()}
        config, machine = configs.from_dict(values["config"]), values["machine"]
        # Several threads wait for each other, and for a GPU, on a quiet machine too.
        is_told = "calibration_processor_seconds" in values and (machine["device"], machine["threads"]) == ("cpu", 1)
        share = values["calibration_processor_seconds"] / values["calibration_seconds"] if is_told else 1.0
        return Cost(path.stem, config, frozenset(values["frames"]), hours, machine_text(machine), min(share, 1.0))
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError, VclError) as error:
        raise VclError(f"{path} is not a plan as vcl plan --save writes them: {error}") from error
