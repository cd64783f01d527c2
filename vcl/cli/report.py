"""``vcl plot``, ``compare``, ``report`` and ``reproducibility``."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from vcl.atomic_file import atomic_file
from vcl.cli.common import Commands, add_plugins, add_save, check_page_path, path_word, remark, tell, terminal_width
from vcl.errors import VclError

if TYPE_CHECKING:
    from vcl.report.comparison import Comparison
    from vcl.report.published_comparison import PublishedComparison

_PUBLISHED = Path("experiments", "published.csv")


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
        "--classical",
        type=path_word,
        metavar="FILE",
        help="draw x264, x265 and SVT-AV1 into the figure of rate: what vcl bench classical --csv printed",
    )
    compare.add_argument(
        "--with-published",
        nargs="?",
        type=path_word,
        const=_PUBLISHED,
        metavar="FILE",
        help="also compare the runs, named before this option, with what papers report for the same stream and "
        f"method; with --format csv only that is printed (default: {_PUBLISHED})",
    )
    add_save(compare, "also keep what each run came to there, as JSON, for vcl reproducibility")
    add_plugins(compare)
    compare.set_defaults(do=_compare)

    _add_report(commands)
    _add_reproducibility(commands)


def _add_report(commands: Commands) -> None:
    report = commands.add_parser(
        "report",
        help="write a page for a browser: the matrix, the proof, the videos, the curves of runs, alone or side by side",
        description="Write one HTML file that shows runs in a browser, alone or side by side, and needs nothing else, "
        "neither a network nor the run folders: the matrix, the proof that nothing was forgotten, the videos beside "
        "the truth, training, capacity, stored bytes, settings. Every video is decoded once.",
        epilog="Example: vcl report runs/methods -o methods.html",
    )
    report.add_argument("run", nargs="+", type=path_word, help="a run folder, or a folder of runs such as a grid's")
    report.add_argument(
        "-o",
        dest="out",
        type=path_word,
        metavar="FILE",
        help="the page (default: report.html in the folder of the run or the grid)",
    )
    report.add_argument(
        "--frames",
        type=int,
        metavar="N",
        help="evenly spaced frames of each video to show, beside the worst ones; fewer where the page would be too "
        "large, 0 for none, so that nothing is decoded (default: 40)",
    )
    report.add_argument("--title", metavar="TEXT", help="of the page (default: the run and its method)")
    report.add_argument(
        "--with-published",
        nargs="?",
        type=path_word,
        const=_PUBLISHED,
        metavar="FILE",
        help="also show what papers report for the same stream and method, from this file (default: "
        f"{_PUBLISHED}, where there is one)",
    )
    add_plugins(report)
    report.set_defaults(do=_report)


def _add_reproducibility(commands: Commands) -> None:
    document = commands.add_parser(
        "reproducibility",
        help="say of every published number whether runs verify it, differ from it, or what a run would cost",
        description="Say of every published number, in Markdown: verified by a run under equal conditions; differs, by "
        "how much and in which conditions; or not run, and what it would cost.",
        epilog="Example: vcl compare runs/bunny --save experiments/results; then, from the folder of the README: vcl "
        "reproducibility --out REPRODUCIBILITY.md",
    )
    document.add_argument(
        "result",
        nargs="*",
        type=path_word,
        default=[Path("experiments", "results")],
        help="a file that vcl compare --save wrote, or a folder of them (default: experiments/results)",
    )
    document.add_argument(
        "--published", type=path_word, metavar="FILE", default=_PUBLISHED, help=f"default: {_PUBLISHED}"
    )
    document.add_argument(
        "--plans",
        nargs="*",
        type=path_word,
        metavar="PLAN",
        default=[Path("experiments", "plans")],
        help="files that vcl plan --save wrote, or folders of them, for the costs (default: experiments/plans)",
    )
    document.add_argument(
        "--tolerance", type=float, metavar="DB", help="the largest difference of a verified number (default: 0.3)"
    )
    document.add_argument("--out", type=path_word, metavar="FILE", help="write it there (default: print it)")
    add_plugins(document)
    document.set_defaults(do=_reproducibility)


def _plot(arguments: argparse.Namespace) -> None:
    from vcl.report.figures.plot import plot_run
    from vcl.rundir import run_folders

    for folder in run_folders(arguments.run):
        names = ", ".join(dict.fromkeys(figure.stem for figure in plot_run(folder)))
        tell(f"{folder.figures}: {names} (each as .png and .pdf)")


def _compare(arguments: argparse.Namespace) -> None:
    from vcl.report.classical import read_classical
    from vcl.report.comparison import compare_runs
    from vcl.report.published import read_published
    from vcl.report.published_comparison import compare_with_published
    from vcl.report.terminal import matrix_text
    from vcl.rundir import run_folders

    if arguments.matrices and arguments.format != "text":
        raise VclError(f"--matrices goes with --format text, got {arguments.format}")
    if arguments.classical is not None and arguments.figures is None:
        raise VclError("--classical goes with --figures, which draws it")
    classical = [] if arguments.classical is None else read_classical(arguments.classical)
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
    if arguments.save is not None:
        from vcl.report.results import save_results

        summaries = [summary for group in comparison.groups.values() for summary in group]
        for path in save_results(arguments.save, summaries):
            remark(f"{path}: what the run came to")
    if arguments.figures is not None:
        from vcl.report.figures.plot import plot_comparison

        names = ", ".join(
            dict.fromkeys(figure.stem for figure in plot_comparison(folders, arguments.figures, classical))
        )
        remark(f"{arguments.figures}: {names} (each as .png and .pdf)")


def _report(arguments: argparse.Namespace) -> None:
    from vcl.report.page import PAGE
    from vcl.report.page.allowance import FRAMES
    from vcl.report.page.view import report_of, write_page
    from vcl.report.published import read_published
    from vcl.rundir import run_folders

    frames = FRAMES if arguments.frames is None else arguments.frames
    if frames < 0:
        raise VclError(f"--frames must be 0 or more, got {frames}")
    folders = run_folders(arguments.run)
    if arguments.out is None and len(arguments.run) > 1:
        raise VclError(f"-o must name the file of a page of several runs, got {len(folders)} runs and no file")
    out = arguments.out or arguments.run[0] / PAGE
    check_page_path(out, "-o")
    published = arguments.with_published or (_PUBLISHED if _PUBLISHED.is_file() else None)
    numbers = [] if published is None else read_published(published)
    size = write_page(out, report_of(folders, frames, arguments.title, numbers))
    remark(f"{out}: {size / 1e6:.1f} MB, for any browser")


def _reproducibility(arguments: argparse.Namespace) -> None:
    from vcl.report.costs import read_costs
    from vcl.report.findings import TOLERANCE
    from vcl.report.published import read_published
    from vcl.report.reproducibility import reproducibility
    from vcl.report.results import read_results

    tolerance = TOLERANCE if arguments.tolerance is None else arguments.tolerance
    if not 0 <= tolerance < math.inf:
        raise VclError(f"--tolerance must be 0 dB or more, got {tolerance}")
    published = read_published(arguments.published, "--published")
    document = reproducibility(read_results(arguments.result), published, read_costs(arguments.plans), tolerance)
    if arguments.out is None:
        tell(document.rstrip("\n"))
        return
    try:
        with atomic_file(arguments.out) as draft:
            draft.file.write(document.encode())
    except OSError as error:
        raise VclError(f"--out must be a file that can be written, got {arguments.out} ({error.strerror})") from error
    tell(f"{arguments.out}: {len(published)} published numbers")


def _laid_out(table: Comparison | PublishedComparison, form: str) -> str:
    return {"text": table.to_text, "markdown": table.to_markdown, "csv": table.to_csv}[form]()
