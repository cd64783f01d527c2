"""A search for settings, read from its file.

::

    config: base.yaml        # what the drawn values change; the path is relative to this file
    goal: psnr               # mean of the last row, over the videos; or another metric of decoded frames
    limit:                   # the best trial keeps these; both may be left out
      stored_bytes: 2.0e+6   # of all videos, masks and side data included
      seconds: 3600          # of training, on the machine that trained
    trials: 20               # configs to draw; more may be given later
    seed: 0                  # of what is drawn
    pruner: median           # stops a trial whose row is below the median of the same row of others; or off
    prune_after: 5           # as soon as so many trials have finished
    space:                   # any settings that vcl config lists, by the type that it says
      train.lr: {low: 1.0e-4, high: 1.0e-2, log: true}
      backbone.channels: {low: 8, high: 64, step: 8}
      method.capacity: [0.1, 0.3, 0.5]
    launch: {jobs: 4}        # where and how many at once, as behind --launch

Only ``config`` and ``space`` must be there. The first ten trials are drawn at random, the others by Optuna's
tree-structured Parzen estimator from what these reached; with one at a time, one seed draws the same ones. Where names
of methods or backbones are among the choices, a knob is drawn for those that have it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from shlex import quote
from typing import Any

from vcl import config as configs
from vcl.config import RunConfig
from vcl.config.rules import read_value, require, require_one_of, shown
from vcl.errors import ConfigError
from vcl.metrics.registry import METRICS, PSNR, Metric
from vcl.tune.space import Knob, read_space
from vcl.wording import did_you_mean
from vcl.yaml_text import YamlError, is_null, read_yaml

LIMITS = ("stored_bytes", "seconds")
"""What may be limited."""

_KEYS = ("config", "goal", "limit", "trials", "seed", "pruner", "prune_after", "space", "launch")


@dataclass(frozen=True)
class Search:
    """What is searched, where and for what.

    Args:
        base: the YAML file that the drawn values change.
        in_base: what it held when the search was read: all trials have the same base.
        settings: of every trial, as on the command line.
        space: the knobs to draw, in the order in which they are drawn.
        goal: metric whose average over the videos is to become best.
        limit: by a name of ``LIMITS``, the most that the best trial may take, bytes or seconds.
        trials: how many configs to draw, 1 or more.
        seed: of what is drawn, 0 or more.
        prune_after: how many trials must have finished before one is stopped early, 1 or more; None stops none.
        launch: what the file says about the launcher.
    """

    base: Path
    in_base: Mapping[str, Any]
    settings: tuple[str, ...]
    space: tuple[Knob, ...]
    goal: Metric
    limit: Mapping[str, float]
    trials: int
    seed: int
    prune_after: int | None
    launch: Mapping[str, Any]

    def config(self, drawn: Sequence[str] = ()) -> RunConfig:
        """The config of a trial, or of none.

        Args:
            drawn: settings of the trial.

        Raises:
            ConfigError: they do not fit the config, or one another.
        """
        return configs.from_dict(configs.overridden(self.in_base, [*self.settings, *drawn], quiet=True))


def read_search(path: Path, settings: Sequence[str] = ()) -> Search:
    """Read a search.

    Args:
        path: a YAML file, see above.
        settings: of every trial; they override its config.

    Raises:
        ConfigError: the file is no search, or its config is wrong; names the file, the key, the rule and what is there.
    """
    where = f"search {path}"
    values = _content(path, where)
    base, space = values["config"], values["space"]
    if not isinstance(base, str) or is_null(base):
        raise ConfigError(f"{where}: config must be the path of a YAML file, got {shown(base)}")
    if not isinstance(space, dict) or not space:
        raise ConfigError(f"{where}: space must hold one knob or more, got {shown(space)}")
    for setting in settings:
        key = setting.partition("=")[0]
        require(key not in space, f"{where}: space.{key}", "not be set, as it is drawn", setting)
    try:
        in_base = configs.settings_of(path.parent / base)
        knobs = read_space("space", space, configs.from_dict(configs.overridden(in_base, settings)))
        return Search(path.parent / base, in_base, tuple(settings), knobs, **_numbers(values))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _content(path: Path, where: str) -> Mapping[str, Any]:
    try:
        values = read_yaml(path)
    except YamlError as error:
        raise ConfigError(f"{where} {error}") from error
    if not isinstance(values, dict) or not {"config", "space"} <= values.keys():
        hint = ""
        if isinstance(values, dict) and "axes" in values:
            hint = f"; it is a grid, run it with: vcl grid {quote(str(path))}"
        elif isinstance(values, dict) and any(section.name in values for section in fields(RunConfig)):
            hint = f"; it is a config, run it with: vcl run {quote(str(path))}"
        content = ", ".join(map(shown, values)) if isinstance(values, dict) else shown(values)
        raise ConfigError(f"{where} must hold config and space, got {content}{hint}")
    for key in values:
        if key not in _KEYS:
            hint = did_you_mean(key, _KEYS, otherwise=f"known are {', '.join(_KEYS)}")
            raise ConfigError(f"{where}: {shown(key)} is nothing that a search has{hint}")
    return values


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a search is told beside its config and its space."""
    goal = read_value("goal", values.get("goal", PSNR.name), str)
    require_one_of("goal", goal, METRICS)
    trials, seed, after = (
        read_value(key, values.get(key, default), int)
        for key, default in (("trials", 20), ("seed", 0), ("prune_after", 5))
    )
    require(trials >= 1, "trials", "be 1 or more", trials)
    require(seed >= 0, "seed", "be 0 or more", seed)
    require(after >= 1, "prune_after", "be 1 or more", after)
    pruner = read_value("pruner", values.get("pruner", "median"), str)
    require_one_of("pruner", pruner, ("median", "off"))
    launch = values.get("launch", {})
    if not isinstance(launch, dict):
        raise ConfigError(f"launch must hold keys and values, got {shown(launch)}")
    return {
        "goal": METRICS[goal],
        "limit": _limit(values.get("limit", {})),
        "trials": trials,
        "seed": seed,
        "prune_after": None if pruner == "off" else after,
        "launch": launch,
    }


def _limit(values: object) -> dict[str, float]:
    if not isinstance(values, dict):
        raise ConfigError(f"limit must hold {' or '.join(LIMITS)}, got {shown(values)}")
    limit = {}
    for name, value in values.items():
        require_one_of("limit", name, LIMITS)
        limit[name] = read_value(f"limit.{name}", value, float)
        require(limit[name] > 0, f"limit.{name}", "be above 0", value)
    return limit
