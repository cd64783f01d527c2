"""``vcl bench``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from vcl.cli.common import Commands, add_save, add_settings, keeper, load_config, path_word, tell
from vcl.errors import VclError
from vcl.profiling import BENCHMARKS, run_benchmark

_OPTIONS = {"only": "classical", "ranks": "ranks", "flops": "ranks", "bandwidth": "ranks"}
"""Name of an option to the benchmark that takes it."""


def add_bench_command(commands: Commands) -> None:
    """Give ``vcl`` the subcommand that times it."""
    bench = commands.add_parser(
        "bench",
        help="measure what this machine makes of vcl",
        description="Measure what this machine makes of vcl: what is compared takes turns in one process, so ratios "
        "can be trusted where times cannot.",
        epilog="\n".join(f"{name:<10} {what}" for name, what in BENCHMARKS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    bench.add_argument("what", choices=tuple(BENCHMARKS), help="see below")
    bench.add_argument(
        "config", type=path_word, help="whose network, method and recipe, such as experiments/demo/pfnr.yaml"
    )
    add_settings(bench, "key=value; wins over the file")
    bench.add_argument(
        "--rounds",
        type=int,
        help="turns of each (default: 3 to 9); for sessions, how many (default: 50); for classical, CRFs (default: 8)",
    )
    bench.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help="of classical: leave out other encoders (libx264, libx265, libsvtav1) or other kinds of key frames "
        "(default, 'every second', all); may be given several times",
    )
    _add_options_of_ranks(bench)
    form = bench.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--csv", action="store_true", help="print CSV, for classical to be given to vcl compare")
    add_save(bench, "also keep the result there, as text and as JSON")
    bench.set_defaults(do=_bench)


def _add_options_of_ranks(bench: argparse.ArgumentParser) -> None:
    bench.add_argument(
        "--ranks",
        type=int,
        metavar="N",
        help="of ranks: how many at most (default: as many as there are CUDA devices, on a CPU 2)",
    )
    bench.add_argument(
        "--flops", type=float, help="of ranks: calculate with so many operations per second, not the measured ones"
    )
    bench.add_argument(
        "--bandwidth", type=float, help="of ranks: calculate with so many bytes per second, not the measured ones"
    )


def _choices(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the benchmark alone takes.

    Raises:
        VclError: another benchmark takes it.
    """
    choices = {name: value for name in _OPTIONS if (value := getattr(arguments, name)) is not None}
    for name in choices:
        if arguments.what != _OPTIONS[name]:
            raise VclError(f"--{name} goes with {_OPTIONS[name]}, got {arguments.what}")
    return choices


def _bench(arguments: argparse.Namespace) -> None:
    if arguments.rounds is not None and arguments.rounds < 1:
        raise VclError(f"--rounds must be 1 or more, got {arguments.rounds}")
    choices = _choices(arguments)
    config = load_config(arguments.config, arguments.setting)
    names = [
        arguments.what,
        arguments.config.parent.name,
        arguments.config.stem,
        *arguments.setting,
        *(arguments.only or ()),
        *(f"{name}={value:g}" for name, value in choices.items() if name != "only"),
    ]
    keep = keeper(arguments.save, "_".join(names))

    from vcl.device import keep_freed_memory

    keep_freed_memory()
    table = run_benchmark(arguments.what, config, arguments.rounds, **choices)
    text, data = table.to_text(), json.dumps(table.to_json(), indent=1)
    keep(text, data)
    tell(data if arguments.json else table.to_csv() if arguments.csv else text)
