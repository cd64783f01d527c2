"""What a grid of runs is, read from its file: every combination of choices, each a run.

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
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from shlex import quote
from typing import Any

from vcl import config as configs
from vcl.config import RunConfig
from vcl.config.rules import shown
from vcl.errors import ConfigError
from vcl.wording import printable
from vcl.yaml_text import YamlError, is_null, read_yaml


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
            from vcl.report.summary import summarise  # These load torch, which reading a grid does without.
            from vcl.rundir import RunFolder

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
    base, axes = _content(path)
    cells = []
    for chosen in product(*[_choices(path, axis, value) for axis, value in axes.items()]):
        names = [choice.name for choice in chosen]
        matched = [
            "/".join([*names[:axis], choice.bytes_of, *names[axis + 1 :]])
            for axis, choice in enumerate(chosen)
            if choice.bytes_of is not None
        ]
        words = [word for choice in chosen for word in choice.settings]
        cells.append(Cell("/".join(names), base, (*words, *settings), matched[0] if matched else None))
    _check(path, cells)
    return cells


@dataclass(frozen=True)
class _Choice:
    name: str
    settings: tuple[str, ...]
    bytes_of: str | None


def _content(path: Path) -> tuple[Path, dict[str, Any]]:
    """The config that a grid's runs share, and its axes."""
    try:
        values = read_yaml(path)
    except YamlError as error:
        raise ConfigError(f"grid {path} {error}") from error
    if not isinstance(values, dict) or set(values) != {"config", "axes"}:
        extra = [key for key in values if key not in ("config", "axes")] if isinstance(values, dict) else []
        found = f", got {', '.join(map(shown, extra))}" if extra else ""
        config = any(key in (item.name for item in fields(RunConfig)) for key in extra)
        hint = f"; it is a config, run it with: vcl run {quote(str(path))}" if config else ""
        raise ConfigError(f"grid {path} must hold config and axes, and nothing else{found}{hint}")
    base, axes = values["config"], values["axes"]
    if not isinstance(base, str) or is_null(base):
        raise ConfigError(f"grid {path}: config must be the path of a YAML file, got {shown(base)}")
    if not isinstance(axes, dict) or not axes:
        raise ConfigError(f"grid {path} must hold config and axes, and axes a choice or more, got {shown(axes)}")
    return path.parent / base, axes


def _choices(path: Path, axis: str, value: object) -> list[_Choice]:
    where = f"grid {path}: axes.{shown(axis)}"
    if not isinstance(value, dict) or not value:
        raise ConfigError(f"{where} must hold named choices, got {shown(value)}")
    for name in value:
        if name in ("", ".", "..") or "/" in name or printable(name) != name:
            raise ConfigError(f"{where} must hold names of folders, got {shown(name)}")
    return [_choice(f"{where}.{name}", name, choice) for name, choice in value.items()]


def _choice(where: str, name: str, value: object) -> _Choice:
    content = value if isinstance(value, dict) else {"settings": value}
    settings, bytes_of = content.get("settings"), content.get("bytes_of")
    extra = [key for key in content if key not in ("settings", "bytes_of")]
    if extra:
        raise ConfigError(f"{where} must hold settings and bytes_of, and nothing else, got {shown(extra[0])}")
    if not isinstance(settings, list) or not all(isinstance(word, str) for word in settings):
        raise ConfigError(f"{where} must be a list of key=value settings, got {shown(settings)}")
    if "bytes_of" in content and (not isinstance(bytes_of, str) or is_null(bytes_of)):
        raise ConfigError(f"{where}: bytes_of must name a choice of its own axis, got {shown(bytes_of)}")
    return _Choice(name, tuple(map(str, settings)), None if bytes_of is None else str(bytes_of))


def _check(path: Path, cells: Sequence[Cell]) -> None:
    """Refuse cells that could not run."""
    sizes_of_their_own = {cell.name for cell in cells if cell.bytes_of is None}
    for cell in cells:
        if cell.bytes_of is not None and cell.bytes_of not in sizes_of_their_own:
            rule = "name a choice of its own axis that is not matched itself"
            raise ConfigError(f"grid {path}: bytes_of must {rule}, got {cell.bytes_of}")
        words = (*cell.settings, *(["method.session_bytes=1"] if cell.bytes_of else []))
        try:
            configs.load(cell.base, words, quiet=True)
        except ConfigError as error:
            raise ConfigError(f"grid {path}, {cell.name}: {error}") from error
