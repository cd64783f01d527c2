"""``vcl run`` and ``plan``, and ``append`` to a run."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from vcl.cli.common import (
    Commands,
    add_config,
    add_save,
    check_page_path,
    keeper,
    load_config,
    path_word,
    tell,
    terminal_width,
)
from vcl.cli.tracking import refuse_missing_packages, tracked
from vcl.errors import VclError
from vcl.ranks import Ranks, joined
from vcl.report.page import PAGE

if TYPE_CHECKING:
    from vcl.config import RunConfig
    from vcl.rundir import Listener, RunFolder

log = logging.getLogger(__name__)


def add_run_commands(commands: Commands) -> None:
    """Add the subcommands that run experiments or estimate what a run needs."""
    _add_run(commands)
    _add_plan(commands)


def _add_run(commands: Commands) -> None:
    run = commands.add_parser(
        "run",
        help="train on a stream of videos, one after the other, and measure the session matrix",
        description="Train on a stream of videos, one after the other. After every session all videos are decoded from "
        "disk and measured. The same command resumes a run, however it was stopped. 'torchrun --nproc-per-node=N -m "
        "vcl run ...' trains one run on N devices, which share the frames of each step.",
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
