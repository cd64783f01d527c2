"""Plugins: Python files whose methods, backbones and benchmarks a command knows beside those of vcl."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from shlex import quote

from vcl.config.registry import Registry, reason
from vcl.config.rules import shown
from vcl.errors import ConfigError
from vcl.user_path import user_path
from vcl.wording import did_you_mean

VARIABLE = "VCL_PLUGINS"
"""Environment variable with paths of plugins, separated as those of ``PATH``."""


@contextmanager
def plugins_loaded(paths: Sequence[Path] = ()) -> Iterator[None]:
    """Run the plugins that the environment names and some more; processes started meanwhile find all of them there.

    Args:
        paths: of Python files.

    Raises:
        ConfigError: one is no Python file, raises, or registers nothing.
    """
    inherited = os.environ.get(VARIABLE, "")
    named = [user_path(text, f"${VARIABLE}") for text in inherited.split(os.pathsep) if text]
    plugins = list(dict.fromkeys(path.absolute() for path in (*named, *paths)))
    for plugin in plugins:
        _load(plugin)
    os.environ[VARIABLE] = os.pathsep.join(map(str, plugins))
    try:
        yield
    finally:
        os.environ[VARIABLE] = inherited


def _load(path: Path) -> None:
    """Run a plugin. Its module goes by its path, since two plugins may have files of one name."""
    name = str(path)
    if path.suffix != ".py" or not path.is_file():
        raise ConfigError(f"a plugin must be a Python file, got {shown(name)}{_hint(path)}")
    before = Registry.registrations
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ConfigError(f"plugin {shown(name)} cannot be loaded ({_line(name, error)}{reason(error)})") from error
    if Registry.registrations == before:
        raise ConfigError(f"plugin {shown(name)} must register a method, a backbone or a benchmark, got none")


def _hint(path: Path) -> str:
    """What a path that is no plugin may have meant."""
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return f"; a manifest of your own is given as {quote(f'stream.benchmark={path}')}"
    if path.exists():
        return ""
    return f", no such file{did_you_mean(str(path), [str(file) for file in path.parent.glob('*.py')])}"


def _line(name: str, error: BaseException) -> str:
    """The plugin's line that an error came through."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    return f"line {lines[-1]}: " if lines else ""
