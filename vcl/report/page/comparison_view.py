"""Runs side by side as the page shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from vcl.report.comparison import Comparison
from vcl.report.published import MEAN, Published
from vcl.report.published_comparison import PublishedComparison, compare_with_published
from vcl.report.quantities import Quantity
from vcl.report.rates import capacity_curves
from vcl.report.summary import Summary
from vcl.wording import printable

_PUBLISHED_NOTE = (
    "Published numbers of the same method on the same stream, or on one that shares its videos. "
    "Two numbers can be compared where a row names no reason against it, as far as the paper's settings are known."
)


def comparison_view(
    comparison: Comparison, runs: Sequence[str], published: Sequence[Published]
) -> dict[str, Any] | None:
    """The table and the curves of a comparison.

    Args:
        comparison: of the measured runs of a page.
        runs: names of all runs of the page, in its order.
        published: numbers that papers report.

    Returns:
        None for a single run about which nothing is published.
    """
    with_published = _published(compare_with_published(comparison.groups, published))
    if len(runs) == 1 and with_published is None:
        return None
    quantities = comparison.quantities()
    videos = {summaries[0].planned for summaries in comparison.groups.values()}
    return {
        "columns": [_column(quantity) for quantity in quantities],
        "rows": [
            {
                "name": name,
                "method": printable(summaries[0].method),
                "runs": [runs.index(summary.run) for summary in summaries],
                "cells": {quantity.key: _cell(quantity, summaries) for quantity in quantities},
            }
            for name, summaries in comparison.groups.items()
        ],
        "notes": list(comparison.notes),
        "by_session": [_by_session(name, summaries) for name, summaries in comparison.groups.items()],
        "videos": list(videos.pop()) if len(videos) == 1 else None,
        "by_capacity": [
            {"name": name, **{key: [getattr(point, key) for point in points] for key in ("capacity", "psnr", "spread")}}
            for name, points in capacity_curves(comparison.groups).items()
        ],
        "published": with_published,
    }


def _column(quantity: Quantity) -> dict[str, Any]:
    digits = re.search(r"\.(\d+)f", quantity.format_spec)
    return {
        "key": quantity.key,
        "label": quantity.name.strip(),
        "digits": int(digits[1]) if digits else 2,
        "better": {True: "high", False: "low", None: None}[quantity.higher_is_better],
        "thousands": "," in quantity.format_spec,
    }


def _cell(quantity: Quantity, summaries: Sequence[Summary]) -> dict[str, Any] | None:
    numbers = quantity.over_seeds(summaries)
    return None if numbers is None else {"mean": numbers[0], "std": numbers[1], "text": quantity.text(summaries)}


def _by_session(name: str, summaries: Sequence[Summary]) -> dict[str, Any]:
    """PSNR of each planned video after the last session: its mean over seeds, None where it is not measured."""
    to_come: list[float | None] = [None] * (len(summaries[0].planned) - min(len(summary.last) for summary in summaries))
    by_video = list(zip(*(summary.last for summary in summaries), strict=False))
    spread = [*map(stdev, by_video), *to_come] if len(summaries) > 1 else None
    return {"name": name, "psnr": [*map(fmean, by_video), *to_come], "std": spread}


def _published(comparison: PublishedComparison) -> Mapping[str, Any] | None:
    rows = [
        {
            "run": run,
            "paper": source.source.paper,
            "source": source.name,
            "what": f"mean of {len(theirs.videos)} videos" if theirs.video == MEAN else printable(theirs.video),
            "ours": ours,
            "theirs": theirs.psnr,
            "difference": ours - theirs.psnr,
            "not_comparable": list(source.reasons),
            "note": theirs.note,
        }
        for run, sources in comparison.sources.items()
        for source in sources
        for theirs, ours in source.pairs
    ]
    return {"rows": rows, "note": _PUBLISHED_NOTE} if rows else None
