"""Which engine runs the jobs, and with what: from words of the command line, or from a section of a file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_type_hints

from vcl.config.rules import Typed, read_value, require, require_one_of, shown
from vcl.errors import ConfigError
from vcl.launch.job import Launcher

ENGINES = ("local", "slurm", "ray")

_OF_ENGINE = {
    "local": ("jobs", "gpus", "retries"),
    "slurm": ("jobs", "cpus", "gpus", "minutes", "partition", "retries", "cluster"),
    "ray": ("jobs", "cpus", "gpus", "retries", "address"),
}
"""Settings that an engine has."""


@dataclass(frozen=True)
class LaunchSettings:
    """How jobs are started."""

    name: str = "local"
    """local (processes of this machine), slurm or ray."""
    jobs: int | None = None
    """Most at once; null is 1 with local, and leaves it to slurm and ray."""
    cpus: int = 1
    """Cores of a job."""
    gpus: float | None = None
    """GPUs of a job; a fraction shares one with others (local and ray). Null is none; with local, all share all."""
    minutes: int = 240
    """Longest time of a job in SLURM's queue; one that takes longer is queued again and goes on."""
    partition: str | None = None
    """SLURM's partition; null is the default of the cluster."""
    retries: int = 3
    """How often a job that was killed, cut off or lost with its machine is started again."""
    address: str | None = None
    """Of a Ray cluster, or auto for the one of this machine; null is $RAY_ADDRESS, or else a Ray of its own."""
    cluster: Literal["slurm", "local"] = "slurm"
    """local runs what SLURM would, in processes of this machine and all at once, to try it without a cluster."""

    def __post_init__(self) -> None:
        require_one_of("launch.name", self.name, ENGINES)
        for key in ("jobs", "cpus", "minutes"):
            value = getattr(self, key)
            require(value is None or value >= 1, f"launch.{key}", "be 1 or more", value)
        require(self.retries >= 0, "launch.retries", "be 0 or more", self.retries)
        gpus = self.gpus
        require(gpus is None or gpus >= 0, "launch.gpus", "be 0 or more", gpus)
        if self.name == "local":
            require(gpus is None or 0 < gpus <= 1, "launch.gpus", "lie in (0, 1] with local", gpus)
        is_whole = gpus is None or gpus == int(gpus)
        if self.name == "slurm":
            require(is_whole, "launch.gpus", "be a whole number with slurm", gpus)
        if self.name == "ray":  # Its own rule.
            require(is_whole or (gpus or 0) < 1, "launch.gpus", "be less than 1 or a whole number with ray", gpus)


def read_settings(values: Mapping[str, object]) -> LaunchSettings:
    """Read settings of the command line, of a file, or of both.

    Args:
        values: by name, as typed or as YAML has them.

    Raises:
        ConfigError: there is no such setting, the engine does not have it, or its value breaks its rule.
    """
    hints = get_type_hints(LaunchSettings)
    known = [field.name for field in fields(LaunchSettings)]
    for key in values:
        require_one_of("a setting of launch", key, known)
    settings: dict[str, Any] = {key: read_value(f"launch.{key}", value, hints[key]) for key, value in values.items()}
    launch = LaunchSettings(**settings)
    for key in settings:
        if key != "name" and key not in _OF_ENGINE[launch.name]:
            allowed = ", ".join(_OF_ENGINE[launch.name])
            raise ConfigError(f"launch with {launch.name} may hold {allowed}, and nothing else, got {key}")
    return launch


def read_engine(word: str) -> dict[str, str]:
    """The settings that a word such as ``local:4`` stands for.

    Raises:
        ConfigError: it is not an engine's name, which a number of jobs may follow.
    """
    name, colon, jobs = word.partition(":")
    require_one_of("--launcher", name, ENGINES)
    if colon and not re.fullmatch(r"[1-9][0-9]{0,5}", jobs):
        raise ConfigError(f"--launcher must be {name} or {name}:N with N of 1 or more, got {shown(word)}")
    return {"name": name, **({"jobs": Typed(jobs)} if colon else {})}


def launcher_of(settings: LaunchSettings, folder: Path) -> Launcher:
    """The launcher that settings describe.

    Args:
        settings: which, and how.
        folder: where an engine may keep files of its own, in a hidden folder.

    Raises:
        ConfigError: the engine is not installed, or not here.
    """
    if settings.name == "slurm":
        from vcl.launch.slurm import SlurmLauncher

        return SlurmLauncher(settings, folder / ".slurm")
    if settings.name == "ray":
        from vcl.launch.ray import RayLauncher

        return RayLauncher(settings)
    from vcl.launch.local import LocalLauncher

    devices = [] if settings.gpus is None else _devices(settings.gpus)
    return LocalLauncher(settings.jobs or 1, settings.retries, devices)


def _devices(gpus: float) -> list[str]:
    """The CUDA device of each job that can run at once; jobs are dealt out over the devices before they share one.

    Args:
        gpus: of a job, in (0, 1].
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:  # The driver's list takes no time to read, and no CUDA context.
        drivers = Path("/proc/driver/nvidia/gpus")
        devices = [str(number) for number, _ in enumerate(drivers.iterdir())] if drivers.is_dir() else []
    else:
        devices = [name for name in visible.split(",") if name]
    require(bool(devices), "launch.gpus", "be null where there is no GPU", gpus)
    return devices * int(1 / gpus + 1e-9)
