"""The main numbers of a run's statistics, as a table for a terminal and by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from vcl.report.feature_maps import group_of
from vcl.report.statistics import mean_over_sessions, missing_share
from vcl.report.subnetworks import subnetworks_of
from vcl.report.tables import text_table
from vcl.rundir import RunFolder

_SHOWN = (0.1, 0.25, 0.5, 1.0)
"""Frequencies, as shares of Nyquist, that stand for a spectrum."""

_HOW_TO_READ = (
    "Natural logarithms, means over sessions; f is a share of the Nyquist frequency, A(0) that of the whole output of "
    "the block, or of the truth; n/a is below rounding."
)


def statistics_text(folder: RunFolder, statistics: Mapping[str, Any]) -> str:
    """Variance by layer, spectra at a few frequencies and what the subnetworks share.

    Args:
        folder: the run.
        statistics: its own, as of ``statistics_of``.
    """
    parts = (_variance_text(statistics["layers"]), _spectra_text(statistics), _subnetworks_text(folder))
    return "\n\n".join(parts)


def statistics_numbers(folder: RunFolder, statistics: Mapping[str, Any]) -> dict[str, float]:
    """The main numbers by name, such as ``variance/blocks.0`` and ``spectrum/residual/0.5``, means over sessions.

    Args:
        folder: the run.
        statistics: its own, as of ``statistics_of``.
    """
    numbers = dict[str, float]()
    for layer in statistics["layers"]:
        if variances := _known(layer["variance"]):
            numbers[f"variance/{layer['name']}"] = fmean(variances)
    for curve in (*statistics["spectra"], *statistics["frames"]):
        for frequency, amplitude in zip(_SHOWN, _shown(curve), strict=True):
            if amplitude is not None:
                numbers[f"spectrum/{curve['name']}/{frequency:g}"] = amplitude
    return {**numbers, **_shared(folder)}


def _variance_text(layers: Sequence[Mapping[str, Any]]) -> str:
    if not layers:
        return "variance of feature maps: n/a, no layer of the network gives maps"
    rows = [["variance of feature maps, by session", "mean", "least", "greatest"]]
    for layer in layers:
        known = _known(layer["variance"])
        rows.append([group_of(layer["name"]), *(f"{of(known):.4g}" if known else "n/a" for of in (fmean, min, max))])
    return text_table(rows)


def _spectra_text(statistics: Mapping[str, Any]) -> str:
    curves = [*statistics["spectra"], *statistics["frames"]]
    rows = [["log A(f) - log A(0) at f =", *(f"{frequency:g}" for frequency in _SHOWN)]]
    for curve in curves:
        rows.append([curve["name"], *("n/a" if value is None else f"{value:.2f}" for value in _shown(curve))])
    if len(statistics["frames"]) > 1:
        shares = _shown(missing_share(statistics["frames"]))
        rows.append(["residual / truth", *("n/a" if share is None else f"{share:.0%}" for share in shares)])
    table = text_table(rows, breaks=[1 + len(statistics["spectra"])] if statistics["spectra"] else ())
    return f"{table}\n{_HOW_TO_READ}"


def _subnetworks_text(folder: RunFolder) -> str:
    shared = _shared(folder)
    if not shared:
        return "masks of sessions: n/a"
    overlap, reused = shared["subnetworks/overlap"], shared["subnetworks/reused"]
    return f"masks of two sessions share {overlap:.1%} of their weights; {reused:.1%} of a session's are reused"


def _shared(folder: RunFolder) -> dict[str, float]:
    """Means over pairs of sessions, and over the sessions but the first; none of one session or without masks."""
    shared = subnetworks_of(folder)
    if shared is None or len(shared.overlap) < 2:
        return {}
    overlap, age = shared.overlap, shared.age
    return {
        "subnetworks/overlap": fmean(row[k] for s, row in enumerate(overlap) for k in range(len(row)) if k != s),
        "subnetworks/reused": fmean(1 - row[s] for s, row in enumerate(age) if s > 0),
    }


def _shown(curve: Mapping[str, Any]) -> list[float | None]:
    """Means over sessions at the frequencies nearest to those that are shown."""
    means = mean_over_sessions(curve)
    nearest = [min(range(len(means)), key=lambda i: abs(curve["frequency"][i] - frequency)) for frequency in _SHOWN]
    return [means[index] for index in nearest]


def _known(numbers: Sequence[float | None]) -> list[float]:
    return [number for number in numbers if number is not None]
