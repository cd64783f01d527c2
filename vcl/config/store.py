"""Configs from YAML files and ``key=value`` overrides, and back."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from shlex import quote
from typing import Any, get_type_hints

import yaml

from vcl.config.backbones import BACKBONES, BackboneConfig, NervConfig
from vcl.config.methods import METHODS, REFUSED
from vcl.config.methods.dense import FinetuneConfig
from vcl.config.recipes import FAST, chosen
from vcl.config.registry import ClassRegistry
from vcl.config.rules import Typed, read_value, require, require_one_of, shown
from vcl.config.run import MatrixConfig, RunConfig, WandbConfig
from vcl.config.stream import StreamConfig
from vcl.config.train import TrainConfig
from vcl.errors import ConfigError
from vcl.wording import did_you_mean
from vcl.yaml_text import YamlError, is_null, parse_yaml, read_yaml

log = logging.getLogger(__name__)

_UNIDENTIFYING = (
    *("wandb", "track", "stream.cache", "stream.root"),
    *("train.recipe", "train.graph", "train.checkpoint_seconds"),
)
"""Settings that cannot change a result: two configs that differ in nothing else are the same run. The folder of the
videos is one of them, since a run knows its frames by their hash; and the recipe, since what it chose is a setting."""

_SECTIONS: dict[str, type[Any]] = {
    "stream": StreamConfig,
    "backbone": NervConfig,
    "method": FinetuneConfig,
    "train": TrainConfig,
    "matrix": MatrixConfig,
    "wandb": WandbConfig,
}

SETTINGS = tuple(item.name for item in fields(RunConfig) if item.name not in _SECTIONS)
"""Settings of a run that stand in no section."""

_REGISTRIES: dict[str, ClassRegistry[Any]] = {"backbone": BACKBONES, "method": METHODS}

_DEFAULT_NAMES = {"backbone": NervConfig.name, "method": FinetuneConfig.name}
"""Sections whose knobs depend on a name, and their default names."""


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
    return _build(settings_of(path, overrides, quiet=quiet), recipe)


def settings_of(path: Path | None, overrides: Sequence[str] = (), *, quiet: bool = False) -> dict[str, Any]:
    """What a file and overrides set, by section and name, for ``from_dict``; arguments and errors as of ``load``."""
    in_file = _read_file(path) if path is not None else {}
    on_line: dict[str, Any] = {}
    _check_overrides(overrides)
    for override in overrides:
        on_line = merged(on_line, _setting(override))
    if (left_out := _resize(in_file, on_line)) and not quiet:
        log.info("%s: left out for the size on the command line: %s", path, ", ".join(left_out))
    for section, default in _DEFAULT_NAMES.items():
        left_out = _leave_out(section, default, in_file, on_line)
        if left_out and not quiet:
            name = f"{section}.name={shown(on_line[section]['name'])}"
            log.info("%s: left out for %s: %s", path, name, ", ".join(left_out))
    return merged(in_file, on_line)


def from_dict(values: Mapping[str, Any]) -> RunConfig:
    """The config that ``to_dict`` or ``settings_of`` gave; raises ConfigError as ``load`` does."""
    return _build(values)


def to_dict(config: RunConfig) -> dict[str, Any]:
    """Plain nested dicts, lists and scalars, as YAML and JSON hold them."""
    plain: dict[str, Any] = _untupled(asdict(config))
    return plain


def to_yaml(config: RunConfig) -> str:
    """The whole config, defaults included, as ``load`` reads it."""
    return yaml.safe_dump(to_dict(config), sort_keys=False)


def identity(config: RunConfig) -> dict[str, Any]:
    """Those settings, as ``to_dict`` gives them, that can change a result: no folder of this machine is among them.

    ``from_dict`` reads them, with defaults for the others.
    """
    settings: dict[str, Any] = {}
    for key, value in flat(to_dict(config)):
        if not key.startswith(_UNIDENTIFYING):
            section, _, knob = key.partition(".")
            settings.setdefault(section, {})[knob] = value
    return settings


def first_difference(one: RunConfig, other: RunConfig) -> tuple[str, object, object] | None:
    """The first setting, in the order of ``to_dict``, that makes two configs different runs.

    Returns:
        Key, value in ``one``, value in ``other``; None where they are the same run.
    """
    ones, others = dict(flat(to_dict(one))), dict(flat(to_dict(other)))
    for key in {**ones, **others}:
        if not key.startswith(_UNIDENTIFYING) and ones.get(key) != others.get(key):
            return key, ones.get(key), others.get(key)
    return None


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
    in_section, here = in_file.get("backbone"), _values("backbone", on_line)
    if not isinstance(in_section, dict):
        return []
    kind = _kind("backbone", here.get("name", in_section.get("name", NervConfig.name)))
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
    old, new = _kind(section, old_values.get("name", default)), _kind(section, new_values["name"])
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


def _build(settings: Mapping[str, Any], recipe: str = FAST) -> RunConfig:
    """A config of settings and, for all others, the recipe's choices and the defaults; the dataclasses check ranges."""
    return RunConfig(**sections_of(settings, recipe))


def sections_of(settings: Mapping[str, Any], recipe: str = FAST) -> dict[str, Any]:
    """The dataclass of each section, not yet checked against one another, and what is set outside of sections.

    Args:
        settings: by section and name.
        recipe: where ``settings`` name none.
    """
    named = {
        section: _kind(section, _values(section, settings).get("name", default))
        for section, default in _DEFAULT_NAMES.items()
    }
    kinds = {section: named.get(section, kind) for section, kind in _SECTIONS.items()}
    _refuse_unknown("", settings, {**kinds, **dict.fromkeys(SETTINGS)})
    train = {"recipe": recipe, **_values("train", settings)}
    settings = {**settings, "train": train}
    recipe = read_value("train.recipe", train["recipe"], get_type_hints(TrainConfig)["recipe"])
    settings = {**settings, "backbone": _with_preset(named["backbone"], _values("backbone", settings))}
    suggested = named["backbone"].suggests
    choices = {section: {**chosen(recipe, section), **suggested.get(section, {})} for section in kinds}
    hints = get_type_hints(RunConfig)
    others = {key: read_value(key, settings[key], hints[key]) for key in SETTINGS if key in settings}
    sections = {section: _section(section, kind, settings, choices[section]) for section, kind in kinds.items()}
    return {**sections, **others}


def _with_preset(kind: type[BackboneConfig], values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Knobs of a published size, under those that are set."""
    preset = read_value("backbone.preset", values.get("preset"), str | None)
    if preset is None:
        return values
    if not kind.presets:
        raise ConfigError(
            f"backbone.preset must be null, as {values.get('name')} has no published sizes, got {shown(preset)}"
        )
    require_one_of("backbone.preset", preset, kind.presets)
    return {**_untupled(kind.presets[preset]), **values}


def every_kind() -> list[tuple[str, str, type[Any]]]:
    """Section, name and dataclass of everything that can be set: each section, each backbone and each method."""
    return [
        (section, name, kind)
        for section, only in _SECTIONS.items()
        for name, kind in (_REGISTRIES[section].known if section in _REGISTRIES else {section: only}).items()
    ]


def installed_kinds(name: str) -> list[tuple[str, str, type[Any]]]:
    """As ``every_kind``, those of a name that installed packages register."""
    kinds = ((section, registry.find(name)) for section, registry in _REGISTRIES.items())
    return [(section, name, kind) for section, kind in kinds if kind is not None]


def _kind(section: str, value: object) -> type[Any]:
    """The dataclass of the method or backbone that a name stands for."""
    name = read_value(f"{section}.name", value, str)
    registry = _REGISTRIES[section]
    kind = registry.find(name)
    if kind is None:
        note = REFUSED.get(name) if section == "method" else None
        note = note or "or one that --plugin FILE.py or an installed package registers"
        require_one_of(f"{section}.name", name, registry.known, f" ({note})")
    assert kind is not None
    return kind


def _section(section: str, kind: Any, settings: Mapping[str, Any], choices: Mapping[str, Any]) -> Any:
    """A section's dataclass.

    Args:
        section: its name.
        kind: the dataclass. Where it declares a setting of its section anew, its own default wins over ``choices``.
        settings: of all sections.
        choices: what the recipe chooses in this one.
    """
    values = _values(section, settings)
    known, usual = ({item.name: item for item in fields(each)} for each in (kind, _SECTIONS[section]))
    _refuse_unknown(f"{section}.", values, known)
    hints = get_type_hints(kind)
    chosen_here = {key: value for key, value in choices.items() if known.get(key) is usual[key]}
    own = {key: read_value(f"{section}.{key}", value, hints[key]) for key, value in values.items()}
    return kind(**chosen_here | own)


def _values(section: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    values = settings.get(section, {})
    if not isinstance(values, Mapping):
        named = section in _DEFAULT_NAMES and isinstance(values, str) and values
        hint = f"; did you mean {section}.name={shown(values)}?" if named else ""
        raise ConfigError(f"{section} must hold keys and values, got {shown(values)}{hint}")
    return _named_as_today(values) if section == "method" else dict(values)


def _named_as_today(method: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a method, of which older runs may have one under the name that it had then."""
    values = dict(method)
    if "unit" in values:
        unit = values.pop("unit")
        values.setdefault("mask_unit", "row" if unit == "channel" else unit)
    return values


def _refuse_unknown(prefix: str, settings: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for key in settings:
        if key not in known:
            within = [] if prefix else [name for name in _every_key(known) if name.endswith(f".{key}")]
            hint = f"; did you mean {' or '.join(within)}?" if within else ""
            hint = hint or did_you_mean(str(key), known, otherwise=f"known are {', '.join(known)}", prefix=prefix)
            raise ConfigError(f"{prefix}{shown(str(key))} is not a setting{hint}")


def _every_key(sections: Mapping[str, Any]) -> list[str]:
    kinds = ((section, kind) for section, kind in sections.items() if section not in SETTINGS)
    return [f"{section}.{item.name}" for section, kind in kinds for item in fields(kind)]


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Every setting of nested ones, with its sections before its name."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _untupled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _untupled(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
