"""A benchmark's result, as text for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from vcl.config import RunConfig
from vcl.profiling.machine import Peak, describe
from vcl.profiling.timing import Measured, median_ratio

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""Of ``train.precision``."""


@dataclass(frozen=True)
class Row:
    """One line. What does not apply is None.

    Args:
        name: of what was measured.
        milliseconds: of one unit, median of the rounds.
        ratio: of its time to the yardstick's, median of the rounds' own ratios.
        cpu_ratio: the same of processor time, which other processes disturb less.
        gflop_a_second: matrix products and convolutions, 10⁹ operations a second, products with zeros among them.
        share_of_gflop: of the machine's measured peak.
        gbytes_a_second: inputs and outputs of all operations, 10⁹ bytes a second; for parts of ``mask`` what must move
            whoever does it.
        share_of_gbytes: of the machine's measured peak; over 1 where operations find their inputs in a cache.
        peak_mebibytes: most memory held at one time beyond what was held before.
        more: numbers that only this benchmark has, by name.
    """

    name: str
    milliseconds: float
    ratio: float | None = None
    cpu_ratio: float | None = None
    gflop_a_second: float | None = None
    share_of_gflop: float | None = None
    gbytes_a_second: float | None = None
    share_of_gbytes: float | None = None
    peak_mebibytes: float | None = None
    more: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A benchmark's result.

    Args:
        benchmark: its name.
        yardstick: the row that ratios refer to.
        unit: what the times are of.
        rows: the lines.
        setting: what was measured, and where.
        config: all of what was measured; in the JSON alone.
    """

    benchmark: str
    yardstick: str
    unit: str
    rows: tuple[Row, ...]
    setting: Mapping[str, Any]
    config: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def to_text(self) -> str:
        """A column a number, without the columns that nobody fills, then the setting."""
        flat = [
            {**{key: value for key, value in asdict(row).items() if key != "more"}, **row.more} for row in self.rows
        ]
        keys = [
            key
            for key in dict.fromkeys(key for row in flat for key in row)
            if any(row.get(key) is not None for row in flat)
        ]
        lines = [[key.replace("_", " ") for key in keys], *([_shown(row.get(key)) for key in keys] for row in flat)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(keys))]
        laid = [
            "  ".join(
                cell.ljust(width) if not column else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        ]
        told = ", ".join(f"{key} {_plain(value)}" for key, value in self.setting.items())
        return "\n".join([f"{self.benchmark}: {self.unit}; ratios to {self.yardstick}", *laid, told])


def rows_of(
    measured: Mapping[str, Measured], yardstick: str, units: int = 1, peak: Peak | None = None
) -> tuple[Row, ...]:
    """Lines of subjects that took turns.

    Args:
        measured: by name.
        yardstick: name of the subject that ratios refer to.
        units: that one turn holds, such as steps or frames.
        peak: the machine's, to compare with.
    """
    against = measured[yardstick]
    rows = []
    for name, found in measured.items():
        flop, moved = found.flop / found.seconds, found.bytes / found.seconds
        rows.append(
            Row(
                name,
                1e3 * found.seconds / units,
                median_ratio(found.wall, against.wall),
                median_ratio(found.cpu, against.cpu),
                flop / 1e9 if peak else None,
                flop / peak.flop_a_second if peak else None,
                moved / 1e9 if peak else None,
                moved / peak.bytes_a_second if peak else None,
                None if found.peak is None else found.peak / 2**20,
            )
        )
    return tuple(rows)


def setting_of(config: RunConfig, device: torch.device, peak: Peak | None = None, **more: Any) -> dict[str, Any]:
    """What was measured, and where."""
    stated = {
        "method": config.method.name,
        "size": list(config.stream.size),
        "batch": config.train.batch,
        "precision": config.train.precision,
        **more,
        **describe(device),
    }
    if peak is not None:
        stated["peak_gflop_a_second"] = round(peak.flop_a_second / 1e9, 1)
        stated["peak_gbytes_a_second"] = round(peak.bytes_a_second / 1e9, 1)
    return stated


def _shown(value: Any) -> str:
    if value is None:
        return "n/a"
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}" if abs(value) >= 10 else f"{value:.3f}"


def _plain(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
