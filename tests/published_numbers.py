"""Numbers that a made-up paper reports under the conditions of the made-up runs."""

import dataclasses
from pathlib import Path

from fake_run import SIZE, T

from vcl.report.published import MEAN, Published, Source

DATA = Path(__file__).parents[1] / "experiments" / "published.csv"

VIDEOS = ("bunny", "city", "beauty")
"""The first three of UVG17; the made-up runs reach 28, 31 and 35 dB on them."""


SOURCE = Source(
    *("A paper", "Table 1", "a network", "uvg17", "wsn", "nerv", 112, *SIZE),
    **{"epochs": 150, "batch": 1, "lr": 5e-4, "session_embedding": "open"},
    **{"capacity": 0.3, "reinit": True, "operator_block": 0},
)
"""The conditions of the made-up runs."""


def numbers(source=SOURCE, psnr=(29.0, 30.0, 35.5), frames=T, mean=31.5, videos=VIDEOS):
    each = [Published(source, video, value, frames, (), "") for video, value in zip(videos, psnr, strict=True)]
    return [*each, Published(source, MEAN, mean, None, videos, "")]


def differing(**changes):
    return numbers(dataclasses.replace(SOURCE, **changes))
