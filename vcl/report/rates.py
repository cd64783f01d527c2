"""Runs as points of rate and quality, those of one method at several sizes together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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


def rate_curves(groups: Mapping[str, Sequence[Summary]]) -> dict[str, list[RatePoint]]:
    """Join groups of runs that differ only in the size of the network; those without a PSNR are left out.

    Args:
        groups: by name, runs that differ only in their seed.

    Returns:
        By what the names of its groups share, the points of a method, from the lowest rate on.
    """
    of_method: dict[str, list[str]] = {}
    for name, runs in groups.items():
        if all(run.psnr is not None for run in runs):
            of_method.setdefault(_but_for_size(runs[0].config), []).append(name)
    curves = {}
    for names in of_method.values():
        name = _shared(names)
        points = sorted((_point(groups[name]) for name in names), key=lambda point: point.bits_per_pixel)
        curves[name if name and name not in curves else names[0]] = points
    return curves


def _point(runs: Sequence[Summary]) -> RatePoint:
    quality = [run.psnr for run in runs if run.psnr is not None]
    speeds = [run.decode_fps for run in runs if run.decode_fps is not None]
    return RatePoint(
        fmean(run.bits_per_pixel for run in runs),
        fmean(quality),
        stdev(quality) if len(quality) > 1 else 0.0,
        fmean(speeds) if len(speeds) == len(runs) else None,
    )


def _but_for_size(config: RunConfig) -> str:
    """The settings of a run without those that say how wide its network is, and without its seed."""
    settings = configs.identity(config)
    sizes = {"backbone": config.backbone.widths, "method": ("session_bytes",), "train": ("seed",)}
    for section, keys in sizes.items():
        settings[section] = {key: value for key, value in settings[section].items() if key not in keys}
    return json.dumps(settings, sort_keys=True, default=str)


def _shared(names: Sequence[str]) -> str:
    """The parts of a path, or else the beginning, that names have in common."""
    parts = [part for part in names[0].split("/") if all(part in name.split("/") for name in names)]
    letters = takewhile(lambda column: len(set(column)) == 1, zip(*names, strict=False))
    return "/".join(parts) or "".join(column[0] for column in letters).rstrip("/_-. ")
