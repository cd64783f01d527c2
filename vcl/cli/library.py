"""``vcl compile``, ``append``, ``export``, ``info`` and ``verify``."""

from __future__ import annotations

import argparse
import json
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from vcl.cli.common import Commands, add_plugins, add_settings, check_yaml_path, path_word, refuse_ranks, tell
from vcl.cli.run import append_to_run
from vcl.errors import VclError
from vcl.presets import QUALITIES
from vcl.wording import printable

if TYPE_CHECKING:
    from vcl.codec.library import Library
    from vcl.rundir import Listener

log = logging.getLogger(__name__)

_SETTING = re.compile(r"[A-Za-z_]\w*(\.\w+)*=")


def add_library_commands(commands: Commands) -> None:
    """Add the subcommands that make, extend and look at libraries."""
    _add_compile(commands)
    _add_append(commands)
    _add_export(commands)
    _add_info(commands)
    _add_verify(commands)


def _add_compile(commands: Commands) -> None:
    presets = "; ".join(f"{name}: {quality.in_words()}" for name, quality in QUALITIES.items())
    parser = commands.add_parser(
        "compile",
        help="make one file of many videos, a library, from which any frame decodes",
        description="Train one network on videos, one after the other, and write it as a library: one file from which "
        "any frame of any video decodes. Videos may differ in size, length and rate; the largest gives the network its "
        "size. A compilation that was stopped, however it was stopped, goes on when the same command is given.",
        epilog="Example: vcl compile dog.mp4 cat.mp4 -o pets.vcl --quality high. 'vcl config' lists every setting.",
    )
    parser.add_argument("first", metavar="VIDEO", help="a video file, or a folder of frames; as many as you like")
    add_settings(parser, "more videos; a config, which ends in .yaml; and settings, such as train.epochs=20")
    parser.add_argument("-o", "--out", required=True, type=path_word, metavar="LIBRARY", help="the file to write")
    parser.add_argument(
        "--quality",
        choices=QUALITIES,
        default="medium",
        help=f"what neither the config nor a setting sets, for frames of 180 x 320; widths grow with the fourth root "
        f"of the pixels (default: medium). {presets}",
    )
    _add_training(parser)
    parser.set_defaults(do=_compile, goes_on=True)


def _add_append(commands: Commands) -> None:
    parser = commands.add_parser(
        "append",
        help="train a library or a finished run on more videos, as its next sessions",
        description="Train a library, or a finished run, on more videos, as its next sessions. The videos before keep "
        "every bit. An appending that was stopped, however it was stopped, goes on when the same command is given.",
        epilog="Examples: vcl append pets.vcl bird.mp4; vcl append runs/first holiday.mp4",
    )
    parser.add_argument("run", type=path_word, metavar="LIBRARY|RUN", help="a library file or a run folder")
    parser.add_argument(
        "first",
        metavar="VIDEO",
        help="a video file, or a folder of frames; for a run also the name of a video in its benchmark",
    )
    add_settings(
        parser,
        "more videos; and for a library settings of these videos, such as train.epochs=20, for a run those that change "
        "no result, such as stream.root=DIR where its videos have moved",
    )
    _add_training(parser)
    parser.set_defaults(do=_append, goes_on=True)


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--target-bpp",
        type=float,
        metavar="X",
        help="bits per pixel over these videos: a new library's widths follow from an estimate, unless they are set, "
        "and each session's bits (4 to 8 a weight) from its code lengths. A miss by more than 5 %% is explained",
    )
    parser.add_argument(
        "--target-psnr",
        type=float,
        metavar="DB",
        help="of each of these videos: one that falls short is trained anew with twice the passes, up to three times. "
        "A miss is explained",
    )
    parser.add_argument(
        "--no-strict",
        dest="strict",
        action="store_false",
        help="leave out of a library the hashes of its frames, which take two more decodings, and with them "
        "vcl decode --strict",
    )
    parser.add_argument("--quiet", action="store_true", help="print no progress, and no table at the end")


def _add_export(commands: Commands) -> None:
    parser = commands.add_parser(
        "export",
        help="write what a run has learned as a library",
        description="Write what a run has learned as a library, whose every frame is that of the run.",
        epilog="Example: vcl export runs/first -o first.vcl",
    )
    parser.add_argument("run", type=path_word, metavar="RUN", help="a run folder")
    parser.add_argument("-o", "--out", required=True, type=path_word, metavar="LIBRARY", help="the file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    parser.add_argument("--no-strict", dest="strict", action="store_false", help="as of vcl compile")
    add_plugins(parser)
    parser.set_defaults(do=_export)


def _add_info(commands: Commands) -> None:
    parser = commands.add_parser(
        "info",
        help="show what a library holds, and what it costs",
        description="Show of each video of a library its size, length, rate and quality, and its bytes: those of "
        "masks, of weights, and of all else. 'bpp' are bits per pixel of the video; 'so far' counts all bytes and all "
        "pixels up to it.",
        epilog="Example: vcl info pets.vcl --json",
    )
    parser.add_argument("library", type=path_word, metavar="LIBRARY", help="a library file")
    parser.add_argument("--json", action="store_true", help="print JSON, by layer too")
    add_plugins(parser)
    parser.set_defaults(do=_info)


def _add_verify(commands: Commands) -> None:
    parser = commands.add_parser(
        "verify",
        help="check every byte of a library",
        description="Check every byte of a library, and the numbers that decode each video against the hash that was "
        "taken when they were sealed.",
        epilog="Example: vcl verify pets.vcl --frames",
    )
    parser.add_argument("library", type=path_word, metavar="LIBRARY", help="a library file")
    parser.add_argument("--frames", action="store_true", help="also decode every frame, and compare it with its hash")
    add_plugins(parser)
    parser.set_defaults(do=_verify)


def _compile(arguments: argparse.Namespace) -> None:
    refuse_ranks("vcl compile")
    videos, configs, settings = _sorted_words([arguments.first, *arguments.setting])
    if len(configs) > 1:
        raise VclError(f"a library has one config, got {' and '.join(map(str, configs))}")
    for path in configs:
        check_yaml_path(path, "config")
    if not videos:
        raise VclError("vcl compile needs a video, got none")
    log.info("compiling %s into %s", ", ".join(map(str, videos)), arguments.out)  # Before torch is loaded.

    from vcl.compile import compile_videos
    from vcl.compile.settings import config_for
    from vcl.compile.targets import Target

    target = Target(arguments.target_bpp, arguments.target_psnr)
    config = config_for(videos, next(iter(configs), None), settings, arguments.quality, target)
    height, width = config.stream.size
    log.info("%s, frames of %d x %d, train.epochs=%d", config.method.name, width, height, config.train.epochs)
    strict, out = arguments.strict, arguments.out
    _watched(arguments, lambda listeners: compile_videos(videos, out, config, listeners, strict, target))


def _append(arguments: argparse.Namespace) -> None:
    refuse_ranks("vcl append")
    words = [arguments.first, *arguments.setting]
    if arguments.run.suffix == ".vcl" and not arguments.run.exists():
        raise VclError(f"{arguments.run} does not exist; vcl compile makes a library")
    if not arguments.run.is_file():
        _refuse_library_options(arguments)
        append_to_run(arguments, *_one_video(arguments.run, words))
        return
    videos, configs, settings = _sorted_words(words)
    if configs:
        raise VclError(f"a library has its config in it, got {configs[0]} too")
    if not videos:
        raise VclError("vcl append needs a video, got none")
    log.info("appending %s to %s", ", ".join(map(str, videos)), arguments.run)

    from vcl.compile import append_videos
    from vcl.compile.targets import Target

    target, strict = Target(arguments.target_bpp, arguments.target_psnr), arguments.strict
    _watched(arguments, lambda listeners: append_videos(arguments.run, videos, settings, listeners, strict, target))


def _refuse_library_options(arguments: argparse.Namespace) -> None:
    """Refuse for a run folder what only a library has."""
    for option, is_given in (
        ("--target-bpp", arguments.target_bpp is not None),
        ("--target-psnr", arguments.target_psnr is not None),
        ("--no-strict", not arguments.strict),
    ):
        if is_given:
            raise VclError(f"{option} is for libraries, and {arguments.run} is none")


def _export(arguments: argparse.Namespace) -> None:
    from vcl.export import export
    from vcl.listeners.progress import counting

    with counting() as progress:
        export(arguments.run, arguments.out, arguments.strict, arguments.overwrite, progress)
    _tell_library(arguments.out)


def _info(arguments: argparse.Namespace) -> None:
    from vcl.codec.library import Library
    from vcl.report.library import library_data, library_text

    library = Library.open(arguments.library)
    tell(json.dumps(library_data(library), indent=1) if arguments.json else library_text(library))


def _verify(arguments: argparse.Namespace) -> None:
    from vcl.codec.library import Library
    from vcl.listeners.progress import counting

    library = Library.open(arguments.library)
    with counting() as progress:
        library.verify(arguments.frames, progress)
    what = "every byte and every number"
    if arguments.frames and len(library.not_strict) == len(library.videos):
        what += " (it holds no hashes of frames)"
    elif arguments.frames:
        without = ", ".join(map(printable, library.not_strict))
        what += " and every frame" + (f" (but for {without}, without hashes of frames)" if without else "")
    tell(f"{arguments.library}: {what} is as it was written")


def _watched(arguments: argparse.Namespace, train: Callable[[Sequence[Listener]], Library]) -> None:
    """Train with a progress bar, and show what the library then holds."""
    from vcl.device import keep_freed_memory
    from vcl.listeners.progress import Progress

    keep_freed_memory()
    if arguments.quiet:
        logging.getLogger("vcl").setLevel(logging.WARNING)
    with Progress(quiet=arguments.quiet) as progress:
        library = train([progress])
    if not arguments.quiet:
        _tell_library(library.path)


def _tell_library(path: Path) -> None:
    from vcl.codec.library import Library
    from vcl.report.library import library_text

    tell(library_text(Library.open(path)))
    word = quote(str(path))
    tell(f"Library: {path}   Videos: vcl decode {word} -o decoded   Check: vcl verify {word}")


def _sorted_words(words: Sequence[str]) -> tuple[list[Path], list[Path], list[str]]:
    """Videos, configs and settings; a path with ``=`` in it begins with ``./``."""
    settings = [word for word in words if _SETTING.match(word)]
    paths = [path_word(word) for word in words if not _SETTING.match(word)]
    configs = [path for path in paths if path.suffix.lower() in (".yaml", ".yml")]
    return [path for path in paths if path not in configs], configs, settings


def _one_video(run: Path, words: Sequence[str]) -> tuple[str, list[str]]:
    """The one video, and the settings, of an appending to a run folder."""
    settings = [word for word in words if _SETTING.match(word)]
    videos = [word for word in words if not _SETTING.match(word)]
    if len(videos) != 1:
        raise VclError(f"{run} is a run folder, which takes one video at a time, got {len(videos)}")
    return videos[0], settings
