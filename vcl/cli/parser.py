"""argparse with hints, settings anywhere on the line and, where it is installed, completion by argcomplete."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from typing import Any

from vcl.errors import VclError
from vcl.wording import did_you_mean


class Parser(argparse.ArgumentParser):
    """Suggests what a mistyped choice may have meant."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = list(map(str, action.choices))
            hint = did_you_mean(str(value), choices, otherwise=f"choose from {', '.join(choices)}")
            raise argparse.ArgumentError(action, f"there is no {value!r}{hint}")


def parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line with settings anywhere, which argparse alone allows only before the first option.

    Raises:
        VclError: a setting is written as an option.
    """
    _complete(parser)
    arguments, rest = parser.parse_known_args(argv)
    for word in rest if hasattr(arguments, "setting") else ():
        if re.match(r"--?\w+\.\w+", word):
            key, _, value = word.lstrip("-").partition("=")
            raise VclError(f"settings are written without dashes, as {key}={value or 'VALUE'}, got {word}")
    if rest and (not hasattr(arguments, "setting") or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        arguments.setting = [*arguments.setting, *rest]
    return arguments


def _complete(parser: argparse.ArgumentParser) -> None:
    """Print completions and exit, where the shell asks for them."""
    if "_ARGCOMPLETE" in os.environ:
        try:
            import argcomplete
        except ImportError:
            return
        argcomplete.autocomplete(parser)


def complete_setting(prefix: str, **_: object) -> list[str]:
    """Settings that begin with a prefix, with ``=`` at their ends."""
    from dataclasses import fields

    from vcl.config.sections import SETTINGS, every_kind

    keys = {f"{section}.{knob.name}=" for section, _, kind in every_kind() for knob in fields(kind)}
    keys |= {f"{name}=" for name in SETTINGS}
    return sorted(key for key in keys if key.startswith(prefix))
