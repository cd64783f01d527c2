"""What became of every published number here: verified, differs or not run, as a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from vcl.config import RunConfig
from vcl.config.backbones import BACKBONES
from vcl.metrics.registry import PSNR
from vcl.report.comparison import seed_groups
from vcl.report.costs import Cost, machine_text, shown_hours
from vcl.report.findings import DIFFERS, NOT_RUN, TOLERANCE, VERIFIED, Finding, findings_of
from vcl.report.published import MEAN, Published, Source
from vcl.report.published_comparison import differing, is_network, settings_text
from vcl.report.summary import Summary
from vcl.report.tables import markdown_table

_DB = f".{PSNR.digits}f"

_HEADINGS = ("network and training", "video", "verdict", "published (dB)", "ours (dB)", "difference (dB)")


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
Estimated by `vcl plan` from two short sessions on that machine, which may have had other work to do."""


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
            why = f"vcl has no backbone {source.backbone}" if source.backbone else "which network it is is not told"
            without.setdefault((f"{NOT_RUN}: {why}", source.method), []).extend(numbers)
    for (why, method), numbers in without.items():
        networks = dict.fromkeys(number.source.network for number in numbers)
        rows.append(_row_without(f"{', '.join(networks)}: {method}", why, numbers))
    return markdown_table(rows, left=3)


def _row(finding: Finding, tolerance: float) -> list[str]:
    assert finding.ours is not None
    number = finding.number
    verdict = f"**{finding.verdict(tolerance)}** (`{finding.run}`): {finding.conditions}"
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
    ends = dict.fromkeys(f"{value:{_DB}}" for value in (*values[:1], *values[-1:]))
    spans = [" to ".join(ends)] if ends else []
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
    return f"{shown_hours(cost.hours_for(source))} (`{cost.name}`)"


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
    rows = [["plan", "machine", "method and stream", "epochs", "planned"]]
    for cost in costs:
        train, what = cost.config.train, f"{cost.config.method.name} on {Path(cost.config.stream.benchmark).stem}"
        hours = shown_hours(sum(cost.hours.values()))
        rows.append([f"`{cost.name}`", cost.machine, what, str(train.epochs), hours])
    return markdown_table(rows, left=3)


def _name(source: Source) -> str:
    network = f"{source.network}: " if source.network else ""
    return f"{network}{source.method}, {settings_text(source)}".rstrip(", ")
