"""``vcl config`` and ``vcl list``: settings, and the names that can be chosen."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcl.cli.common import Commands, add_plugins, add_settings, load_config, path_word, tell
from vcl.errors import VclError
from vcl.wording import did_you_mean

if TYPE_CHECKING:
    from vcl.config.registry import ClassRegistry, Registry


def add_config_commands(commands: Commands) -> None:
    """Add the subcommands that show settings and names."""
    config = commands.add_parser(
        "config",
        help="list every setting with its type, default and meaning, or print a whole config",
        description="List every setting with its type, default and meaning. With a YAML file, print the config that "
        "it and the settings give, defaults included.",
        epilog="Examples: vcl config train    vcl config pfnr    vcl config experiments/demo/pfnr.yaml train.epochs=20",
    )
    config.add_argument(
        "what", nargs="?", metavar="WHAT", help="a section, a method, a backbone or a YAML file (default: everything)"
    )
    add_settings(config, "with a YAML file: key=value, which overrides the file")
    config.set_defaults(do=_config)

    listing = commands.add_parser("list", help="list methods, backbones, benchmarks, losses or recipes")
    listing.add_argument("table", choices=tuple(_TABLES), help="what to list")
    add_plugins(listing)
    listing.set_defaults(do=_list)


def _config(arguments: argparse.Namespace) -> None:
    what, path = arguments.what, path_word(arguments.what or "")
    if what is not None and (path.suffix in (".yaml", ".yml") or _is_file(path)):
        from vcl import config as configs

        tell(configs.to_yaml(load_config(path, arguments.setting)).rstrip())
        return
    if arguments.setting:
        raise VclError(f"settings go with a YAML file, got {what} {' '.join(arguments.setting)}")
    tell("\n\n".join(_section(*row) for row in _chosen(what)))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # Such as a name that is too long.
        return False


def _chosen(what: str | None) -> list[tuple[str, str, type[Any]]]:
    """Section, heading and dataclass of a section, a method, a backbone or a setting of no section; None: of all."""
    from vcl.config import RunConfig
    from vcl.config.sections import SETTINGS, every_kind, installed_kinds

    known: list[tuple[str, str, type[Any]]] = [*every_kind(), *(("", name, RunConfig) for name in SETTINGS)]
    if what is None:
        return known
    chosen = [row for row in known if what in row[:2]] or installed_kinds(what)
    if not chosen:
        names = list(dict.fromkeys(name for row in known for name in row[:2] if name))
        raise VclError(f"WHAT must be a YAML file or one of {', '.join(names)}, got {what}{did_you_mean(what, names)}")
    return chosen


def _section(section: str, name: str, kind: type[Any]) -> str:
    from vcl.config.listing import knobs_of, summary_of
    from vcl.config.recipes import CHOICES

    choices = {choice.key: choice for choice in CHOICES}
    heading = section if name == section else f"{section} {name}".lstrip()
    lines = [f"{heading}: {summary_of(kind)}" if section else f"{heading}: a setting of no section."]
    for knob in knobs_of(kind, None if section else [name]):
        key = f"{section}.{knob.name}".lstrip(".")
        lines.append(f"  {key}={knob.default}  ({knob.kind})")
        meanings = [knob.meaning]
        if (choice := choices.get(key)) is not None:
            meanings.append(choice.in_words())
        for meaning in meanings:
            lines += textwrap.wrap(meaning, 100, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines)


def _list(arguments: argparse.Namespace) -> None:
    table = _TABLES[arguments.table]()
    width = max(map(len, table))
    tell("\n".join(f"{name:<{width}}  {about}".rstrip() for name, about in table.items()))


def _methods() -> dict[str, str]:
    from vcl.config.methods import METHODS

    return _classes(METHODS)


def _backbones() -> dict[str, str]:
    from vcl.config.backbones import BACKBONES

    return _classes(BACKBONES)


def _classes(registry: ClassRegistry[Any]) -> dict[str, str]:
    from vcl.config.listing import summary_of

    return _installed(registry) | {name: summary_of(kind) for name, kind in registry.known.items()}


def _installed(registry: Registry[Any]) -> dict[str, str]:
    """Where each item of installed packages comes from; nothing is imported."""
    return {point.name: f"(installed: {point.value})" for point in registry.installed()}


def _benchmarks() -> dict[str, str]:
    from vcl.config.benchmarks import BENCHMARKS
    from vcl.datasets.resolve import benchmark_names, manifest_of

    return _installed(BENCHMARKS) | {name: manifest_of(name).about for name in benchmark_names()}


def _losses() -> dict[str, str]:
    from vcl.config.train import LOSSES

    return LOSSES


def _recipes() -> dict[str, str]:
    from vcl.config.recipes import CHOICES, FAST, PAPER

    return {recipe: " ".join(choice.as_typed(recipe) for choice in CHOICES) for recipe in (FAST, PAPER)}


_TABLES = {
    "methods": _methods,
    "backbones": _backbones,
    "benchmarks": _benchmarks,
    "losses": _losses,
    "recipes": _recipes,
}
