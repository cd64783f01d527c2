"""A benchmark's result, as text for people and as JSON for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from vcl.config import RunConfig
from vcl.profiling.machine import Peak, describe
from vcl.profiling.timing import Measured, median_ratio


@dataclass(frozen=True)
class Row:
    """One line of a benchmark's table. What does not apply is None.

    Args:
        name: of what was measured.
        milliseconds: per unit of work, median over the rounds.
        ratio: of its time to that of the baseline, median over the ratios of each round.
        cpu_ratio: the same of processor time, which other processes disturb less.
        gflop_per_second: matrix products and convolutions, 10⁹ operations per second, including products with zeros.
        share_of_gflop: of the machine's measured peak.
        gbytes_per_second: inputs and outputs of all operations, 10⁹ bytes per second; for parts of ``mask`` the least
            that any implementation must move.
        share_of_gbytes: of the machine's measured peak; over 1 where operations have their inputs in a cache.
        peak_mebibytes: highest memory use, less that at the start.
        more: numbers and words that only this benchmark has, by name.
    """

    name: str
    milliseconds: float
    ratio: float | None = None
    cpu_ratio: float | None = None
    gflop_per_second: float | None = None
    share_of_gflop: float | None = None
    gbytes_per_second: float | None = None
    share_of_gbytes: float | None = None
    peak_mebibytes: float | None = None
    more: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A benchmark's result.

    Args:
        benchmark: its name.
        baseline: what the ratios refer to.
        unit: of the times.
        rows: the lines.
        setting: what was measured, and on which machine.
        config: the complete config, in the JSON only.
    """

    benchmark: str
    baseline: str
    unit: str
    rows: tuple[Row, ...]
    setting: Mapping[str, Any]
    config: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The table as JSON holds it: rows by name, setting and config."""
        return asdict(self)

    def to_text(self) -> str:
        """One column per number that any row has, then the setting."""
        keys, flat = self._columns()
        lines = [[key.replace("_", " ") for key in keys], *([_number(row.get(key)) for key in keys] for row in flat)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(keys))]
        table = [
            "  ".join(
                cell.ljust(width) if not column else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        ]
        setting = ", ".join(f"{key} {_plain(value)}" for key, value in self.setting.items())
        return "\n".join([f"{self.benchmark}: {self.unit}; ratios to {self.baseline}", *table, setting])

    def to_csv(self) -> str:
        """The columns of ``to_text`` with six digits, without the setting; empty cells for what does not apply."""
        keys, flat = self._columns()
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(keys)
        writer.writerows([_digits(row.get(key)) for key in keys] for row in flat)
        return file.getvalue().rstrip("\n")

    def _columns(self) -> tuple[list[str], list[dict[str, Any]]]:
        """Names of the numbers that any row has, and the rows."""
        rows = [
            {**{key: value for key, value in asdict(row).items() if key != "more"}, **row.more} for row in self.rows
        ]
        keys = dict.fromkeys(key for row in rows for key, value in row.items() if value is not None)
        return list(keys), rows


def rows_of(
    measured: Mapping[str, Measured], baseline: str, units: int = 1, peak: Peak | None = None
) -> tuple[Row, ...]:
    """The rows of a table, from timings of its subjects.

    Args:
        measured: by name of the subject.
        baseline: name of the subject that ratios refer to.
        units: of work in one turn, such as steps or frames.
        peak: highest rates of the machine, which the rates are compared with.
    """
    reference = measured[baseline]
    rows = []
    for name, subject in measured.items():
        flop, moved = subject.flop / subject.seconds, subject.bytes / subject.seconds
        rows.append(
            Row(
                name,
                1e3 * subject.seconds / units,
                median_ratio(subject.wall, reference.wall),
                median_ratio(subject.cpu, reference.cpu),
                flop / 1e9 if peak else None,
                flop / peak.flop_per_second if peak else None,
                moved / 1e9 if peak else None,
                moved / peak.bytes_per_second if peak else None,
                None if subject.peak is None else subject.peak / 2**20,
            )
        )
    return tuple(rows)


def setting_of(config: RunConfig, device: torch.device, peak: Peak | None = None, **more: Any) -> dict[str, Any]:
    """What was measured, and on which machine."""
    setting = {
        "method": config.method.name,
        "size": list(config.stream.size),
        "batch": config.train.batch,
        "precision": config.train.precision,
        **more,
        **describe(device),
    }
    if peak is not None:
        setting["peak_gflop_per_second"] = round(peak.flop_per_second / 1e9, 1)
        setting["peak_gbytes_per_second"] = round(peak.bytes_per_second / 1e9, 1)
    return setting


def _number(value: Any) -> str:
    if value is None:
        return "n/a"
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}" if abs(value) >= 10 else f"{value:.3f}"


def _digits(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def _plain(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
