"""``vcl stats``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vcl.cli.common import Commands, add_plugins, path_word, remark, tell
from vcl.cli.tracking import refuse_missing_packages
from vcl.errors import VclError

if TYPE_CHECKING:
    from vcl.rundir import RunFolder

Value = TypeVar("Value")


def add_stats_command(commands: Commands) -> None:
    """Add the subcommand that looks into the networks of runs."""
    stats = commands.add_parser(
        "stats",
        help="variance and spectra of feature maps, spectra of frames, and what the sessions' masks share",
        description="Decode a few frames of each video and look at what the layers give: the variance of feature maps, "
        "their spectra with and without the Fourier operator, and the spectra of truth, decoded frames and residual; "
        "and at the overlap of the sessions' masks. Kept in the run folder as statistics.json, and drawn into its "
        "figures.",
        epilog="Example: vcl stats runs/wsn runs/pfnr --figures side_by_side",
    )
    stats.add_argument("run", nargs="+", type=path_word, help="a run folder, or a folder of runs such as a grid's")
    stats.add_argument(
        "--frames", type=int, metavar="N", help="of each video at most, evenly spaced (default: those kept, else 8)"
    )
    stats.add_argument("--json", action="store_true", help="print JSON: all numbers by run")
    stats.add_argument("--figures", type=path_word, metavar="DIR", help="also draw the runs side by side")
    stats.add_argument(
        "--track", action="store_true", help="also add figures and numbers to W&B and TensorBoard, where a run has them"
    )
    add_plugins(stats)
    stats.set_defaults(do=_stats)


def _stats(arguments: argparse.Namespace) -> None:
    from vcl.report.comparison import run_names
    from vcl.report.figures.plot_statistics import plot_runs_statistics, plot_statistics
    from vcl.report.statistics import statistics_of
    from vcl.report.statistics_table import statistics_text
    from vcl.report.subnetworks import subnetworks_of
    from vcl.report.summary import label
    from vcl.rundir import run_folders

    if arguments.frames is not None and arguments.frames < 1:
        raise VclError(f"--frames must be 1 or more, got {arguments.frames}")
    folders = run_folders(arguments.run)
    if arguments.track and (busy := [folder.path for folder in folders if folder.in_use()]):
        raise VclError(f"--track must name runs that have stopped, got {busy[0]}, which is in use")
    runs, with_subnetworks = {}, {}
    for name, folder in zip(run_names(folders), folders, strict=True):
        runs[name] = statistics = statistics_of(folder, arguments.frames)
        if arguments.json:
            shared = subnetworks_of(folder)
            matrices = {key: None if shared is None else getattr(shared, key) for key in ("overlap", "age")}
            with_subnetworks[name] = {**statistics, "subnetworks": matrices}
        else:
            tell(f"{name}: {label(folder.config().method)}\n\n{statistics_text(folder, statistics)}\n")
        _remark_figures(folder.figures, plot_statistics(folder, statistics))
        if arguments.track:
            _track(folder, statistics)
    if arguments.json:
        tell(json.dumps(with_subnetworks, indent=1))
    if arguments.figures is not None:
        _remark_figures(arguments.figures, plot_runs_statistics(runs, arguments.figures))


def _track(folder: RunFolder, statistics: Mapping[str, Any]) -> None:
    from vcl.listeners.tracking import log_figures
    from vcl.report.figures.plot_statistics import statistics_figures
    from vcl.report.statistics_table import statistics_numbers

    config = folder.config()
    if not set(config.track) - ({"wandb"} if config.wandb.mode == "disabled" else set()):
        remark(f"{folder.path} is not tracked: its config has track=[], or wandb.mode=disabled")
        return
    refuse_missing_packages([config])
    figures = statistics_figures(folder, statistics)
    numbers = statistics_numbers(folder, statistics)
    for hint in log_figures(folder, config, _below("statistics", figures), _below("statistics", numbers)):
        remark(hint)


def _below(prefix: str, values: Mapping[str, Value]) -> dict[str, Value]:
    return {f"{prefix}/{name}": value for name, value in values.items()}


def _remark_figures(folder: Path, figures: list[Path]) -> None:
    remark(f"{folder}: {', '.join(dict.fromkeys(figure.stem for figure in figures))} (each as .png and .pdf)")
