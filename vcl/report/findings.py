"""What finished runs say about published numbers: verified, differs or not run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vcl.metrics.registry import PSNR
from vcl.report.comparison import seed_groups
from vcl.report.published import Published
from vcl.report.published_comparison import compare_with_published, is_network
from vcl.report.summary import Summary

TOLERANCE = 0.3
"""How far a verified number may be from the published one, dB: about twice what another seed moves a PSNR, and what the
rounding of frames to 8 bits takes from it."""

VERIFIED, DIFFERS, NOT_RUN = "verified", "differs", "not run"

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
        # Without rounding, 28.3 and 28.0 would be more than 0.3 apart.
        is_near = round(abs(self.ours - self.number.psnr), PSNR.digits + 2) <= tolerance
        return VERIFIED if is_near and not self.reasons else DIFFERS

    @property
    def conditions(self) -> str:
        """In which conditions the two differ, and which of the paper's are not known."""
        untold = [name for field, name in _TOLD.items() if getattr(self.number.source, field) in (None, "")]
        conditions = "; ".join(self.reasons) or "equal conditions"
        return f"{conditions}; not told: {', '.join(untold)}" if untold else conditions


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
    return [min(found.get(number, [Finding(number)]), key=lambda finding: len(finding.reasons)) for number in published]
