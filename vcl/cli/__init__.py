"""The ``vcl`` command. Each subcommand imports what it needs when it runs, so that help comes at once."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from vcl import __version__
from vcl.cli.bench import add_bench_command
from vcl.cli.common import remark
from vcl.cli.config import add_config_commands
from vcl.cli.data import add_data_commands
from vcl.cli.decode import add_decode_command
from vcl.cli.parser import Parser, parse
from vcl.cli.report import add_report_commands
from vcl.cli.run import add_run_commands
from vcl.cli.streams import prepare_streams, write_error, write_output
from vcl.errors import Interrupted, OutputClosedError, VclError
from vcl.memory import memory_explained


def main(words: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        words: the command line, without the program; default is the real one.

    Returns:
        Exit status: 0, 2 after an error that vcl raised on purpose, 130 when the user stopped it, 141 when nobody read
        its output any more.
    """
    # Threads that wait by spinning hold up every other process; it must be set before torch starts its threads.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # Large tensors on large pages: fewer page faults a step.
    prepare_streams()
    # Figures are written to files: no display is needed, and what a notebook left behind here could not be loaded.
    os.environ["MPLBACKEND"] = "agg"
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # Where it keeps its cache is no matter.
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("vcl").setLevel(logging.INFO)
    try:
        _run(words)
    except Interrupted as stop:
        remark(f"{stop}; the same command goes on from there")
        return 130
    except KeyboardInterrupt:
        remark("stopped")
        return 130
    except OutputClosedError:
        return 141  # As a program that the system ends for it: 128 and SIGPIPE.
    except VclError as error:
        remark(str(error))
        return 2
    finally:
        write_error("")
    return 0


def _run(words: Sequence[str] | None) -> None:
    arguments = argparse.Namespace()
    try:
        arguments = _parse(words)
        with memory_explained(), _plugins(arguments):
            arguments.do(arguments)
    except KeyboardInterrupt:
        if "goes_on" in arguments:
            raise Interrupted("stopped; what is saved is kept") from None
        raise
    finally:
        write_output("")  # Help, too, may meet a closed pipe or a full disk.


def _plugins(arguments: argparse.Namespace) -> AbstractContextManager[None]:
    """Make known what plugins register, to a subcommand that may name it."""
    if "plugin" not in arguments:
        return nullcontext()
    from vcl.config.plugins import plugins_loaded

    return plugins_loaded(arguments.plugin)


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    return parse(_parser(), words)


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = Parser(
        prog="vcl", description="Sequential neural video representation: many videos, one network, nothing forgotten."
    )
    parser.add_argument("--version", action="version", version=f"vcl {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    add_config_commands(commands)
    for add in (add_run_commands, add_report_commands, add_decode_command, add_data_commands, add_bench_command):
        add(commands)
    return parser
