"""Options that say how many commands are started at once, and on what."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from vcl.errors import ConfigError

if TYPE_CHECKING:
    from vcl.launch.settings import LaunchSettings


def add_launch(parser: argparse.ArgumentParser) -> None:
    """Give a subcommand ``--launcher`` and ``--launch``, for ``launch_settings``."""
    parser.add_argument(
        "--launcher",
        metavar="NAME",
        help="what runs the cells, each a process of its own: local:N (N at once on this machine), slurm or ray; "
        "slurm:N and ray:N run at most N at once",
    )
    parser.add_argument(
        "--launch",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="how: jobs, cpus, gpus (fractions share a GPU), minutes, partition, cluster, retries, address; the same "
        "keys may stand in the file under launch. Settings stand before this option",
    )


def launch_settings(arguments: argparse.Namespace, section: Mapping[str, object]) -> LaunchSettings | None:
    """How to start commands, by the command line and a section of a file; None where neither says anything.

    Args:
        arguments: of a subcommand with ``add_launch``.
        section: of the file; the command line wins. Where it names another engine than the file, the file's settings
            are not those of that engine, and are left out.

    Raises:
        ConfigError: a setting is unknown, breaks its rule, or does not go with the engine.
    """
    from vcl.config.rules import Typed
    from vcl.launch.settings import read_engine, read_settings

    typed: dict[str, object] = {}
    for word in arguments.launch:
        key, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"--launch must hold words KEY=VALUE, got {word}")
        if "." in key or key == "track":
            raise ConfigError(f"--launch must stand behind the settings, got {word} behind it")
        typed[key] = Typed(value)
    if arguments.launcher is not None:
        named = read_engine(arguments.launcher)
        for key in named.keys() & typed.keys():
            raise ConfigError(
                f"--launcher {arguments.launcher} already says {key}, got {key}={typed[key]} behind --launch"
            )
        typed = {**typed, **named}
    if section.get("name", "local") != typed.get("name", section.get("name", "local")):
        section = {}
    values = {**section, **typed}
    return read_settings(values) if values else None
