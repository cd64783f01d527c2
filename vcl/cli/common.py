"""What subcommands share."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TypeAlias

from vcl.cli.streams import write_error, write_output

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""Where a subcommand is added."""


def add_config(parser: argparse.ArgumentParser) -> None:
    """Give a subcommand a config and settings that win over it."""
    parser.add_argument("config", type=Path, help="a YAML file, such as experiments/demo/pfnr.yaml")
    parser.add_argument("setting", nargs="*", help="key=value, such as train.epochs=20; wins over the file")


def tell(text: str) -> None:
    """Print what was asked for."""
    write_output(text + "\n")


def remark(text: str) -> None:
    """Print what the user should know beside it."""
    write_error(f"vcl: {text}\n")


def terminal_width() -> int:
    """Columns of the terminal that is printed to; 100 where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 100
