"""``vcl grid``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vcl.cli.common import Commands, add_settings, check_yaml_path, path_word, refuse_ranks, tell
from vcl.cli.launch import add_launch, launch_settings
from vcl.cli.tracking import hints_of_grid, refuse_missing_packages, tracked
from vcl.errors import VclError

if TYPE_CHECKING:
    from vcl.grid_file import Cell
    from vcl.launch.settings import LaunchSettings


def add_grid_command(commands: Commands) -> None:
    """Add the subcommand that runs the cells of a grid."""
    grid = commands.add_parser(
        "grid",
        help="run a grid of methods, settings, seeds and streams, each a run folder",
        description="Run every cell of a grid, one after another or as --launcher says, except those that are "
        "finished. The same command resumes a stopped grid; in a second process, it takes a share of the cells.",
        epilog="Example: vcl grid experiments/methods/all.grid.yaml stream.root=DAVIS/JPEGImages/480p",
    )
    grid.add_argument("grid", type=path_word, help="a YAML file; vcl/grid_file.py says what it holds")
    add_settings(grid, "key=value for every cell; overrides the file")
    grid.add_argument(
        "--out", type=path_word, metavar="DIR", help="the grid's folder (default: runs/NAME, after the grid)"
    )
    grid.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="short for --launcher local:N. A small network leaves most of a GPU idle, so that several share one; "
        "their memory adds up. Each takes train.threads threads: give them the cores by N",
    )
    add_launch(grid)
    grid.add_argument("--cell", metavar="NAME", help="run this cell alone, here, as a launcher does")
    grid.set_defaults(do=_grid, goes_on=True)


def _grid(arguments: argparse.Namespace) -> None:
    refuse_ranks("vcl grid")

    from vcl import config as configs
    from vcl.grid_file import read_grid, read_launch
    from vcl.grid_launch import failures

    check_yaml_path(arguments.grid, "grid")
    cells = read_grid(arguments.grid, arguments.setting)
    launch = _launch_of_grid(arguments, read_launch(arguments.grid))
    refuse_missing_packages(
        configs.load(cell.base, cell.settings, quiet=True) for cell in cells if cell.bytes_of is None
    )
    out = arguments.out or Path("runs", arguments.grid.name.split(".")[0])
    if arguments.cell is not None:
        _run_one(cells, arguments.cell, out)
        return
    failed = _run_here(cells, out) if launch is None else _launch(arguments, launch, cells, out)
    for line in (f"Runs: {out}   Comparison: vcl compare {out}", *hints_of_grid(out, [cell.name for cell in cells])):
        tell(line)
    if failed:
        raise VclError(failures(failed, cells))


def _launch_of_grid(arguments: argparse.Namespace, section: Mapping[str, object]) -> LaunchSettings | None:
    """How to start the cells of a grid; None where they run in this process, one after another."""
    from vcl.config.rules import require

    if arguments.jobs is not None:
        require(arguments.jobs >= 1, "--jobs", "be 1 or more", arguments.jobs)
        require(arguments.launcher is None, "--jobs", "stand alone, without --launcher", arguments.launcher)
        arguments.launcher = f"local:{arguments.jobs}"
    return launch_settings(arguments, section)


def _run_one(cells: Sequence[Cell], name: str, out: Path) -> None:
    """Run one cell of a grid in this process."""
    from vcl.config.rules import require_one_of
    from vcl.device import keep_freed_memory
    from vcl.grid import run_alone
    from vcl.launch import BUSY

    require_one_of("--cell", name, [cell.name for cell in cells])
    keep_freed_memory()
    if not run_alone(cells, name, out, partial(tracked, grid=out, quiet=True)):
        raise SystemExit(BUSY)


def _run_here(cells: Sequence[Cell], out: Path) -> list[str]:
    """Run the cells of a grid in this process; gives the names of those that failed."""
    from vcl.device import keep_freed_memory
    from vcl.grid import run_grid

    keep_freed_memory()
    return run_grid(cells, out, partial(tracked, grid=out, quiet=True))


def _launch(arguments: argparse.Namespace, launch: LaunchSettings, cells: Sequence[Cell], out: Path) -> list[str]:
    """Run the cells of a grid as commands of their own; gives the names of those that failed."""
    from vcl.grid_launch import launch_grid
    from vcl.launch.settings import launcher_of

    # Plugins are in the environment by now.
    words = [sys.executable, "-m", "vcl", *map(str, ["grid", arguments.grid, *arguments.setting, "--out", out])]
    return launch_grid(cells, out, lambda cell: [*words, f"--cell={cell.name}"], launcher_of(launch, out))
