"""What runs would cost, by the plans that ``vcl plan`` saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vcl import config as configs
from vcl.config import RunConfig
from vcl.errors import VclError
from vcl.report.published import Source
from vcl.report.results import json_files, read_json


@dataclass(frozen=True)
class Cost:
    """A plan that ``vcl plan --save`` wrote.

    Args:
        name: of its file.
        config: of the run that was planned.
        videos: of the run.
        hours: by part, on that machine.
        machine: what it is, in words.
    """

    name: str
    config: RunConfig
    videos: frozenset[str]
    hours: Mapping[str, float]
    machine: str

    def hours_for(self, source: Source) -> float:
        """Hours of the run with the epochs of a source, where these are known."""
        epochs = source.epochs or self.config.train.epochs
        training = self.hours.get("training", 0.0)
        return sum(self.hours.values()) + training * (epochs / self.config.train.epochs - 1)


def read_costs(paths: Sequence[Path]) -> list[Cost]:
    """Read plans; those whose times were not measured are left out.

    Args:
        paths: files that ``vcl plan --save`` wrote, and folders of them.

    Raises:
        VclError: a file cannot be read or is no plan.
    """
    return [cost for path in json_files(paths) if (cost := _read_cost(path)).hours]


def shown_hours(hours: float) -> str:
    """With two digits or more, in hours, minutes or seconds."""
    if hours < 1:
        return f"{60 * hours:.0f} min" if hours >= 0.1 else f"{3600 * hours:.0f} s"
    return f"{hours:,.0f} h" if hours >= 10 else f"{hours:.1f} h"


def machine_text(machine: Mapping[str, Any]) -> str:
    """The device, or the processor and its threads, and how many ranks had one; empty where nothing is known."""
    if not machine:
        return ""
    device, threads = str(machine.get("device", "cpu")), machine.get("threads", "?")
    ranks = f"{machine['ranks']} ranks of " if "ranks" in machine else ""
    if device != "cpu":
        return ranks + device
    return f"{ranks}{machine.get('cpu', 'cpu')}, {threads} thread{'' if threads == 1 else 's'}, no GPU"


def _read_cost(path: Path) -> Cost:
    values = read_json(path)
    try:
        hours = {str(part): float(taken) for part, taken in values["hours"].items()}
        config, machine = configs.from_dict(values["config"]), values["machine"]
        return Cost(path.stem, config, frozenset(values["frames"]), hours, machine_text(machine))
    except (KeyError, TypeError, ValueError, AttributeError, VclError) as error:
        raise VclError(f"{path} is not a plan as vcl plan --save writes them: {error}") from error
