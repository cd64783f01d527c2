"""Configs from YAML files and ``key=value`` overrides, and back."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from shlex import quote
from typing import Any

import yaml

from vcl.config.backbones import NervConfig
from vcl.config.recipes import FAST
from vcl.config.rules import Typed, read_value, require, shown
from vcl.config.run import RunConfig
from vcl.config.sections import DEFAULT_NAMES, SETTINGS, kind_of, sections_of, untupled, values_of
from vcl.errors import ConfigError
from vcl.yaml_text import YamlError, is_null, parse_yaml, read_yaml

log = logging.getLogger(__name__)


def load(path: Path | None, overrides: Sequence[str] = (), *, quiet: bool = False, recipe: str = FAST) -> RunConfig:
    """Read a run's config.

    Args:
        path: a YAML file, or None for the defaults alone. Its key ``base`` names files that it builds on, relative to
            its folder; later ones win over earlier ones, and the file itself over all of them.
        overrides: settings such as ``train.epochs=10``; later ones win. A method or backbone named here takes from the
            file only the settings that it has, and the log names those that were left out.
        quiet: log nothing.
        recipe: the value of ``train.recipe`` where neither the file nor an override sets it.

    Raises:
        ConfigError: one line with the key, the rule and the value.
    """
    return RunConfig(**sections_of(settings_of(path, overrides, quiet=quiet), recipe))


def settings_of(path: Path | None, overrides: Sequence[str] = (), *, quiet: bool = False) -> dict[str, Any]:
    """What a file and overrides set, by section and name, for ``from_dict``; arguments and errors as of ``load``."""
    return overridden(_read_file(path) if path is not None else {}, overrides, path, quiet=quiet)


def overridden(
    settings: Mapping[str, Any], overrides: Sequence[str], path: Path | None = None, *, quiet: bool = False
) -> dict[str, Any]:
    """Settings of a file, as ``settings_of`` gives them, with overrides.

    Args:
        settings: left as they are.
        overrides: as of ``load``.
        path: of the file, for the log.
        quiet: log nothing.

    Raises:
        ConfigError: an override is no setting.
    """
    in_file = {section: dict(values) if isinstance(values, dict) else values for section, values in settings.items()}
    on_line: dict[str, Any] = {}
    _check_overrides(overrides)
    for override in overrides:
        on_line = merged(on_line, _setting(override))
    if (left_out := _resize(in_file, on_line)) and not quiet:
        log.info("%s: left out for the size on the command line: %s", path, ", ".join(left_out))
    for section, default in DEFAULT_NAMES.items():
        left_out = _leave_out(section, default, in_file, on_line)
        if left_out and not quiet:
            name = f"{section}.name={shown(on_line[section]['name'])}"
            log.info("%s: left out for %s: %s", path, name, ", ".join(left_out))
    return merged(in_file, on_line)


def from_dict(values: Mapping[str, Any]) -> RunConfig:
    """The config that ``to_dict`` or ``settings_of`` gave; raises ConfigError as ``load`` does."""
    return RunConfig(**sections_of(values))


def to_dict(config: RunConfig) -> dict[str, Any]:
    """Plain nested dicts, lists and scalars, as YAML and JSON hold them."""
    plain: dict[str, Any] = untupled(asdict(config))
    return plain


def to_yaml(config: RunConfig) -> str:
    """The whole config, defaults included, as ``load`` reads it."""
    return yaml.safe_dump(to_dict(config), sort_keys=False)


def _read_file(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The settings of a file, merged over those of the files it builds on."""
    try:
        values = read_yaml(path)
    except YamlError as error:
        raise ConfigError(f"config {shown(str(path))} {error}") from error
    if not isinstance(values, dict):
        content = "a list" if isinstance(values, list) else shown(values)
        raise ConfigError(f"config {path} must hold keys and values, got {content}")
    if {"config", "axes"} <= values.keys():
        raise ConfigError(f"config {path} must hold settings, got a grid; run it with: vcl grid {quote(str(path))}")
    if {"config", "space"} <= values.keys():
        raise ConfigError(f"config {path} must hold settings, got a search; run it with: vcl tune {quote(str(path))}")
    bases = values.pop("base", [])
    above = (*above, path.resolve())
    below: dict[str, Any] = {}
    for base in bases if isinstance(bases, list) else [bases]:
        is_below = isinstance(base, str) and not is_null(base) and (path.parent / base).resolve() not in above
        require(is_below, f"base of {path}", "name files that do not build on this one", base)
        below = merged(below, _read_file(path.parent / str(base), above))
    return merged(below, values)


def _check_overrides(words: Sequence[str]) -> None:
    """Refuse words that are no ``key=value``, such as the parts of one that the shell split at a space."""
    for before, word, after in zip(["", *words], words, [*words[1:], ""], strict=False):
        if "=" in word:
            continue
        hint = ""
        if before.count("[") > before.count("]"):
            hint = f"; a value with a space stands in quotes: {quote(f'{before} {word}')}"
        elif "." in word and after and "=" not in after:
            hint = f"; did you mean {word}={after}?"
        raise ConfigError(f"a setting on the command line must read key=value, got {shown(word)}{hint}")


def _setting(override: str) -> dict[str, Any]:
    """The section and knob that an override sets, as a file would have them."""
    key, _, value = override.partition("=")
    section, dot, knob = key.partition(".")
    if dot:
        return {section: {knob: Typed(value)}}
    if section in SETTINGS:
        return {section: Typed(value)}
    try:
        return {section: parse_yaml(value)}
    except YamlError as error:
        raise ConfigError(f"{shown(section)} must hold keys and values, got {shown(value)} ({error})") from error


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of two sources, as ``settings_of`` gives them, merged section by section; those of ``above`` win."""
    both = dict(below)
    for section, values in above.items():
        in_both = isinstance(values, dict) and isinstance(both.get(section), dict)
        both[section] = {**both[section], **values} if in_both else values
    return both


def _resize(in_file: dict[str, Any], on_line: Mapping[str, Any]) -> list[str]:
    """Remove what a file says of the backbone's size where the command line has a preset or a width.

    Returns:
        Keys of what was removed: ``size``, and the knobs of the preset.
    """
    in_section, here = in_file.get("backbone"), values_of("backbone", on_line)
    if not isinstance(in_section, dict):
        return []
    kind = kind_of("backbone", here.get("name", in_section.get("name", NervConfig.name)))
    superseded: set[str] = set()
    if "preset" in here:
        preset = read_value("backbone.preset", here["preset"], str | None)
        superseded = {"size", *kind.presets.get(preset or "", {})}
    elif not here.keys().isdisjoint(kind.widths):
        superseded = {"size"}
    removed = [key for key in in_section if key in superseded and key not in here]
    in_file["backbone"] = {key: value for key, value in in_section.items() if key not in removed}
    return [f"backbone.{key}" for key in removed]


def _leave_out(section: str, default: str, in_file: dict[str, Any], on_line: Mapping[str, Any]) -> list[str]:
    """Remove settings from a file's that its method or backbone has, but the one on the command line does not have.

    Returns:
        Keys of what was removed.
    """
    old_values, new_values = in_file.get(section, {}), on_line.get(section, {})
    if not (isinstance(old_values, dict) and isinstance(new_values, dict) and "name" in new_values):
        return []
    old, new = kind_of(section, old_values.get("name", default)), kind_of(section, new_values["name"])
    only_old = {knob.name for knob in fields(old)} - {knob.name for knob in fields(new)}
    keys = [f"{section}.{key}" for key in old_values if key in only_old]
    if old is not new:
        keys += getattr(new, "excludes", ())
    left_out = []
    for key in keys:
        owner, _, knob = key.partition(".")
        values = in_file.get(owner)
        if isinstance(values, dict) and knob in values:
            del values[knob]
            left_out.append(key)
    return left_out
