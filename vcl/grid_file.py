"""A grid of runs, read from its file: one run per combination of choices.

::

    config: base.yaml          # shared by all runs; the path is relative to this file
    axes:                      # a run takes one choice of each axis; its folder is CHOICE/CHOICE
      method:
        wsn: [method.name=wsn]
        pfnr: [method.name=pfnr, backbone.operator_block=2]
        single_matched: {settings: [method.name=single_matched], bytes_of: pfnr}
      seed:
        "0": [train.seed=0]
        "1": [train.seed=1]
    launch: {name: ray, gpus: 0.25}   # optional: how the cells are started; the command line wins

A choice is a list of settings, as on the command line. ``config`` of a choice is the path of a file in the place of the
one that all share. ``bytes_of`` names another choice of the same axis, whose run is made first; this one then gets a
``method.session_bytes`` with which it stores as many bytes. ``vcl.launch.settings`` says what ``launch`` may hold.
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
        name: its choices, joined by ``/``; also the path of its folder within the grid's.
        base: the YAML file that the settings change.
        settings: those of its choices, in the order of the axes.
        bytes_of: name of the cell whose stored bytes this one must match, or None.
    """

    name: str
    base: Path
    settings: tuple[str, ...]
    bytes_of: str | None = None

    def config(self, out: Path) -> RunConfig:
        """The config of its run.

        Args:
            out: the grid's folder.

        Raises:
            ConfigError: a setting is wrong.
            VclError: the cell whose bytes it must match has no result.
        """
        settings = list(self.settings)
        if self.bytes_of is not None:
            from vcl.report.summary import summarise  # These load torch, which is not needed to read a grid.
            from vcl.rundir import RunFolder

            matched = summarise(RunFolder.existing(out / self.bytes_of))
            settings.append(f"method.session_bytes={matched.stored_bytes // len(matched.videos)}")
        return configs.load(self.base, settings)


def read_grid(path: Path, settings: Sequence[str] = ()) -> list[Cell]:
    """The cells of a grid in order; the last axis changes fastest.

    Args:
        path: a YAML file, see above.
        settings: of every cell; they override those of its choices.

    Raises:
        ConfigError: the file is no grid, or the config of a cell is wrong; names the cell.
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
        chosen_settings = [setting for choice in chosen for setting in choice.settings]
        own = [choice.config for choice in chosen if choice.config is not None]
        if len(own) > 1:
            raise ConfigError(f"grid {path}: a run has one config, got {' and '.join(own)} of {'/'.join(names)}")
        config = path.parent / own[0] if own else base
        cells.append(Cell("/".join(names), config, (*chosen_settings, *settings), matched[0] if matched else None))
    _check(path, cells)
    return cells


def read_launch(path: Path) -> dict[str, Any]:
    """The section ``launch`` of a grid, with its values as they are written; empty where there is none.

    Raises:
        ConfigError: the file is no grid, or the section holds no keys and values.
    """
    launch = _values(path).get("launch", {})
    if not isinstance(launch, dict):
        raise ConfigError(f"grid {path}: launch must hold keys and values, got {shown(launch)}")
    return launch


@dataclass(frozen=True)
class _Choice:
    name: str
    settings: tuple[str, ...]
    config: str | None
    bytes_of: str | None


def _values(path: Path) -> dict[str, Any]:
    """What the file of a grid holds, by its keys."""
    try:
        values = read_yaml(path)
    except YamlError as error:
        raise ConfigError(f"grid {path} {error}") from error
    if not isinstance(values, dict) or set(values) - {"launch"} != {"config", "axes"}:
        known = ("config", "axes", "launch")
        extra = [key for key in values if key not in known] if isinstance(values, dict) else []
        keys = f", got {', '.join(map(shown, extra))}" if extra else ""
        is_config = any(key in (section.name for section in fields(RunConfig)) for key in extra)
        hint = f"; it is a config, run it with: vcl run {quote(str(path))}" if is_config else ""
        raise ConfigError(f"grid {path} must hold config and axes, may hold launch, and nothing else{keys}{hint}")
    return values


def _content(path: Path) -> tuple[Path, dict[str, Any]]:
    """The path of the config that a grid's runs share, and its axes."""
    values = _values(path)
    base, axes = values["config"], values["axes"]
    if not isinstance(base, str) or is_null(base):
        raise ConfigError(f"grid {path}: config must be the path of a YAML file, got {shown(base)}")
    if not isinstance(axes, dict) or not axes:
        raise ConfigError(f"grid {path}: axes must hold one axis or more, got {shown(axes)}")
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
    settings = content.get("settings", [] if "config" in content else None)
    extra = [key for key in content if key not in ("settings", "config", "bytes_of")]
    if extra:
        raise ConfigError(f"{where} must hold settings, config and bytes_of, and nothing else, got {shown(extra[0])}")
    config, bytes_of = (content.get(key) for key in ("config", "bytes_of"))
    if "config" in content and (not isinstance(config, str) or is_null(config)):
        raise ConfigError(f"{where}: config must be the path of a YAML file, got {shown(config)}")
    if not isinstance(settings, list) or not all(isinstance(setting, str) for setting in settings):
        raise ConfigError(f"{where} must be a list of key=value settings, got {shown(settings)}")
    if "bytes_of" in content and (not isinstance(bytes_of, str) or is_null(bytes_of)):
        raise ConfigError(f"{where}: bytes_of must name a choice of the same axis, got {shown(bytes_of)}")
    texts = (None if text is None else str(text) for text in (config, bytes_of))
    return _Choice(name, tuple(map(str, settings)), *texts)


def _check(path: Path, cells: Sequence[Cell]) -> None:
    """Refuse a grid with a cell that cannot run."""
    unmatched = {cell.name for cell in cells if cell.bytes_of is None}
    for cell in cells:
        if cell.bytes_of is not None and cell.bytes_of not in unmatched:
            rule = "name a choice of the same axis that has no bytes_of itself"
            raise ConfigError(f"grid {path}: bytes_of must {rule}, got {cell.bytes_of}")
        settings = (*cell.settings, *(["method.session_bytes=1"] if cell.bytes_of else []))
        try:
            configs.load(cell.base, settings, quiet=True)
        except ConfigError as error:
            raise ConfigError(f"grid {path}, {cell.name}: {error}") from error
