"""What subcommands share."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from shlex import quote
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, TypeAlias

from vcl.atomic_file import atomic_file
from vcl.cli.parser import complete_setting
from vcl.cli.streams import write_error, write_output
from vcl.datasets.user_videos import is_video, run_settings
from vcl.errors import ConfigError, VclError
from vcl.user_path import user_path
from vcl.wording import did_you_mean

if TYPE_CHECKING:
    from vcl.config import RunConfig

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""Where a subcommand is added."""


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for a config and for settings that override it."""
    parser.add_argument("config", type=path_word, help="a YAML file, such as experiments/demo/pfnr.yaml")
    add_settings(parser, "key=value, such as train.epochs=20; overrides the file; vcl config lists every key")


def add_settings(parser: argparse.ArgumentParser, text: str) -> None:
    """Give a subcommand settings, and plugins that may be what they name."""
    add_plugins(parser)
    action = parser.add_argument("setting", nargs="*", default=[], help=text)
    action.completer = complete_setting  # type: ignore[attr-defined]


def add_plugins(parser: argparse.ArgumentParser) -> None:
    """Give a subcommand plugins, which ``vcl.cli.main`` loads."""
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        type=path_word,
        metavar="FILE",
        help="a Python file that registers a method, a backbone or a benchmark; may be given several times",
    )


def path_word(text: str) -> Path:
    """Read a path of the command line; expands ``~``, which a shell leaves alone in quotes and after ``=``.

    Raises:
        ConfigError: it is in the home folder of a user that does not exist.
    """
    return user_path(text, "a path")


def add_save(parser: argparse.ArgumentParser, text: str) -> None:
    """Give a subcommand ``--save``, for a ``keeper``."""
    parser.add_argument("--save", type=path_word, metavar="DIR", help=text)


def load_config(path: Path, settings: Sequence[str]) -> RunConfig:
    """Load a config file with settings that override it.

    Raises:
        ConfigError: the path is not a config file (the message says what it is); or as ``vcl.config.load``.
    """
    from vcl import config as configs

    check_yaml_path(path, "config")
    return configs.load(path, settings)


def check_yaml_path(path: Path, what: str) -> None:
    """Refuse a path that is not a YAML file, and suggest what may have been meant.

    Args:
        path: as typed.
        what: config or grid.

    Raises:
        ConfigError: it is a folder, a video or a Python file, or there is only a file with nearly this name.
    """
    from vcl.config.rules import shown

    kind = hint = ""
    with suppress(OSError, ValueError):  # A path that cannot be inspected is refused when it is read.
        if (path / "config.yaml").is_file():
            kind, hint = "a run folder", f"; its config is {path / 'config.yaml'}"
        elif path.is_dir() or is_video(path):
            kind = "a folder" if path.is_dir() else "a video"
            hint = f"; videos of your own go behind a config: vcl run experiments/demo/pfnr.yaml {run_settings(path)}"
            hint += " stream.frames=null"
        elif path.suffix == ".py" and path.is_file():
            kind, hint = "a Python file", f"; a plugin is given by --plugin {quote(str(path))}"
        elif not path.exists():
            hint = did_you_mean(str(path), [str(file) for file in path.parent.glob("*.y*ml")])
            kind = "no such file" if hint else ""
    if kind:
        raise ConfigError(f"{what} must be a YAML file, got {shown(str(path))}, {kind}{hint}")


def check_page_path(path: Path, option: str) -> None:
    """Refuse a path at which no page can be written, before any work is done for it.

    Raises:
        VclError: it does not end in .html, or its folder does not exist or cannot be written.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise VclError(f"{option} must name a file that ends in .html, got {path}")
    try:
        is_folder = path.is_dir()
        with TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise VclError(f"{option} must name a file that can be written, got {path} ({error.strerror})") from error
    if is_folder:
        raise VclError(f"{option} must name a file that can be written, got {path} (a folder)")


def keeper(folder: Path | None, name: str) -> Callable[[str, str], None]:
    """A way to keep a result as NAME.txt and NAME.json; that these can be written is seen to first.

    Args:
        folder: for both files, made if need be; None keeps nothing.
        name: of both, without a suffix.

    Returns:
        A function of the text and of the JSON.

    Raises:
        VclError: they cannot be written.
    """
    if folder is None:
        return lambda text, data: None
    paths = [folder / (name.replace("/", "-") + suffix) for suffix in (".txt", ".json")]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
        # One that is too long is refused by the file system here.
        taken = [path for path in paths if path.is_dir()]
    except OSError as error:
        raise VclError(f"--save must name a folder that can be written, got {folder} ({error.strerror})") from error
    if taken:
        raise VclError(f"--save must name a folder that can be written, got {folder} ({taken[0].name} is a folder)")

    def keep(text: str, data: str) -> None:
        for path, content in zip(paths, (text, data), strict=True):
            with atomic_file(path) as draft:
                draft.file.write(f"{content}\n".encode())

    return keep


def tell(text: str) -> None:
    """Print a result to standard output."""
    write_output(text + "\n")


def remark(text: str) -> None:
    """Print a remark to standard error, so that standard output holds results only."""
    write_error(f"vcl: {text}\n")


def terminal_width() -> int:
    """Columns of the terminal that standard output goes to; 100 where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 100


def refuse_ranks(command: str) -> None:
    """Refuse a launcher such as ``torchrun``, which starts several processes for one run, for any other command.

    Raises:
        VclError: there are several.
    """
    world_size = os.environ.get("WORLD_SIZE", "")
    if world_size.isdecimal() and int(world_size) > 1:
        raise VclError(
            f"{command} is one process, got WORLD_SIZE = {world_size}; start it without torchrun, which is for vcl run"
        )
