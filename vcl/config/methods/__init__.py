"""The knobs of methods, and which method has which; how a method from outside is registered."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from importlib.metadata import EntryPoints, entry_points
from typing import Any, TypeVar, get_type_hints

from vcl.config.methods.base import MethodConfig
from vcl.config.methods.dense import (
    CumulativeConfig,
    EwcConfig,
    FinetuneConfig,
    JointConfig,
    MasConfig,
    SingleConfig,
    SingleMatchedConfig,
)
from vcl.config.methods.masked import (
    PacknetConfig,
    PfnrConfig,
    WsnConfig,
)
from vcl.config.methods.rehearsal import (
    AgemConfig,
    DerConfig,
    EsmerConfig,
    GemConfig,
    IcarlConfig,
    LwfConfig,
    ReplayConfig,
)
from vcl.config.rules import type_in_words
from vcl.errors import ConfigError

METHODS: dict[str, type[MethodConfig]] = {
    "pfnr": PfnrConfig,
    "wsn": WsnConfig,
    "packnet": PacknetConfig,
    "finetune": FinetuneConfig,
    "single": SingleConfig,
    "single_matched": SingleMatchedConfig,
    "joint": JointConfig,
    "cumulative": CumulativeConfig,
    "ewc": EwcConfig,
    "mas": MasConfig,
    "lwf": LwfConfig,
    "replay": ReplayConfig,
    "der": DerConfig,
    "icarl": IcarlConfig,
    "esmer": EsmerConfig,
    "agem": AgemConfig,
    "gem": GemConfig,
}
"""Name to knobs; the methods themselves stand in ``vcl.sessions.methods``."""

REFUSED = {
    "si": "Avalanche's synaptic intelligence does nothing on a CPU: its importances stay 0",
    "gdumb": "it keeps its buffer balanced over classes, which frames do not have",
    "generative_replay": "it needs a generator and a classifier; lwf replays what the network itself generates",
}
"""Methods that one would look for, and why there is none."""

REGISTERED: dict[str, Any] = {}
"""Strategies of methods from outside the package, by name."""

ENTRY_POINTS = "vcl.methods"
"""The group in which an installed package names its methods: ``name = package.module:Strategy``."""

Strategy = TypeVar("Strategy", bound=type)


def register_method(strategy: Strategy) -> Strategy:
    """Make a method known by its name, to configs and to training; also a decorator.

    Args:
        strategy: a ``VideoStrategy`` whose attribute ``config_class`` is the dataclass of the method's knobs: a
            frozen ``MethodConfig`` whose knobs all have defaults, ``name`` that of the method.

    Returns:
        The strategy.

    Raises:
        ConfigError: it has no such dataclass, or another method has its name; a class that was defined anew replaces
            the one before.
    """
    kind = getattr(strategy, "config_class", None)
    if not (isinstance(kind, type) and is_dataclass(kind) and issubclass(kind, MethodConfig)):
        raise ConfigError(f"{strategy.__qualname__}.config_class must be a dataclass of a MethodConfig, got {kind}")
    hints, knobs = get_type_hints(kind), {knob.name: knob for knob in fields(kind)}
    for knob in knobs.values():
        try:
            type_in_words(hints[knob.name])
        except KeyError:
            raise ConfigError(f"{kind.__qualname__}.{knob.name} has a type that no setting has, {knob.type}") from None
        if knob.default is MISSING:
            raise ConfigError(f"{kind.__qualname__}.{knob.name} must have a default")
    name = str(knobs["name"].default)
    if name in METHODS and not _is_redefined(strategy, REGISTERED.get(name)):
        raise ConfigError(f"the method {name} of {kind.__qualname__} must have a name of its own; there is one already")
    METHODS[name] = kind
    REGISTERED[name] = strategy
    return strategy


def _is_redefined(strategy: type, registered: type | None) -> bool:
    """Whether both are one class, such as that of a notebook's cell that ran twice."""
    if registered is None:
        return False
    return (strategy.__module__, strategy.__qualname__) == (registered.__module__, registered.__qualname__)


def installed_methods(name: str | None = None) -> EntryPoints:
    """Entry points of methods in installed packages, of all or of one name; nothing is imported."""
    return entry_points(group=ENTRY_POINTS) if name is None else entry_points(group=ENTRY_POINTS, name=name)


def find_method(name: str) -> type[MethodConfig] | None:
    """The knobs of a method: of vcl, registered by a program, or the entry point of an installed package.

    Raises:
        ConfigError: the package's method cannot be loaded.
    """
    for point in installed_methods(name) if name not in METHODS else ():
        try:
            strategy = register_method(point.load())
            if name not in METHODS:
                raise ConfigError(f"{strategy.config_class.__qualname__} has another name")
        except Exception as error:  # Whatever somebody else's module raises.
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise ConfigError(f"the method {name} of {point.value} cannot be loaded ({reason})") from error
    return METHODS.get(name)


__all__ = ["ENTRY_POINTS", "METHODS", "REFUSED", "REGISTERED", "find_method", "installed_methods", "register_method"]
