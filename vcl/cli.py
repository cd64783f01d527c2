"""The ``vcl`` command. Each subcommand imports what it needs when it runs, so that help comes at once."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from vcl import __version__
from vcl.bench import BENCHMARKS, run_benchmark
from vcl.cli_data import add_data_commands
from vcl.errors import Interrupted, VclError

if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]

    from vcl.config import RunConfig
    from vcl.report.beside import PublishedComparison
    from vcl.report.compare import Comparison
    from vcl.rundir import Listener, RunFolder


def main(words: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        words: the command line, without the program; default is the real one.

    Returns:
        Exit status: 0, 2 after an error that vcl raised on purpose, 130 when the user stopped it.
    """
    # Threads that wait by spinning hold up every other process; it must be set before torch starts its threads.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # Large tensors on large pages: fewer page faults a step.
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("vcl").setLevel(logging.INFO)
    arguments = _parse(words)
    try:
        arguments.do(arguments)
    except Interrupted as stop:
        _say(f"{stop}; the same command goes on from there")
        return 130
    except KeyboardInterrupt:
        _say("stopped; what is saved is kept, and the same command goes on from there")
        return 130
    except VclError as error:
        _say(str(error))
        return 2
    return 0


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    """Settings may stand anywhere, which argparse alone allows only before the first option."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(words)
    if rest and (not hasattr(arguments, "setting") or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        arguments.setting = [*arguments.setting, *rest]
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vcl", description="Sequential neural video representation: many videos, one network, nothing forgotten."
    )
    parser.add_argument("--version", action="version", version=f"vcl {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    for add in (_add_run, _add_plan, _add_grid, _add_plot_and_compare):
        add(commands)
    data = commands.add_parser("data", help="list benchmarks, prepare what was downloaded, verify what was prepared")
    add_data_commands(data)
    _add_bench(commands)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="a YAML file, such as experiments/demo/pfnr.yaml")
    parser.add_argument("setting", nargs="*", help="key=value, such as train.epochs=20; wins over the file")


def _add_run(commands: _Commands) -> None:
    run = commands.add_parser(
        "run",
        help="train on a stream of videos, one after the other, and measure the session matrix",
        description="Train on a stream of videos, one after the other. After every session all videos are decoded from "
        "disk and measured. A run that was stopped, however it was stopped, goes on when the same command is given.",
        epilog="Example: vcl run experiments/demo/pfnr.yaml train.epochs=20 --out runs/try",
    )
    _add_config(run)
    run.add_argument("--out", type=Path, metavar="DIR", help="the run folder (default: runs/ and the config's name)")
    run.add_argument("--quiet", action="store_true", help="no progress, no matrix at the end")
    run.set_defaults(do=_run)


def _add_plan(commands: _Commands) -> None:
    plan = commands.add_parser(
        "plan",
        help="say what a run will take before it is run: parameters, bytes, memory, disk, hours",
        description="Say what a run will take on this machine: parameters, work, stored bytes, memory, disk and hours. "
        "Times come from two short sessions on noise: half a minute for small frames, minutes for large ones. The "
        "videos need not be here where their lengths are known. Warns of what does not fit.",
        epilog="Example: vcl plan experiments/demo/pfnr.yaml train.epochs=20 --out runs/try",
    )
    _add_config(plan)
    plan.add_argument("--out", type=Path, metavar="DIR", help="the run folder to be (default: as vcl run has it)")
    plan.add_argument("--json", action="store_true", help="print JSON")
    plan.set_defaults(do=_plan)


def _add_grid(commands: _Commands) -> None:
    grid = commands.add_parser(
        "grid",
        help="run a grid of methods, settings, seeds and streams, each a run folder",
        description="Run every cell of a grid, one after another; what is done is skipped. A grid that was stopped "
        "goes on when the same command is given, and the same command in a second process takes a share of the cells.",
        epilog="Example: vcl grid experiments/methods/all.grid.yaml stream.root=DAVIS/JPEGImages/480p",
    )
    grid.add_argument("grid", type=Path, help="a YAML file; vcl/grid.py says what it holds")
    grid.add_argument("setting", nargs="*", help="key=value for every cell; wins over the file")
    grid.add_argument("--out", type=Path, metavar="DIR", help="the grid's folder (default: runs/ and the grid's name)")
    grid.set_defaults(do=_grid)


def _add_plot_and_compare(commands: _Commands) -> None:
    plot = commands.add_parser("plot", help="draw the matrix, the training curves, the capacity and the frames of runs")
    plot.add_argument("run", nargs="+", type=Path, help="a run folder")
    plot.set_defaults(do=_plot)

    compare = commands.add_parser("compare", help="put runs side by side: quality, forgetting, stored bytes, time")
    compare.add_argument("run", nargs="+", type=Path, help="a run folder, or a folder of runs such as a grid's")
    compare.add_argument("--matrices", action="store_true", help="print each run's PSNR matrix first")
    compare.add_argument("--format", choices=("text", "markdown", "csv"), default="text", help="default: text")
    compare.add_argument("--each", action="store_true", help="every run by itself, not a mean over seeds")
    compare.add_argument("--figures", type=Path, metavar="DIR", help="also draw what is compared, as PNG and PDF")
    compare.add_argument(
        "--with-published",
        nargs="?",
        type=Path,
        const=Path("experiments", "published.csv"),
        metavar="FILE",
        help="also set the runs, named before this, beside what papers report for the same stream and method; csv then "
        "holds this alone (default: experiments/published.csv)",
    )
    compare.set_defaults(do=_compare)


def _add_bench(commands: _Commands) -> None:
    bench = commands.add_parser(
        "bench",
        help="measure what this machine makes of vcl",
        description="Measure what this machine makes of vcl: what is compared takes turns in one process, so ratios "
        "can be trusted where times cannot.",
        epilog="\n".join(f"{name:<9} {what}" for name, what in BENCHMARKS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    bench.add_argument("what", choices=tuple(BENCHMARKS), help="see below")
    bench.add_argument("config", type=Path, help="whose network, method and recipe, such as experiments/demo/pfnr.yaml")
    bench.add_argument("setting", nargs="*", help="key=value; wins over the file")
    bench.add_argument(
        "--rounds", type=int, help="turns of each (default: 3 to 9); for sessions, how many (default: 50)"
    )
    bench.add_argument("--json", action="store_true", help="print JSON")
    bench.add_argument("--save", type=Path, metavar="DIR", help="also keep the result there, as text and as JSON")
    bench.set_defaults(do=_bench)


def _run(arguments: argparse.Namespace) -> None:
    from vcl import config as configs

    config = configs.load(arguments.config, arguments.setting)
    path = arguments.out or Path("runs", arguments.config.stem)

    from vcl.report.progress import Progress
    from vcl.report.terminal import matrix_text
    from vcl.run import keep_freed_memory, run

    keep_freed_memory()
    with Progress(quiet=arguments.quiet) as progress, ExitStack() as stack:

        def listeners(folder: RunFolder) -> list[Listener]:
            return [progress, *stack.enter_context(_sinks(folder, config))]

        folder = run(config, path, listeners)
    if not arguments.quiet:
        _print(matrix_text(folder))
        _print(f"Run folder: {path}   Figures: vcl plot {path}")


@contextmanager
def _sinks(folder: RunFolder, config: RunConfig) -> Iterator[Sequence[Listener]]:
    """Who gets a run's events beside the one who waits for it."""
    from vcl.report.wandb_sink import wandb_sink

    sinks = wandb_sink(folder, config)
    try:
        yield sinks
    finally:
        for sink in sinks:
            sink.close()


def _grid(arguments: argparse.Namespace) -> None:
    from vcl.grid import read_grid, run_grid
    from vcl.run import keep_freed_memory

    keep_freed_memory()
    cells = read_grid(arguments.grid, arguments.setting)
    out = arguments.out or Path("runs", arguments.grid.name.split(".")[0])
    failed = run_grid(cells, out, _sinks)
    _print(f"Runs: {out}   Side by side: vcl compare {out}")
    if failed:
        raise VclError(f"{len(failed)} of {len(cells)} cells failed: {', '.join(failed)}")


def _plot(arguments: argparse.Namespace) -> None:
    from vcl.report.plot import plot_run
    from vcl.rundir import RunFolder

    for path in arguments.run:
        folder = RunFolder.existing(path)
        names = ", ".join(dict.fromkeys(figure.stem for figure in plot_run(folder)))
        _print(f"{folder.figures}: {names} (each as .png and .pdf)")


def _compare(arguments: argparse.Namespace) -> None:
    from vcl.report.beside import beside
    from vcl.report.compare import compare_runs
    from vcl.report.published import read_published
    from vcl.report.terminal import matrix_text
    from vcl.rundir import run_folders

    if arguments.matrices and arguments.format != "text":
        raise VclError(f"--matrices goes with --format text, got {arguments.format}")
    published = None if arguments.with_published is None else read_published(arguments.with_published)
    folders = run_folders(arguments.run)
    if arguments.matrices:
        for folder in folders:
            _print(matrix_text(folder))
    compared = compare_runs(folders, over_seeds=not arguments.each)
    shown: list[Comparison | PublishedComparison] = [compared]
    if published is not None:
        reported = beside(compared.groups, published)
        shown = [reported] if arguments.format == "csv" else [compared, reported]
    _print("\n\n".join(_laid_out(table, arguments.format) for table in shown))
    if arguments.figures is not None:
        from vcl.report.plot import plot_comparison

        names = ", ".join(dict.fromkeys(figure.stem for figure in plot_comparison(folders, arguments.figures)))
        _say(f"{arguments.figures}: {names} (each as .png and .pdf)")


def _laid_out(table: Comparison | PublishedComparison, form: str) -> str:
    return {"text": table.to_text, "markdown": table.to_markdown, "csv": table.to_csv}[form]()


def _plan(arguments: argparse.Namespace) -> None:
    from vcl import config as configs

    config = configs.load(arguments.config, arguments.setting)

    from vcl.plan import plan

    found = plan(config, arguments.out or Path("runs", arguments.config.stem))
    _print(json.dumps(found.to_json(), indent=1) if arguments.json else found.to_text())


def _bench(arguments: argparse.Namespace) -> None:
    from vcl import config as configs
    from vcl.run import keep_freed_memory

    if arguments.rounds is not None and arguments.rounds < 1:
        raise VclError(f"--rounds must be 1 or more, got {arguments.rounds}")
    config = configs.load(arguments.config, arguments.setting)
    names = [arguments.what, arguments.config.parent.name, arguments.config.stem, *arguments.setting]
    keep = _keeper(arguments.save, "_".join(names))
    keep_freed_memory()
    table = run_benchmark(arguments.what, config, arguments.rounds)
    text, data = table.to_text(), json.dumps(table.to_json(), indent=1)
    keep(text, data)
    _print(data if arguments.json else text)


def _keeper(folder: Path | None, name: str) -> Callable[[str, str], None]:
    """A way to keep a result as NAME.txt and NAME.json; that the folder can be written is seen to first.

    Raises:
        VclError: it cannot.
    """
    from vcl.whole_file import whole_file

    if folder is None:
        return lambda text, data: None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise VclError(f"--save must name a folder that can be written, got {folder} ({error.strerror})") from error

    def keep(text: str, data: str) -> None:
        for suffix, content in ((".txt", text), (".json", data)):
            with whole_file(folder / (name.replace("/", "-") + suffix)) as draft:
                draft.file.write(f"{content}\n".encode())

    return keep


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


def _say(text: str) -> None:
    sys.stderr.write(f"vcl: {text}\n")
