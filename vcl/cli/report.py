"""``vcl plot`` and ``compare``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vcl.cli.common import Commands, add_plugins, path_word, remark, tell, terminal_width
from vcl.errors import VclError

if TYPE_CHECKING:
    from vcl.report.comparison import Comparison
    from vcl.report.published_comparison import PublishedComparison


def add_report_commands(commands: Commands) -> None:
    """Add the subcommands that show the results of runs."""
    plot = commands.add_parser("plot", help="draw the matrix, the training curves, the capacity and the frames of runs")
    plot.add_argument("run", nargs="+", type=path_word, help="a run folder, or a folder of runs such as a grid's")
    add_plugins(plot)
    plot.set_defaults(do=_plot)

    compare = commands.add_parser("compare", help="compare runs: quality, forgetting, stored bytes, time")
    compare.add_argument("run", nargs="+", type=path_word, help="a run folder, or a folder of runs such as a grid's")
    compare.add_argument("--matrices", action="store_true", help="print each run's PSNR matrix first")
    compare.add_argument("--format", choices=("text", "markdown", "csv"), default="text", help="default: text")
    compare.add_argument("--each", action="store_true", help="show every run, not the mean over seeds")
    compare.add_argument("--figures", type=path_word, metavar="DIR", help="also draw the comparison, as PNG and PDF")
    compare.add_argument(
        "--with-published",
        nargs="?",
        type=path_word,
        const=Path("experiments", "published.csv"),
        metavar="FILE",
        help="also compare the runs, named before this option, with what papers report for the same stream and "
        "method; with --format csv only that is printed (default: experiments/published.csv)",
    )
    add_plugins(compare)
    compare.set_defaults(do=_compare)


def _plot(arguments: argparse.Namespace) -> None:
    from vcl.report.figures.plot import plot_run
    from vcl.rundir import run_folders

    for folder in run_folders(arguments.run):
        names = ", ".join(dict.fromkeys(figure.stem for figure in plot_run(folder)))
        tell(f"{folder.figures}: {names} (each as .png and .pdf)")


def _compare(arguments: argparse.Namespace) -> None:
    from vcl.report.comparison import compare_runs
    from vcl.report.published import read_published
    from vcl.report.published_comparison import compare_with_published
    from vcl.report.terminal import matrix_text
    from vcl.rundir import run_folders

    if arguments.matrices and arguments.format != "text":
        raise VclError(f"--matrices goes with --format text, got {arguments.format}")
    published = None if arguments.with_published is None else read_published(arguments.with_published)
    folders = run_folders(arguments.run)
    if arguments.matrices:
        for folder in folders:
            tell(matrix_text(folder, width=terminal_width()))
    comparison = compare_runs(folders, over_seeds=not arguments.each)
    tables: list[Comparison | PublishedComparison] = [comparison]
    if published is not None:
        with_published = compare_with_published(comparison.groups, published)
        tables = [with_published] if arguments.format == "csv" else [comparison, with_published]
    tell("\n\n".join(_laid_out(table, arguments.format) for table in tables))
    if arguments.figures is not None:
        from vcl.report.figures.plot import plot_comparison

        names = ", ".join(dict.fromkeys(figure.stem for figure in plot_comparison(folders, arguments.figures)))
        remark(f"{arguments.figures}: {names} (each as .png and .pdf)")


def _laid_out(table: Comparison | PublishedComparison, form: str) -> str:
    return {"text": table.to_text, "markdown": table.to_markdown, "csv": table.to_csv}[form]()
