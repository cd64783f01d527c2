"""What a config sets, next to what it would be if nobody had set it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, fields
from typing import Any

from vcl.config.run import RunConfig
from vcl.config.store import SETTINGS, flat, sections_of, to_dict
from vcl.errors import ConfigError


def every_setting(config: RunConfig) -> dict[str, Any]:
    """Every setting by its key, such as ``train.epochs``."""
    return dict(flat(to_dict(config)))


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
        defaults = dict(flat({**sections, **others}))
    return [
        (key, value, _listed(defaults[key]))
        for key, value in every_setting(config).items()
        if key in defaults and value != _listed(defaults[key])
    ]


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
