"""``vcl bench``."""

from __future__ import annotations

import argparse
import json

from vcl.cli.common import Commands, add_save, add_settings, keeper, load_config, path_word, tell
from vcl.errors import VclError
from vcl.profiling import BENCHMARKS, run_benchmark


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
    form = bench.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--csv", action="store_true", help="print CSV, for classical to be given to vcl compare")
    add_save(bench, "also keep the result there, as text and as JSON")
    bench.set_defaults(do=_bench)


def _bench(arguments: argparse.Namespace) -> None:
    if arguments.rounds is not None and arguments.rounds < 1:
        raise VclError(f"--rounds must be 1 or more, got {arguments.rounds}")
    if arguments.only and arguments.what != "classical":
        raise VclError(f"--only goes with classical, got {arguments.what}")
    config = load_config(arguments.config, arguments.setting)
    names = [
        arguments.what,
        arguments.config.parent.name,
        arguments.config.stem,
        *arguments.setting,
        *(arguments.only or ()),
    ]
    keep = keeper(arguments.save, "_".join(names))

    from vcl.device import keep_freed_memory

    keep_freed_memory()
    choices = {"only": arguments.only} if arguments.only else {}
    table = run_benchmark(arguments.what, config, arguments.rounds, **choices)
    text, data = table.to_text(), json.dumps(table.to_json(), indent=1)
    keep(text, data)
    tell(data if arguments.json else table.to_csv() if arguments.csv else text)
