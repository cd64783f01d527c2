"""``vcl decode``."""

from __future__ import annotations

import argparse
import logging
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vcl.cli.common import Commands, add_plugins, path_word, remark, tell
from vcl.cli.decode_sources import FramesOf, Source, Wanted, library_source, run_source
from vcl.datasets.names import name_fault
from vcl.errors import VclError

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

_FORMATS = ("png", "mp4", "mkv", "y4m", "npy")
_WITHOUT_RATE = ("png", "npy")


def add_decode_command(commands: Commands) -> None:
    """Give ``vcl`` the subcommand that gets videos out of a run."""
    decode = commands.add_parser(
        "decode",
        help="write the videos of a library or a run as mp4, mkv, y4m or PNG images",
        description="Decode videos of a library, or of a run, finished or not, from what is saved there. A name that "
        "ends in .mp4 (H.264), .mkv (FFV1, every pixel kept), .y4m or .npy (every pixel kept) is a video file, any "
        "other a folder, of PNG images unless --format says otherwise.",
        epilog="Example: vcl decode library.vcl --session dog -o dog.mp4",
    )
    decode.add_argument("run", type=path_word, metavar="LIBRARY|RUN", help="a library file or a run folder")
    decode.add_argument("-o", "--out", required=True, metavar="OUT", help="a video file, or a new or empty folder")
    decode.add_argument(
        "--session",
        "--video",
        dest="video",
        metavar="NAME",
        help="one video, by its name or the number of its session (default: all)",
    )
    decode.add_argument(
        "--after",
        metavar="SESSION",
        help="of a run, as it was after this session, a number or a video's name (default: latest)",
    )
    decode.add_argument(
        "--strict", action="store_true", help="of a library, in whole numbers: slower, the same bits on every machine"
    )
    decode.add_argument("--frames", metavar="A:B", help="frames A to B - 1; 5: and :5 leave one end open")
    decode.add_argument("--rate", metavar="FPS", help="frames a second (default: as the source, or 25)")
    decode.add_argument("--format", choices=_FORMATS, help="what goes into a folder (default: png)")
    decode.add_argument("--overwrite", action="store_true", help="replace a video file that is there")
    decode.add_argument(
        "--device", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: the run's, if it is here)"
    )
    decode.add_argument(
        "--precision",
        choices=("float32", "tfloat32", "bfloat16"),
        help="of the network's layers, lower ones are faster on a GPU (default: the run's matrix.precision)",
    )
    decode.add_argument("--threads", type=int, metavar="N", help="threads of the processor (default: the run's)")
    add_plugins(decode)
    decode.set_defaults(do=_decode)


def _decode(arguments: argparse.Namespace) -> None:
    log.info("decoding %s to %s", arguments.run, arguments.out)  # Before torch is loaded, which takes seconds.
    # A polite kill, too, removes what is begun.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _write_videos(arguments)
    except KeyboardInterrupt:
        remark("stopped; nothing was written")
        raise SystemExit(130) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _write_videos(arguments: argparse.Namespace) -> None:
    from vcl.video.write import RATE, check_file, check_folder, check_size, new_folder, write_frames, write_video

    source = library_source(arguments) if _is_file(arguments.run) else run_source(arguments)
    videos = source.videos
    out, form, is_file = _form(arguments, videos)
    inside = not is_file and (form != "png" or len(videos) > 1)
    if is_file:
        check_file(out, arguments.overwrite)
    else:
        check_folder(out)
    for video in videos:
        if inside and (fault := name_fault(video.name)):
            raise VclError(f"{source.path}: no file can be called after the video {video.name!r}, which {fault}")
        if form != "png":
            check_size(out if is_file else out / f"{video.name}.{form}", *video.size)
    timed = form not in _WITHOUT_RATE
    rates = [_rate(arguments.rate, source, video) if timed else RATE for video in videos]
    frames_of = source.opened()

    from vcl.listeners.progress import counting

    with counting() as progress, ExitStack() as stack:
        place = stack.enter_context(new_folder(out)) if inside else out
        for video, rate in zip(videos, rates, strict=True):
            batches = _counted(frames_of, video, progress)
            if form == "png":
                write_frames(place / video.name if inside else place, batches, video.frames.start)
            else:
                path = place / f"{video.name}.{form}" if inside else place
                write_video(path, batches, rate, arguments.overwrite)
    frames = sum(len(video.frames) for video in videos)
    of = videos[0].name if len(videos) == 1 else f"{len(videos)} videos"
    speed = f" at {float(rates[0]):g} frames a second" if timed and len(set(rates)) == 1 else ""
    tell(f"{out}: {frames} frames of {of}{speed}")


def _counted(frames_of: FramesOf, video: Wanted, progress: Callable[[str, int, int | None], None]) -> Iterator[Tensor]:
    """The frames wanted of a video, counted as they are decoded."""
    done = 0
    progress(video.name, 0, len(video.frames))
    for batch in frames_of(video):
        yield batch
        done += len(batch)
        progress(video.name, done, len(video.frames))


def _form(arguments: argparse.Namespace, videos: Sequence[Wanted]) -> tuple[Path, str, bool]:
    """Where to, in which format, and whether that is one file."""
    out = path_word(arguments.out)
    if not out.suffix or arguments.out.endswith("/") or _is_folder(out):
        form, is_file = arguments.format or "png", False
    else:
        form, is_file = out.suffix[1:].lower(), True
        if form == "png" or form not in _FORMATS:
            known = ", ".join(f".{name}" for name in _FORMATS if name != "png")
            raise VclError(f"--out must end in {known}, or be a folder, with / at its end if it has a dot, got {out}")
        if arguments.format is not None:
            raise VclError(f"--format is for what goes into a folder, but --out is the file {out}")
        if len(videos) > 1:
            names = ", ".join(video.name for video in videos)
            raise VclError(
                f"--out is one file for {len(videos)} videos ({names}): choose one with --session, or a folder"
            )
    if arguments.rate is not None and form in _WITHOUT_RATE:
        raise VclError(f"--rate is for video files, and {form} has none")
    return out, form, is_file


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _rate(text: str | None, source: Source, video: Wanted) -> Fraction:
    """Frames a second of one video."""
    from vcl.datasets.rate import FASTEST, SLOWEST
    from vcl.video.write import RATE

    if text is None:
        return source.rate_of(video) or RATE
    rate = Fraction(0)
    if re.fullmatch(r"\d{1,6}(\.\d{1,4}|/0*[1-9]\d{0,5})?", text, re.ASCII):
        rate = Fraction(text)
    if not SLOWEST <= rate <= FASTEST:
        raise VclError(f"--rate must be a number such as 25, 29.97 or 30000/1001, from 0.1 to 1000, got {text}")
    return rate
