"""Which settings tell configs apart: two of them from one another, and one from its defaults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from typing import Any

from vcl.config.run import RunConfig
from vcl.config.sections import SETTINGS, sections_of, untupled
from vcl.config.store import to_dict
from vcl.errors import ConfigError

_UNIDENTIFYING = (
    *("wandb", "track", "stream.cache", "stream.root"),
    *("train.recipe", "train.graph", "train.checkpoint_seconds"),
)
"""Settings that cannot change a result: two configs that differ in nothing else are the same run. The folder of the
videos is one of them, since a run knows its frames by their hash; and the recipe, since what it chose is a setting."""


def every_setting(config: RunConfig) -> dict[str, Any]:
    """Every setting by its key, such as ``train.epochs``, in the order of ``to_dict``."""
    return dict(_flat(to_dict(config)))


def identity(config: RunConfig) -> dict[str, Any]:
    """Those settings, as ``to_dict`` gives them, that can change a result: no folder of this machine is among them.

    ``from_dict`` reads them, with defaults for the others.
    """
    settings: dict[str, Any] = {}
    for key, value in every_setting(config).items():
        if not key.startswith(_UNIDENTIFYING):
            section, _, knob = key.partition(".")
            settings.setdefault(section, {})[knob] = value
    return settings


def first_difference(one: RunConfig, other: RunConfig) -> tuple[str, object, object] | None:
    """The first of ``every_setting`` that makes two configs different runs.

    Returns:
        Key, value in ``one``, value in ``other``; None where they are the same run.
    """
    ones, others = every_setting(one), every_setting(other)
    for key in {**ones, **others}:
        if not key.startswith(_UNIDENTIFYING) and ones.get(key) != others.get(key):
            return key, ones.get(key), others.get(key)
    return None


def differences(config: RunConfig) -> list[tuple[str, Any, Any]]:
    """The settings in which a config differs from the defaults of its method, its backbone and its recipe.

    Returns:
        Key, value and default of each. The names of method and backbone are their own defaults.
    """
    backbone = {"name": config.backbone.name, "preset": getattr(config.backbone, "preset", None)}
    named = {"train": {"recipe": config.train.recipe}, "method": {"name": config.method.name}, "backbone": backbone}
    defaults: dict[str, Any] = {}
    with suppress(ConfigError):  # A method or backbone that is not registered under its name has no known defaults.
        sections = {name: asdict(section) for name, section in sections_of(named).items()}
        others = {item.name: item.default for item in fields(RunConfig) if item.name in SETTINGS}
        defaults = dict(_flat(untupled({**sections, **others})))
    return [
        (key, value, defaults[key])
        for key, value in every_setting(config).items()
        if key in defaults and value != defaults[key]
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Every setting of nested ones, with its sections before its name."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
