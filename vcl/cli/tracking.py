"""What shows a run elsewhere while it trains, and how its end says where to look."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from vcl.errors import ConfigError

if TYPE_CHECKING:
    from vcl.config import RunConfig
    from vcl.rundir import Listener, RunFolder

log = logging.getLogger(__name__)


def refuse_missing_packages(configs: Iterable[RunConfig]) -> None:
    """Refuse runs that are tracked by what is not installed, before anything is made.

    Args:
        configs: of the runs; looked at only where a package is missing.

    Raises:
        ConfigError: one of them names it.
    """
    missing = [name for name in ("wandb", "tensorboard") if not _is_installed(name)]
    for config in configs if missing else ():
        if "wandb" in missing and "wandb" in config.track and config.wandb.mode != "disabled":
            rule = "wandb.mode must be disabled where the package wandb is not installed"
            raise ConfigError(f"{rule}, got {config.wandb.mode}")
        if "tensorboard" in missing and "tensorboard" in config.track:
            rule = "track must not hold tensorboard where the package tensorboard is not installed"
            raise ConfigError(f"{rule}, got [{', '.join(config.track)}]")


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


@contextmanager
def tracked(
    folder: RunFolder, config: RunConfig, grid: Path | None = None, quiet: bool = False
) -> Iterator[Sequence[Listener]]:
    """Listeners that show a run elsewhere, closed at the end, which says how to look unless it is to be quiet."""
    from vcl.listeners.tracking import open_tracking

    tracking = open_tracking(folder, config, grid)
    try:
        yield [tracking]
    finally:
        tracking.close()
        for hint in () if quiet else tracking.hints:
            log.info("%s", hint)


def hints_of_grid(out: Path, cells: Sequence[str]) -> list[str]:
    """How to look at all runs of a grid at once, by what is in their folders.

    Args:
        out: folder of the grid.
        cells: paths of the runs below it.

    Returns:
        A line for W&B where runs were logged offline, and one for TensorBoard.
    """
    runs = [Path(cell) for cell in cells]
    offline = [run for run in runs if any((out / run).glob("wandb/offline-run-*"))]
    patterns = sorted({"/".join([*["*"] * len(run.parts), "wandb/offline-run-*"]) for run in offline})
    hints = []
    if patterns:
        words = " ".join(f"{quote(str(out))}/{pattern}" for pattern in patterns)
        hints.append(f"W&B: logged offline; to send it: wandb sync {words}")
    if any((out / run / "tensorboard").is_dir() for run in runs):
        hints.append(f"TensorBoard: tensorboard --logdir {quote(str(out))}")
    return hints
