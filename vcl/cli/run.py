"""``vcl run``, ``plan`` and ``grid``, and ``append`` to a run."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from vcl.cli.common import (
    Commands,
    add_config,
    add_save,
    add_settings,
    check_page_path,
    check_yaml_path,
    keeper,
    load_config,
    path_word,
    tell,
    terminal_width,
)
from vcl.cli.launch import add_launch, launch_settings
from vcl.cli.tracking import hints_of_grid, refuse_missing_packages, tracked
from vcl.errors import VclError
from vcl.ranks import Ranks, joined
from vcl.report.page import PAGE

if TYPE_CHECKING:
    from vcl.config import RunConfig
    from vcl.grid_file import Cell
    from vcl.launch.settings import LaunchSettings
    from vcl.rundir import Listener, RunFolder

log = logging.getLogger(__name__)


def add_run_commands(commands: Commands) -> None:
    """Add the subcommands that run experiments or estimate what a run needs."""
    _add_run(commands)
    _add_plan(commands)
    _add_grid(commands)


def _add_run(commands: Commands) -> None:
    run = commands.add_parser(
        "run",
        help="train on a stream of videos, one after the other, and measure the session matrix",
        description="Train on a stream of videos, one after the other. After every session all videos are decoded from "
        "disk and measured. The same command resumes a run, however it was stopped.",
        epilog="Example: vcl run experiments/demo/pfnr.yaml train.epochs=20 --out runs/try. Settings used most: "
        "stream.benchmark, stream.root, stream.videos, stream.size, stream.frames, method.name, method.capacity, "
        "backbone.operator_block, train.epochs, train.lr, train.seed, train.device, track, wandb.mode. 'vcl config' "
        "lists every setting with its type, default and meaning.",
    )
    add_config(run)
    run.add_argument(
        "--out", type=path_word, metavar="DIR", help="the run folder (default: runs/NAME, after the config)"
    )
    run.add_argument(
        "--report",
        nargs="?",
        type=path_word,
        const=True,
        metavar="FILE",
        help="keep a page for a browser fresh while the run goes on, as vcl report writes it; settings stand before "
        "this option (default: report.html in the run folder)",
    )
    run.add_argument("--quiet", action="store_true", help="print no progress, and no matrix at the end")
    run.set_defaults(do=_run, goes_on=True)


def _add_plan(commands: Commands) -> None:
    plan = commands.add_parser(
        "plan",
        help="estimate what a run needs: parameters, bytes, memory, disk, hours",
        description="Estimate what a run needs on this machine: parameters, work, stored bytes, memory, disk, hours. "
        "Times are measured in two short sessions on noise, which take half a minute for small frames and minutes for "
        "large ones. The videos may be missing if their lengths are known. Warns of what does not fit.",
        epilog="Example: vcl plan experiments/demo/pfnr.yaml train.epochs=20 --out runs/try",
    )
    add_config(plan)
    plan.add_argument("--out", type=path_word, metavar="DIR", help="the run folder (default: as in vcl run)")
    plan.add_argument("--json", action="store_true", help="print JSON")
    add_save(plan, "also keep the plan there, as text and as JSON")
    plan.set_defaults(do=_plan)


def _add_grid(commands: Commands) -> None:
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


def _run(arguments: argparse.Namespace) -> None:
    with joined() as ranks:
        _run_as(ranks, arguments)


def _run_as(ranks: Ranks, arguments: argparse.Namespace) -> None:
    """Run as one of the ranks, of which the first tells how it goes."""
    config = load_config(arguments.config, arguments.setting)
    refuse_missing_packages([config])
    path = arguments.out or Path("runs", arguments.config.stem)
    page = arguments.report
    if page is True:
        page = path / PAGE
    elif page is not None and "=" in page.name and page.suffix != ".html":
        raise VclError(f"--report must stand behind the settings, or name a file, got {page} behind it")
    elif page is not None:
        check_page_path(page, "--report")
    if arguments.quiet and ranks.is_first:  # The others log nothing anyway.
        logging.getLogger("vcl").setLevel(logging.WARNING)
    height, width = config.stream.size
    # Before torch is loaded, which takes seconds.
    log.info("%s on %s, frames of %d x %d, into %s", config.method.name, config.stream.benchmark, width, height, path)

    from vcl.device import keep_freed_memory
    from vcl.run import run
    from vcl.rundir import RunFolder

    if not ranks.is_first:
        keep_freed_memory()
        run(config, path, ranks=ranks)
        return
    note = "This run was finished before; nothing was trained." if RunFolder(path).finished() else ""
    _train(config, path, partial(run, config, path, ranks=ranks), arguments.quiet, note, page)


def append_to_run(arguments: argparse.Namespace, video: str, settings: Sequence[str]) -> None:
    """``vcl append`` of a video to a run folder."""
    from vcl import config as configs
    from vcl.config.recipes import PAPER
    from vcl.rundir import RunFolder

    folder = RunFolder.existing(arguments.run)
    path = folder.path / "config.yaml"
    config = configs.load(path, settings, recipe=PAPER) if settings else folder.config()
    folder.check_config(config)
    refuse_missing_packages([config])
    if arguments.quiet:
        logging.getLogger("vcl").setLevel(logging.WARNING)
    log.info("appending %s to %s", video, arguments.run)  # Before torch is loaded.

    from vcl.append import append

    page = folder.path / PAGE
    train = partial(append, arguments.run, video, config=config)
    _train(config, arguments.run, train, arguments.quiet, page=page if page.exists() else None)


def _train(
    config: RunConfig,
    path: Path,
    train: Callable[..., RunFolder],
    quiet: bool,
    note: str = "",
    page: Path | None = None,
) -> None:
    """Train, watched by a progress bar and other listeners; then show the matrix and a note.

    Args:
        config: of the run.
        path: its folder, as it was named.
        train: trains, given ``listeners``.
        quiet: print no progress and no matrix.
        note: to be printed at the end.
        page: where a page is kept fresh; None for nowhere.
    """
    from vcl.device import keep_freed_memory
    from vcl.listeners.progress import Progress
    from vcl.listeners.report import PageListener
    from vcl.report.terminal import matrix_text

    keep_freed_memory()
    with Progress(quiet=quiet, epochs=config.train.epochs) as progress, ExitStack() as stack:

        def listeners(folder: RunFolder) -> list[Listener]:
            pages = [] if page is None else [stack.enter_context(closing(PageListener(folder, page)))]
            return [progress, *pages, *stack.enter_context(tracked(folder, config, quiet=quiet))]

        folder = train(listeners=listeners)
    if not quiet:
        tell(matrix_text(folder, width=terminal_width()))
        if note:
            tell(note)
        word = quote(str(path))
        tell(f"Run folder: {path}   Figures: vcl plot {word}   Videos: vcl decode {word} -o decoded")
        if page is not None and page.is_file():  # Else a line has said why.
            tell(f"Page: {page}")


def _plan(arguments: argparse.Namespace) -> None:
    config = load_config(arguments.config, arguments.setting)
    keep = keeper(arguments.save, "_".join([arguments.config.parent.name, arguments.config.stem, *arguments.setting]))

    from vcl import config as configs
    from vcl.device import prepare_device
    from vcl.plan import plan
    from vcl.profiling.machine import describe

    estimate = plan(config, arguments.out or Path("runs", arguments.config.stem))
    text, machine = estimate.to_text(), describe(prepare_device(config.train))
    data = json.dumps({**estimate.to_json(), "machine": machine, "config": configs.identity(config)}, indent=1)
    keep(text, data)
    tell(data if arguments.json else text)


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

    require_one_of("--cell", name, [cell.name for cell in cells])
    keep_freed_memory()
    run_alone(cells, name, out, partial(tracked, grid=out, quiet=True))


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


def refuse_ranks(command: str) -> None:
    """Refuse a launcher such as ``torchrun``, which starts several processes for one run, for any other command.

    Raises:
        VclError: there are several.
    """
    world_size = os.environ.get("WORLD_SIZE", "")
    if world_size.isdecimal() and int(world_size) > 1:
        raise VclError(
            f"{command} is one process, got WORLD_SIZE = {world_size}; start it without torchrun, which is for vcl run"
        )
