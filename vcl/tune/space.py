"""The knobs of a search: ranges of numbers, and lists of choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from types import NoneType
from typing import Any, TypeAlias, get_args, get_type_hints

from vcl.config import RunConfig
from vcl.config.rules import Typed, in_full, read_value, require, shown, type_in_words
from vcl.config.sections import DEFAULT_NAMES, kind_of
from vcl.errors import ConfigError
from vcl.wording import did_you_mean
from vcl.yaml_text import is_null

Kinds: TypeAlias = "Mapping[str, tuple[type[Any], ...]]"
"""Sections to the dataclasses that a drawn config may have there."""

_IN_RANGE = ("low", "high", "step", "log")


@dataclass(frozen=True)
class Range:
    """Numbers between two ends, both included.

    Args:
        key: of the knob, such as ``train.lr``.
        low: the lower end.
        high: the upper end, above ``low``; with a step, a whole number of steps above it.
        step: between two neighbours, above 0; None for all numbers, or all whole ones.
        log: whether equal ratios are equally likely; then ``low`` is above 0 and ``step`` None.
        whole: whether only whole numbers are drawn.
    """

    key: str
    low: float
    high: float
    step: float | None
    log: bool
    whole: bool

    def to_json(self) -> dict[str, Any]:
        """What is searched, to be compared with another search's."""
        return {"low": self.low, "high": self.high, "step": self.step, "log": self.log}


@dataclass(frozen=True)
class Choices:
    """Values of any type.

    Args:
        key: of the knob, such as ``method.capacity``.
        words: the values as they would be typed on the command line, no two of them equal.
    """

    key: str
    words: tuple[str, ...]

    def to_json(self) -> list[str]:
        """What is searched, to be compared with another search's."""
        return list(self.words)


Knob: TypeAlias = "Range | Choices"


def read_space(where: str, values: Mapping[str, Any], config: RunConfig) -> tuple[Knob, ...]:
    """Read the knobs of a search.

    Args:
        where: names the file and the section in messages.
        values: by key, ``{low, high, step, log}`` or a list of values, as ``read_yaml`` gives them.
        config: that the drawn values change.

    Returns:
        In the order of the file, but for names of methods and backbones, which come first: other knobs depend on them.

    Raises:
        ConfigError: a key that no drawn config has, a value of the wrong type, or a range with nothing in it.
    """
    names = [f"{section}.name" for section in DEFAULT_NAMES if f"{section}.name" in values]
    knobs = [_knob(f"{where}.{key}", key, values[key], str) for key in names]
    for knob in knobs:
        if isinstance(knob, Choices):
            for word in knob.words:
                kind_of(knob.key.partition(".")[0], word)
    kinds = _kinds(config, knobs)
    others = [key for key in values if key not in names]
    return (*knobs, *(_knob(f"{where}.{key}", key, values[key], _type_of(where, key, kinds)) for key in others))


def has_knob(section: str, name: str, knob: str) -> bool:
    """Whether a method or backbone has a knob."""
    return knob in {item.name for item in fields(kind_of(section, name))}


def _kinds(config: RunConfig, names: list[Knob]) -> Kinds:
    drawn = {knob.key.partition(".")[0]: knob.words for knob in names if isinstance(knob, Choices)}
    sections = {section.name: getattr(config, section.name) for section in fields(RunConfig)}
    return {
        name: tuple(kind_of(name, word) for word in drawn[name]) if name in drawn else (type(section),)
        for name, section in sections.items()
        if not isinstance(section, tuple)  # Such as what tracks a run, which stands in no section.
    }


def _type_of(where: str, key: str, kinds: Kinds) -> Any:
    section, _, name = key.partition(".")
    for kind in kinds.get(section, ()):
        if name in {item.name for item in fields(kind)}:
            return get_type_hints(kind)[name]
    known = [f"{section}.{item.name}" for section, each in kinds.items() for kind in each for item in fields(kind)]
    hint = did_you_mean(key, known, otherwise="vcl config lists them")
    raise ConfigError(f"{where} must hold settings of its config, got {shown(key)}{hint}")


def _knob(where: str, key: str, value: object, hint: Any) -> Knob:
    if isinstance(value, dict):
        return _range(where, key, value, hint)
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{where} must be a list of values, or low and high of a range, got {shown(value)}")
    words = tuple(_word(where, item, hint) for item in value)
    twice = [word for number, word in enumerate(words) if word in words[:number]]
    require(not twice, where, "have no value twice", twice[0] if twice else "")
    return Choices(key, words)


def _word(where: str, value: object, hint: Any) -> str:
    """A choice as it would be typed."""
    setting = read_value(where, value, hint)
    word = "null" if is_null(value) else in_full(value)
    require(read_value(where, Typed(word), hint) == setting, where, "hold what a command line can say", value)
    return word


def _range(where: str, key: str, values: Mapping[str, Any], hint: Any) -> Range:
    kind = next((kind for kind in (int, float) if kind in (hint, *_without_none(hint))), None)
    if kind is None:
        raise ConfigError(f"{where} must be a list of values, as it is {type_in_words(hint)}, got {shown(values)}")
    extra = [name for name in values if name not in _IN_RANGE]
    if extra or not {"low", "high"} <= values.keys():
        raise ConfigError(f"{where} must hold low and high, and step or log if need be, got {shown(values)}")
    low, high = (read_value(f"{where}.{name}", values[name], kind) for name in ("low", "high"))
    step = read_value(f"{where}.step", values["step"], kind) if "step" in values else None
    log = read_value(f"{where}.log", values.get("log", False), bool)
    require(low < high, where, "have low below high", values)
    require(not log or low > 0, where, "have low above 0, as log is true", values)
    require(step is None or not log, where, "have no step, as log is true", values)
    if step is not None:
        require(0 < step <= high - low, where, "have a step above 0, and at most high - low", values)
        steps = (Decimal(str(high)) - Decimal(str(low))) // Decimal(str(step))
        high = kind(Decimal(str(low)) + steps * Decimal(str(step)))
    return Range(key, low, high, step, log, kind is int)


def _without_none(hint: Any) -> tuple[Any, ...]:
    options = get_args(hint)
    return tuple(option for option in options if option is not NoneType) if NoneType in options else ()
