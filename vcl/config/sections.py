"""Sections of settings to the dataclasses that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_type_hints

from vcl.config.backbones import BACKBONES, BackboneConfig, NervConfig
from vcl.config.methods import METHODS, REFUSED
from vcl.config.methods.dense import FinetuneConfig
from vcl.config.recipes import FAST, chosen
from vcl.config.registry import ClassRegistry
from vcl.config.rules import read_value, require_one_of, shown
from vcl.config.run import MatrixConfig, RunConfig, WandbConfig
from vcl.config.stream import StreamConfig
from vcl.config.train import TrainConfig
from vcl.errors import ConfigError
from vcl.wording import did_you_mean

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

DEFAULT_NAMES = {"backbone": NervConfig.name, "method": FinetuneConfig.name}
"""Sections whose knobs depend on a name, and their default names."""


def sections_of(settings: Mapping[str, Any], recipe: str = FAST) -> dict[str, Any]:
    """The dataclass of each section, not yet checked against one another, and what is set outside of sections.

    Args:
        settings: by section and name.
        recipe: where ``settings`` name none.

    Raises:
        ConfigError: one line with the key, the rule and the value.
    """
    named = {
        section: kind_of(section, values_of(section, settings).get("name", default))
        for section, default in DEFAULT_NAMES.items()
    }
    kinds = {section: named.get(section, kind) for section, kind in _SECTIONS.items()}
    _refuse_unknown("", settings, {**kinds, **dict.fromkeys(SETTINGS)})
    train = {"recipe": recipe, **values_of("train", settings)}
    settings = {**settings, "train": train}
    recipe = read_value("train.recipe", train["recipe"], get_type_hints(TrainConfig)["recipe"])
    settings = {**settings, "backbone": _with_preset(named["backbone"], values_of("backbone", settings))}
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
    return {**untupled(kind.presets[preset]), **values}


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


def kind_of(section: str, value: object) -> type[Any]:
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
    values = values_of(section, settings)
    known, usual = ({item.name: item for item in fields(each)} for each in (kind, _SECTIONS[section]))
    _refuse_unknown(f"{section}.", values, known)
    hints = get_type_hints(kind)
    chosen_here = {key: value for key, value in choices.items() if known.get(key) is usual[key]}
    own = {key: read_value(f"{section}.{key}", value, hints[key]) for key, value in values.items()}
    return kind(**chosen_here | own)


def values_of(section: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """What settings hold for one section, under the names of today; raises ConfigError where that is no mapping."""
    values = settings.get(section, {})
    if not isinstance(values, Mapping):
        named = section in DEFAULT_NAMES and isinstance(values, str) and values
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


def untupled(value: Any) -> Any:
    """A value with lists in place of its tuples, as YAML and JSON have it."""
    if isinstance(value, dict):
        return {key: untupled(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
