"""Runs as points of rate and quality: those of one method at several sizes together, or at several capacities."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from statistics import fmean, stdev

from vcl import config as configs
from vcl.config import RunConfig
from vcl.report.summary import Summary


@dataclass(frozen=True)
class RatePoint:
    """Runs that differ only in their seed.

    Args:
        bits_per_pixel: mean over the runs.
        psnr: mean over the runs, dB.
        spread: standard deviation of the PSNR over the runs, dB; 0 of one run.
        decode_fps: frames decoded a second, mean over the runs; None where it was not measured.
    """

    bits_per_pixel: float
    psnr: float
    spread: float = 0.0
    decode_fps: float | None = None


@dataclass(frozen=True)
class CapacityPoint:
    """Runs that differ only in their seed.

    Args:
        capacity: share of the weights in one mask.
        psnr: mean over the runs, dB.
        spread: standard deviation of the PSNR over the runs, dB; 0 of one run.
        stored_bytes: mean over the runs.
    """

    capacity: float
    psnr: float
    spread: float
    stored_bytes: float


def rate_curves(groups: Mapping[str, Sequence[Summary]]) -> dict[str, list[RatePoint]]:
    """Join groups of runs that differ only in the size of the network; those without a PSNR are left out.

    Args:
        groups: by name, runs that differ only in their seed.

    Returns:
        By what the names of its groups share, the points of a method, from the lowest rate on.
    """
    return {
        name: sorted((_point(groups[member]) for member in names), key=lambda point: point.bits_per_pixel)
        for name, names in _joined(groups, _but_for_size).items()
    }


def capacity_curves(groups: Mapping[str, Sequence[Summary]]) -> dict[str, list[CapacityPoint]]:
    """Join groups of runs that differ only in the capacity; those without a PSNR, or without masks, are left out.

    Args:
        groups: by name, runs that differ only in their seed.

    Returns:
        By what the names of its groups share, the points of a method at two capacities or more, lowest first.
    """
    masked = {name: runs for name, runs in groups.items() if runs[0].capacity is not None}
    curves = {
        name: sorted((_capacity_point(groups[member]) for member in names), key=lambda point: point.capacity)
        for name, names in _joined(masked, _but_for_capacity).items()
    }
    return {name: points for name, points in curves.items() if points[0].capacity < points[-1].capacity}


def _joined(groups: Mapping[str, Sequence[Summary]], alike: Callable[[RunConfig], str]) -> dict[str, list[str]]:
    """Names of the groups whose configs are alike, by what these names share."""
    by_config: dict[str, list[str]] = {}
    for name, runs in groups.items():
        if all(run.psnr is not None for run in runs):
            by_config.setdefault(alike(runs[0].config), []).append(name)
    joined: dict[str, list[str]] = {}
    for names in by_config.values():
        name = _shared(names)
        joined[name if name and name not in joined else names[0]] = names
    return joined


def _point(runs: Sequence[Summary]) -> RatePoint:
    psnr, spread = _quality(runs)
    speeds = [run.decode_fps for run in runs if run.decode_fps is not None]
    return RatePoint(
        fmean(run.bits_per_pixel for run in runs),
        psnr,
        spread,
        fmean(speeds) if len(speeds) == len(runs) else None,
    )


def _capacity_point(runs: Sequence[Summary]) -> CapacityPoint:
    capacity = runs[0].capacity
    assert capacity is not None
    return CapacityPoint(capacity, *_quality(runs), fmean(run.stored_bytes for run in runs))


def _quality(runs: Sequence[Summary]) -> tuple[float, float]:
    """Mean and standard deviation of the PSNR over runs, dB."""
    psnr = [run.psnr for run in runs if run.psnr is not None]
    return fmean(psnr), stdev(psnr) if len(psnr) > 1 else 0.0


def _but_for_size(config: RunConfig) -> str:
    """The settings of a run without those that say how wide its network is, and without its seed."""
    return _settings_but(config, {"backbone": config.backbone.widths, "method": ("session_bytes",), "train": ("seed",)})


def _but_for_capacity(config: RunConfig) -> str:
    return _settings_but(config, {"method": ("capacity",), "train": ("seed",)})


def _settings_but(config: RunConfig, left_out: Mapping[str, Sequence[str]]) -> str:
    settings = configs.identity(config)
    for section, keys in left_out.items():
        settings[section] = {key: value for key, value in settings[section].items() if key not in keys}
    return json.dumps(settings, sort_keys=True, default=str)


def _shared(names: Sequence[str]) -> str:
    """The parts of a path, or else the beginning, that names have in common."""
    parts = [part for part in names[0].split("/") if all(part in name.split("/") for name in names)]
    letters = takewhile(lambda column: len(set(column)) == 1, zip(*names, strict=False))
    return "/".join(parts) or "".join(column[0] for column in letters).rstrip("/_-. ")
