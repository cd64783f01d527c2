"""``vcl tune``: search settings."""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from vcl.cli.common import Commands, add_settings, check_yaml_path, path_word, refuse_ranks, tell
from vcl.cli.launch import add_launch, launch_settings
from vcl.cli.tracking import hints_of_grid, refuse_missing_packages, tracked
from vcl.errors import ConfigError, VclError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vcl.launch.settings import LaunchSettings

_WAIT = 2.0
"""Seconds between two attempts at a trial that another process is running, such as that of a search that was killed."""


def add_tune_command(commands: Commands) -> None:
    """Add ``vcl tune``."""
    tune = commands.add_parser(
        "tune",
        help="search settings: draw them from ranges, run them, and keep the best as a config",
        description="Search settings. Optuna draws each trial from ranges and lists of any settings, by what earlier "
        "trials reached; a trial is a run folder. One whose row of the session matrix is below the median of others is "
        "stopped. The best that keeps the limit is written as best.yaml, which vcl run takes. The same command goes on "
        "with a stopped search, with more --trials too; at one trial a time it draws the same for the same seed.",
        epilog="Example: vcl tune experiments/demo/pfnr.search.yaml --out runs/search --trials 30 --launcher local:2",
    )
    tune.add_argument("search", type=path_word, help="a YAML file; vcl/tune/search_file.py says what it holds")
    add_settings(tune, "key=value for every trial; overrides the config of the search")
    tune.add_argument(
        "--out", type=path_word, metavar="DIR", help="the search's folder (default: runs/NAME, after the search)"
    )
    tune.add_argument(
        "--trials", type=int, metavar="N", help="how many in all, earlier ones among them (default: as the search says)"
    )
    add_launch(tune)
    tune.add_argument("--cell", metavar="NAME", help="run this trial alone, here, as a launcher does")
    tune.set_defaults(do=_tune, goes_on=True)


def _tune(arguments: argparse.Namespace) -> None:
    refuse_ranks("vcl tune")
    out = arguments.out or Path("runs", arguments.search.name.split(".")[0])
    if arguments.cell is not None:
        _run_one(arguments.cell, out)
        return

    from vcl.config.rules import require
    from vcl.tune.search_file import read_search

    check_yaml_path(arguments.search, "search")
    search = read_search(arguments.search, arguments.setting)
    trials = search.trials if arguments.trials is None else arguments.trials
    require(trials >= 1, "--trials", "be 1 or more", trials)
    settings = _settings(arguments, search.launch)
    refuse_missing_packages([search.config()])
    if find_spec("optuna") is None:
        raise VclError('vcl tune needs Optuna: pip install "vcl[tune]"')

    from vcl.launch.settings import launcher_of
    from vcl.tune.loop import Loop
    from vcl.tune.result import keep_best, names_of, table_text
    from vcl.tune.study import opened

    # Plugins are in the environment by now.
    words = [sys.executable, "-m", "vcl", "tune", str(arguments.search), "--out", str(out)]
    with opened(out, search) as study:
        loop = Loop(
            study, search, out, lambda name: [*words, f"--cell={name}"], launcher_of(settings, out), settings.jobs or 1
        )
        loop.run(trials)
        tell(table_text(study, search))
        for line in (f"Trials: {out}   Comparison: vcl compare {out}", *hints_of_grid(out, names_of(study))):
            tell(line)
        best = keep_best(study, search, out)
        tell(f"Best: vcl run {quote(str(best))}")


def _settings(arguments: argparse.Namespace, section: Mapping[str, object]) -> LaunchSettings:
    """How the trials are started, and so how many are drawn before any of them has ended."""
    from vcl.launch.settings import LaunchSettings

    settings = launch_settings(arguments, section) or LaunchSettings()
    if settings.jobs is None and settings.name != "local":
        rule = f"launch.jobs must say how many trials run at once, as in --launcher {settings.name}:4"
        raise ConfigError(f"{rule}, got null")
    return settings


def _run_one(name: str, out: Path) -> None:
    """Run one trial in this process, or the rest of it; wait while another process is running it."""
    from vcl.device import keep_freed_memory
    from vcl.grid import Cell, run_cell

    path = out / f"{name}.yaml"
    if not path.is_file():
        raise VclError(f"--cell must name a trial of {out}, got {name}")
    keep_freed_memory()
    listeners = partial(tracked, grid=out, quiet=True)
    while run_cell(Cell(name, path, ()), out, listeners) is None:
        time.sleep(_WAIT)
