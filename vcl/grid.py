"""A grid of runs: every combination of choices, each a run folder, one after another.

::

    config: base.yaml          # beside this file; what all runs share
    axes:                      # one choice of each axis makes a run, in AXIS_CHOICE/AXIS_CHOICE
      method:
        wsn: [method.name=wsn]
        pfnr: [method.name=pfnr, backbone.operator_block=2]
        single_matched: {settings: [method.name=single_matched], bytes_of: pfnr}
      seed:
        "0": [train.seed=0]
        "1": [train.seed=1]

A choice is a list of settings, as on the command line. ``bytes_of`` names another choice of the same axis: its run is
made first, and this one gets ``method.session_bytes``, so that both store the same.

Who runs the cells is left open: ``run_grid`` takes them one after another and leaves out those that another process has
in hand, so that any number of processes may work on one grid.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from vcl import config as configs
from vcl.config import RunConfig
from vcl.errors import ConfigError, Interrupted, RunFolderInUseError, VclError
from vcl.memory import memory_explained
from vcl.report.summary import summarise
from vcl.run import run
from vcl.rundir import Listener, RunFolder

log = logging.getLogger(__name__)

_WAIT = 2.0
"""Seconds between two looks at cells that other processes have in hand."""


@dataclass(frozen=True)
class Cell:
    """One run of a grid.

    Args:
        name: its choices, joined by ``/``; also the place of its folder.
        base: the YAML file that all cells share.
        settings: of its choices, later axes last.
        bytes_of: name of the cell whose stored bytes this one is to have, or None.
    """

    name: str
    base: Path
    settings: tuple[str, ...]
    bytes_of: str | None = None

    def config(self, out: Path) -> RunConfig:
        """What to run.

        Raises:
            ConfigError: a setting is wrong.
            VclError: the cell whose bytes are asked for has nothing to show.
        """
        words = list(self.settings)
        if self.bytes_of is not None:
            found = summarise(RunFolder.existing(out / self.bytes_of))
            words.append(f"method.session_bytes={found.stored_bytes // len(found.videos)}")
        return configs.load(self.base, words)


def read_grid(path: Path, settings: Sequence[str] = ()) -> list[Cell]:
    """The cells of a grid, the last axis fastest.

    Args:
        path: a YAML file, see above.
        settings: for every cell; they win over its own.

    Raises:
        ConfigError: the file is no grid, or a cell's config is wrong; names the cell.
    """
    try:
        given = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"grid {path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"grid {path} is not YAML: {str(error).splitlines()[0]}") from error
    axes = given.get("axes") if isinstance(given, Mapping) else None
    if not isinstance(axes, Mapping) or not axes or set(given) != {"config", "axes"}:
        raise ConfigError(f"grid {path} must hold config and axes, and nothing else")
    if not isinstance(given["config"], str):
        raise ConfigError(f"grid {path}: config must be the path of a YAML file, got {given['config']}")
    choices = [_choices(path, axis, found) for axis, found in axes.items()]
    cells = []
    for chosen in product(*choices):
        names = [name for name, _, _ in chosen]
        other = ["/".join([*names[:i], of, *names[i + 1 :]]) for i, (_, _, of) in enumerate(chosen) if of is not None]
        words = [word for _, own, _ in chosen for word in own]
        cells.append(
            Cell("/".join(names), path.parent / given["config"], (*words, *settings), other[0] if other else None)
        )
    sizes_of_their_own = {cell.name for cell in cells if cell.bytes_of is None}
    for cell in cells:
        if cell.bytes_of is not None and cell.bytes_of not in sizes_of_their_own:
            rule = "name a choice of its own axis that is not matched itself"
            raise ConfigError(f"grid {path}: bytes_of must {rule}, got {cell.bytes_of}")
        try:
            configs.load(cell.base, (*cell.settings, *(["method.session_bytes=1"] if cell.bytes_of else [])))
        except ConfigError as error:
            raise ConfigError(f"grid {path}, {cell.name}: {error}") from error
    return cells


Listeners = Callable[[RunFolder, RunConfig], AbstractContextManager[Sequence[Listener]]]
"""Given a cell's folder and config, whoever wants to watch while it runs."""


def run_grid(cells: Sequence[Cell], out: Path, listeners: Listeners) -> list[str]:
    """Run what is not done yet, a line a cell; one that fails is told of and passed over.

    Args:
        cells: in the order to run them.
        out: the grid's folder.
        listeners: watch each cell.

    Returns:
        Names of cells that failed.

    Raises:
        Interrupted: the user asked to stop; the same call goes on.
    """
    left, failed = list(cells), list[str]()
    while left:
        later = []
        for cell in left:
            try:
                if cell.bytes_of in failed:
                    raise VclError(f"{cell.bytes_of}, whose bytes it is to have, failed")
                told = run_cell(cell, out, listeners)
            except Interrupted:
                raise
            except VclError as error:
                failed.append(cell.name)
                told = f"failed: {error}"
            if told is None:
                later.append(cell)
            else:
                log.info("[%d/%d] %s: %s", cells.index(cell) + 1, len(cells), cell.name, told)
        if len(later) == len(left):
            time.sleep(_WAIT)
        left = later
    return failed


def run_cell(cell: Cell, out: Path, listeners: Listeners) -> str | None:
    """Run one cell, or what is left of it.

    Returns:
        What to tell of it; None if it has to wait, because another process has it or makes the cell it depends on.

    Raises:
        VclError: the run fails.
    """
    if cell.bytes_of is not None and not RunFolder(out / cell.bytes_of).finished():
        return None
    config, path = cell.config(out), out / cell.name
    if RunFolder(path).in_use():
        return None  # Before the stream is opened, which takes its time.
    before = RunFolder(path).finished()
    with ExitStack() as stack:
        try:
            with memory_explained():
                folder = run(config, path, lambda folder: stack.enter_context(listeners(folder, config)))
        except RunFolderInUseError:
            return None
    found = summarise(folder)
    quality = "" if found.psnr is None else f"{found.psnr:.2f} dB, "
    change = "" if found.backward_transfer is None else f"backward transfer {found.backward_transfer:.2f} dB, "
    return f"{quality}{change}{found.stored_bytes:,} bytes, {found.seconds:.0f} s{' (done before)' if before else ''}"


def _choice(path: Path, axis: str, name: str, given: Any) -> tuple[str, list[str], str | None]:
    """Name, settings and ``bytes_of`` of a choice."""
    found = given if isinstance(given, Mapping) else {"settings": given}
    settings, other = found.get("settings"), found.get("bytes_of")
    words = isinstance(settings, list) and all(isinstance(word, str) for word in settings)
    if (
        not isinstance(settings, list)
        or not words
        or set(found) - {"settings", "bytes_of"}
        or not isinstance(other, str | None)
    ):
        raise ConfigError(f"grid {path}: axes.{axis}.{name} must be a list of key=value settings, got {given}")
    return name, settings, other


def _choices(path: Path, axis: str, given: Any) -> list[tuple[str, list[str], str | None]]:
    if not isinstance(given, Mapping) or not given:
        raise ConfigError(f"grid {path}: axes.{axis} must hold named choices, got {given}")
    names = list(map(str, given))
    for name in names:
        if name in ("", ".", "..") or "/" in name or names.count(name) > 1:
            raise ConfigError(f"grid {path}: axes.{axis} must hold names of folders that differ, got {name!r}")
    return [_choice(path, axis, name, found) for name, found in zip(names, given.values(), strict=True)]
