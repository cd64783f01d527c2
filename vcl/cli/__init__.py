"""The ``vcl`` command. A subcommand imports what it needs when it runs, so that help is printed at once."""

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
from vcl.cli.library import add_library_commands
from vcl.cli.parser import Parser, parse
from vcl.cli.report import add_report_commands
from vcl.cli.run import add_run_commands
from vcl.cli.stats import add_stats_command
from vcl.cli.streams import prepare_streams, write_error, write_output
from vcl.cli.tune import add_tune_command
from vcl.errors import Interrupted, OutputClosedError, VclError
from vcl.memory import memory_explained


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        argv: the words of the command line after ``vcl``; by default those of this process.

    Returns:
        Exit status: 0, 2 after an error that vcl raised on purpose, 130 after Ctrl-C, 141 when the reader of its output
        is gone.
    """
    # Threads that wait by spinning slow down every other process; it must be set before torch starts its threads.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # Large tensors on large pages: fewer page faults per step.
    prepare_streams()
    # Figures are written to files and need no display; a notebook's backend, inherited from it, would not load here.
    os.environ["MPLBACKEND"] = "agg"
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # It warns about the folder of its cache.
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("vcl").setLevel(logging.INFO)
    try:
        _run(argv)
    except Interrupted as stop:
        remark(f"{stop}; the same command resumes it")
        return 130
    except KeyboardInterrupt:
        remark("stopped")
        return 130
    except OutputClosedError:
        return 141  # 128 + SIGPIPE, as of a program that the signal ends.
    except VclError as error:
        remark(str(error))
        return 2
    finally:
        write_error("")
    return 0


def _run(argv: Sequence[str] | None) -> None:
    arguments = argparse.Namespace()
    try:
        arguments = _parse(argv)
        with memory_explained(), _plugins(arguments):
            arguments.do(arguments)
    except KeyboardInterrupt:
        if "goes_on" in arguments:
            raise Interrupted("stopped, and progress is saved") from None
        raise
    finally:
        write_output("")  # A closed pipe or a full disk may also show when help is printed.


def _plugins(arguments: argparse.Namespace) -> AbstractContextManager[None]:
    """Plugins are loaded while a subcommand runs that has the option."""
    if not hasattr(arguments, "plugin"):
        return nullcontext()
    from vcl.config.plugins import plugins_loaded

    return plugins_loaded(arguments.plugin)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    return parse(_parser(), argv)


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = Parser(
        prog="vcl", description="Sequential neural video representation: many videos, one network, nothing forgotten."
    )
    parser.add_argument("--version", action="version", version=f"vcl {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    add_config_commands(commands)
    add_run_commands(commands)
    add_tune_command(commands)
    add_library_commands(commands)
    for add in (add_report_commands, add_stats_command, add_decode_command, add_data_commands, add_bench_command):
        add(commands)
    return parser
