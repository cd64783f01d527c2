"""What can be chosen by name: the methods, backbones and benchmarks of vcl, of plugins and of installed packages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import UserDict
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any, ClassVar, Generic, TypeVar, get_type_hints

from vcl.config.rules import type_in_words
from vcl.errors import ConfigError

Item = TypeVar("Item")
Config = TypeVar("Config")
Implementation = TypeVar("Implementation", bound=type)


class Registry(ABC, Generic[Item]):
    """Items of one kind by name. An installed package adds one by an entry point, which is loaded once it is looked up.

    Args:
        kind: singular; its plural names the group of entry points, such as ``vcl.methods``.
        known: items of vcl by name; those that are registered join them.
    """

    registrations: ClassVar[int] = 0
    """Times that anything was registered in this process."""

    def __init__(self, kind: str, known: Mapping[str, Item]) -> None:
        self.kind, self.group = kind, f"vcl.{kind}s"
        self.known = dict(known)

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def __contains__(self, name: object) -> bool:
        return name in self.known

    def installed(self, name: str | None = None) -> EntryPoints:
        """Entry points of installed packages, all or those of one name; nothing is imported."""
        return entry_points(group=self.group) if name is None else entry_points(group=self.group, name=name)

    def find(self, name: str) -> Item | None:
        """The item of a name, or None.

        Raises:
            ConfigError: an installed package has it, and it cannot be loaded.
        """
        for point in self.installed(name) if name not in self.known else ():
            try:
                self._load(point)
                if name not in self.known:
                    raise ConfigError("it has another name")
            except Exception as error:  # Whatever somebody else's module raises.
                where = f"the {self.kind} {name} of {point.value}"
                raise ConfigError(f"{where} cannot be loaded ({reason(error)})") from error
        return self.known.get(name)

    @abstractmethod
    def _load(self, point: EntryPoint) -> None:
        """Register what an entry point names."""

    def _add(self, name: str, item: Item, source: str, replaces: bool) -> None:
        """Add an item under a name of its own.

        Args:
            name: of the item.
            item: what ``find`` will give.
            source: says in messages where it comes from.
            replaces: whether it may take the place of the one that has its name.

        Raises:
            ConfigError: another item has the name.
        """
        if name in self.known and not replaces:
            raise ConfigError(f"the {self.kind} {name} of {source} must have a name of its own; there is one already")
        self.known[name] = item
        Registry.registrations += 1


class Implementations(UserDict[str, Any]):
    """Classes by name; one of vcl is written as ``module:Class`` and imported once it is looked up."""

    def __getitem__(self, name: str) -> Any:
        implementation = super().__getitem__(name)
        if isinstance(implementation, str):
            module, _, attribute = implementation.partition(":")
            implementation = self[name] = getattr(import_module(module), attribute)
        return implementation


class ClassRegistry(Registry[type[Config]]):
    """Dataclasses of settings by name, and beside each the class that it configures.

    Args:
        kind: as in ``Registry``.
        base: what all the dataclasses extend.
        built_in: dataclasses of vcl, each with the ``module:Class`` it configures. Only its name stands here, so that
            configs are read without torch and Avalanche.
    """

    def __init__(self, kind: str, base: type[Config], built_in: Mapping[type[Config], str]) -> None:
        names = {config: _default_name(config) for config in built_in}
        super().__init__(kind, {name: config for config, name in names.items()})
        self.base = base
        self.implementations = Implementations({names[config]: path for config, path in built_in.items()})

    def register(self, implementation: Implementation) -> Implementation:
        """Make a class known by its name, to configs and to runs; also a decorator.

        Args:
            implementation: its attribute ``config_class`` is the dataclass of its knobs, which is frozen, extends
                ``MethodConfig`` or ``BackboneConfig``, and has defaults for all knobs; that of ``name`` is its name.

        Returns:
            The class.

        Raises:
            ConfigError: it has no such dataclass, or another class has its name; a class that was defined anew, as by
                a notebook's cell, replaces the one before.
        """
        config = getattr(implementation, "config_class", None)
        # A dataclass by itself: one that only extends another has none of the fields of its own.
        is_own = isinstance(config, type) and "__dataclass_fields__" in vars(config)
        if not (is_own and isinstance(config, type) and is_dataclass(config) and issubclass(config, self.base)):
            rule = f"{implementation.__qualname__}.config_class must be a dataclass that extends {self.base.__name__}"
            raise ConfigError(f"{rule}, got {config}")
        _check_knobs(config)
        name = _default_name(config)
        replaces = _is_redefined(implementation, self.implementations.data.get(name))
        self._add(name, config, config.__qualname__, replaces)
        self.implementations[name] = implementation
        return implementation

    def _load(self, point: EntryPoint) -> None:
        self.register(point.load())


def reason(error: BaseException) -> str:
    """What somebody else's code raised, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _default_name(config: type[Any]) -> str:
    return next(str(knob.default) for knob in fields(config) if knob.name == "name")


def _check_knobs(config: type[Any]) -> None:
    """Refuse knobs without a default, or of a type that no setting has."""
    hints = get_type_hints(config)
    for knob in fields(config):
        try:
            type_in_words(hints[knob.name])
        except KeyError:
            rule = f"{config.__qualname__}.{knob.name} has a type that no setting has, {knob.type}"
            raise ConfigError(rule) from None
        if knob.default is MISSING:
            raise ConfigError(f"{config.__qualname__}.{knob.name} must have a default")


def _is_redefined(one: type, other: object) -> bool:
    """Whether both are one class, such as that of a notebook's cell that ran twice."""
    return isinstance(other, type) and (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)
