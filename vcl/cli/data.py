"""``vcl data``: list benchmarks, prepare their videos for experiments, verify what was prepared."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from vcl.cli.common import Commands, add_plugins, path_word, tell
from vcl.datasets.user_videos import setting_text
from vcl.errors import VclError

if TYPE_CHECKING:
    from vcl.datasets.manifest import Manifest
    from vcl.video.transform import Transform

_PRESETS = ("pfnr720", "hnerv960", "hnerv480", "bunny640")


def add_data_commands(vcl: Commands) -> None:
    """Add ``vcl data`` and its subcommands ``list``, ``prepare`` and ``verify``."""
    data = vcl.add_parser("data", help="list benchmarks, prepare downloads, verify what was prepared")
    commands = data.add_subparsers(required=True, metavar="command")

    listing = commands.add_parser("list", help="list the benchmarks, or the videos of one")
    listing.add_argument("benchmark", nargs="?", help="a name, or the path of a manifest")
    add_plugins(listing)
    listing.set_defaults(do=_list)

    prepare = commands.add_parser(
        "prepare",
        help="bring downloaded videos to one size, ready for experiments",
        description="Look at all videos of a benchmark, then bring each to one size. Videos that are prepared already "
        "are skipped when the command is repeated. Sources may be 7z archives of raw video, raw .yuv and .y4m files, "
        "compressed videos (MP4, MOV, MKV, WebM, AVI, MPEG-TS, MPEG-PS, FLV, Ogg, H.264 and HEVC), and folders of PNG "
        "or JPEG images, in any mixture. Frames are turned upright; files that are not read are named.",
        epilog="Example: vcl data prepare uvg17 --source Downloads --out prepared/uvg17 --preset pfnr720",
    )
    prepare.add_argument("benchmark", help="a name that vcl data list shows, or the path of a manifest")
    prepare.add_argument("--source", type=path_word, required=True, metavar="DIR", help="the downloads")
    prepare.add_argument("--out", type=path_word, required=True, metavar="DIR", help="the prepared folder")
    size = prepare.add_mutually_exclusive_group()
    size.add_argument("--preset", choices=_PRESETS, default="pfnr720", help="size in the literature (default: pfnr720)")
    size.add_argument("--size", metavar="HxW", help="another height and width, such as 180x320")
    prepare.add_argument("--videos", nargs="+", default=(), metavar="NAME", help="only these (default: all)")
    prepare.add_argument("--frames", type=int, metavar="N", help="at most the first N frames (default: all)")
    prepare.add_argument("--stride", type=int, default=1, metavar="K", help="every K-th frame (default: every one)")
    prepare.add_argument("--as-found", action="store_true", help="accept other sizes and frame counts than published")
    add_plugins(prepare)
    prepare.set_defaults(do=_prepare, goes_on=True)

    verify = commands.add_parser("verify", help="read a prepared folder again and compare it with its record")
    verify.add_argument("folder", type=path_word, help="a prepared folder")
    verify.set_defaults(do=_verify)


def _list(arguments: argparse.Namespace) -> None:
    from vcl.datasets.resolve import benchmark_names, manifest_of

    if arguments.benchmark is not None:
        _print_videos(manifest_of(arguments.benchmark))
        return
    manifests = [manifest_of(name) for name in benchmark_names()]
    _print_table(
        ("benchmark", "videos", "frames", "about"),
        [(m.name, str(len(m.videos)) if m.videos else "any", _frame_total(m), m.about) for m in manifests],
    )


def _frame_total(manifest: Manifest) -> str:
    """Frames of all videos of a benchmark, as far as its manifest states them."""
    counts = [entry.frames for entry in manifest.videos]
    known = [count for count in counts if count is not None]
    if not known:
        return "any"
    return f"{sum(known)}{' and more' if len(known) < len(counts) else ''}"


def _print_videos(manifest: Manifest) -> None:
    from vcl.datasets.resolve import file_names

    _print_table(
        ("video", "frames", "rate", "height x width", "file or folder"),
        [
            (
                entry.name,
                str(entry.frames or "any"),
                str(entry.rate or "any"),
                " or ".join(f"{height}x{width}" for height, width in entry.sizes) or "any",
                file_names(entry),
            )
            for entry in manifest.videos
        ],
    )
    if manifest.source:
        tell(f"\nSource: {manifest.source}")


def _print_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        tell("  ".join(map(str.ljust, row, widths)).rstrip())


def _prepare(arguments: argparse.Namespace) -> None:
    from vcl.datasets.prepare import prepare
    from vcl.listeners.progress import counting

    transform = _transform(arguments)
    with counting() as progress:
        prepared = prepare(
            arguments.benchmark,
            arguments.source,
            arguments.out,
            transform,
            videos=arguments.videos,
            as_found=arguments.as_found,
            progress=progress,
        )
    settings = [
        f"stream.benchmark={setting_text(arguments.benchmark)}",
        f"stream.root={setting_text(str(arguments.out))}",
        f"stream.size=[{transform.height},{transform.width}]",
        *([f"stream.videos=[{','.join(map(setting_text, prepared))}]"] if arguments.videos else []),
    ]
    tell(
        f"{arguments.out}: {_video_count(len(prepared))}, {sum(video.frames for video in prepared.values())} frames\n"
        f"Settings of an experiment: {shlex.join(settings)}"
    )


def _video_count(count: int) -> str:
    return "1 video" if count == 1 else f"{count} videos"


def _transform(arguments: argparse.Namespace) -> Transform:
    from vcl.datasets.prepare import PRESETS
    from vcl.video.transform import Transform

    transform = PRESETS[arguments.preset]
    if arguments.size is not None:
        height, separator, width = arguments.size.partition("x")
        if not (height.isdecimal() and separator and width.isdecimal()):
            raise VclError(f"--size must be a height and a width such as 180x320, got {arguments.size}")
        transform = Transform(int(height), int(width))
    return replace(transform, frames=arguments.frames, stride=arguments.stride)


def _verify(arguments: argparse.Namespace) -> None:
    from vcl.datasets.prepared import verify
    from vcl.listeners.progress import counting

    with counting() as progress:
        problems = dict(verify(arguments.folder, progress))
    lines = [f"{name}: {problem}" for name, problem in problems.items() if problem]
    if lines:
        count = f"{len(lines)} of {len(problems)} videos are not as they were prepared:"
        raise VclError("\n  ".join([f"{arguments.folder}: {count}", *lines]))
    tell(f"{arguments.folder}: {_video_count(len(problems))} as prepared")
