"""``vcl decode``."""

from __future__ import annotations

import argparse
import logging
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vcl.cli.common import Commands, add_plugins, path_word, remark, tell
from vcl.datasets.names import name_fault, normalised
from vcl.errors import ConfigError, RunFolderError, VclError
from vcl.wording import did_you_mean

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from vcl.config import RunConfig, StreamConfig, TrainConfig
    from vcl.decode import Decoder
    from vcl.rundir import RunFolder

log = logging.getLogger(__name__)

_FORMATS = ("png", "mp4", "mkv", "y4m", "npy")
_WITHOUT_RATE = ("png", "npy")


@dataclass(frozen=True)
class _Video:
    """What is to be decoded.

    Args:
        session: its session.
        name: its name.
        length: frames that it has.
        wanted: frames to be written.
    """

    session: int
    name: str
    length: int
    wanted: range


def add_decode_command(commands: Commands) -> None:
    """Give ``vcl`` the subcommand that gets videos out of a run."""
    decode = commands.add_parser(
        "decode",
        help="write the videos of a run as mp4, mkv, y4m or PNG images",
        description="Decode videos of a run, finished or not, from what is saved in its folder. A name that ends in "
        ".mp4 (H.264), .mkv (FFV1, every pixel kept), .y4m or .npy (every pixel kept) is a video file, any other a "
        "folder, of PNG images unless --format says otherwise.",
        epilog="Example: vcl decode runs/first --video dog -o dog.mp4",
    )
    decode.add_argument("run", type=path_word, metavar="RUN", help="a run folder")
    decode.add_argument("-o", "--out", required=True, metavar="OUT", help="a video file, or a new or empty folder")
    decode.add_argument("--video", metavar="NAME", help="one video, by its name or its session (default: all)")
    decode.add_argument(
        "--after", metavar="SESSION", help="as it was after this session, a number or a video's name (default: latest)"
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
    from vcl.rundir import RunFolder
    from vcl.video.write import RATE, check_file, check_folder, check_size, new_folder, write_frames, write_video

    folder = RunFolder.existing(arguments.run)
    config = folder.config()
    state, videos = _chosen(folder, config, arguments)
    out, form, is_file = _form(arguments, videos)
    inside = not is_file and (form != "png" or len(videos) > 1)
    if is_file:
        check_file(out, arguments.overwrite)
    else:
        check_folder(out)
    for video in videos if inside else ():
        if fault := name_fault(video.name):
            raise RunFolderError(f"{folder.path}: no file can be called after the video {video.name!r}, which {fault}")
    if form != "png":
        check_size(out if is_file else out / f"{videos[0].name}.{form}", *config.stream.size)
    timed = form not in _WITHOUT_RATE
    rates = [_rate(arguments.rate, folder.stream_of(video.name), video.name) if timed else RATE for video in videos]

    folder.check_sessions()

    from vcl.decode import Decoder
    from vcl.listeners.progress import counting

    if arguments.precision not in (None, config.matrix.precision):
        log.info("in %s, so not the very frames that were measured and hashed", arguments.precision)
    decoder = Decoder.of_run(folder, state, _device(arguments, config.train), arguments.precision)
    with counting() as progress, ExitStack() as stack:
        place = stack.enter_context(new_folder(out)) if inside else out
        for video, rate in zip(videos, rates, strict=True):
            batches = _batches(decoder, video, progress)
            if form == "png":
                write_frames(place / video.name if inside else place, batches, video.wanted.start)
            else:
                path = place / f"{video.name}.{form}" if inside else place
                write_video(path, batches, rate, arguments.overwrite)
    frames = sum(len(video.wanted) for video in videos)
    of = videos[0].name if len(videos) == 1 else f"{len(videos)} videos"
    speed = f" at {float(rates[0]):g} frames a second" if timed and len(set(rates)) == 1 else ""
    tell(f"{out}: {frames} frames of {of}{speed}")


def _batches(decoder: Decoder, video: _Video, progress: Callable[[str, int, int | None], None]) -> Iterator[Tensor]:
    """The frames wanted, decoded in the batches in which the run decoded them, so that no bit differs."""
    from vcl.render import BATCH

    wanted = video.wanted
    first = wanted.start // BATCH * BATCH
    progress(video.name, 0, len(wanted))
    for batch in decoder.frames(video.session, range(first, min(-(-wanted.stop // BATCH) * BATCH, video.length))):
        yield batch[max(0, wanted.start - first) : wanted.stop - first]
        first += len(batch)
        progress(video.name, min(first, wanted.stop) - wanted.start, len(wanted))


def _chosen(folder: RunFolder, config: RunConfig, arguments: argparse.Namespace) -> tuple[int, list[_Video]]:
    """The state to decode from, and what is to be decoded from it."""
    notes = [folder.session_notes(session) for session in range(folder.sessions())]
    if not notes:
        raise RunFolderError(f"{folder.path} has no finished session yet, so there is nothing to decode")
    to_come = [name for event in folder.events("start")[-1:] for name in event["videos"][len(notes) :]]
    names = [*(note.video for note in notes), *to_come]
    state = len(notes) - 1
    if arguments.after is not None:
        state = _session(folder, names, arguments.after)
        if state >= len(notes):
            raise VclError(f"--after must name a finished session, 0 to {len(notes) - 1}, got {arguments.after}")
    if config.method.together and state + 1 < notes[0].sessions:
        raise VclError(f"{folder.path} learns all videos together in its last session, and is decoded after that alone")
    sessions = list(range(state + 1))
    if arguments.video is not None:
        sessions = [_session(folder, names, arguments.video)]
        if sessions[0] > state:
            raise VclError(
                f"{names[sessions[0]]} is session {sessions[0]}, which is still to come after session {state}"
            )
    return state, [
        _Video(s, names[s], notes[s].frames, _wanted(arguments.frames, names[s], notes[s].frames)) for s in sessions
    ]


def _session(folder: RunFolder, names: Sequence[str], word: str) -> int:
    """Session of a video that is called so, or if none is, the session with this number."""
    same = [normalised(name) for name in names]
    if normalised(word) in same:
        return same.index(normalised(word))
    if word.isascii() and word.isdecimal() and len(word) < 10 and int(word) < len(names):
        return int(word)
    hint = did_you_mean(word, names, otherwise=f"it has {', '.join(names)}")
    raise VclError(f"{folder.path} has no video {word}{hint}")


def _wanted(text: str | None, name: str, length: int) -> range:
    """Frames that ``--frames`` asks for of one video."""
    if text is None:
        return range(length)
    ends = re.fullmatch(r"(\d{0,9}):(\d{0,9})", text, re.ASCII)
    if ends is None:
        raise VclError(f"--frames must be A:B, A: or :B, got {text}")
    wanted = range(int(ends[1] or 0), int(ends[2] or length))
    if not wanted or wanted.stop > length:
        raise VclError(f"--frames must lie within 0:{length}, the frames of {name}, got {text}")
    return wanted


def _form(arguments: argparse.Namespace, videos: Sequence[_Video]) -> tuple[Path, str, bool]:
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
                f"--out is one file for {len(videos)} videos ({names}): choose one with --video, or a folder"
            )
    if arguments.rate is not None and form in _WITHOUT_RATE:
        raise VclError(f"--rate is for video files, and {form} has none")
    return out, form, is_file


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _rate(text: str | None, stream: StreamConfig, name: str) -> Fraction:
    """Frames a second of one video."""
    from vcl.datasets.rate import FASTEST, SLOWEST, rate_of
    from vcl.video.write import RATE

    if text is None:
        return rate_of(stream, name) or RATE
    rate = Fraction(0)
    if re.fullmatch(r"\d{1,6}(\.\d{1,4}|/0*[1-9]\d{0,5})?", text, re.ASCII):
        rate = Fraction(text)
    if not SLOWEST <= rate <= FASTEST:
        raise VclError(f"--rate must be a number such as 25, 29.97 or 30000/1001, from 0.1 to 1000, got {text}")
    return rate


def _device(arguments: argparse.Namespace, train: TrainConfig) -> torch.device:
    """The device asked for, or the run's, or where that is not here any."""
    from vcl.device import prepare_device

    refused = ""
    for name in (train.device, "auto") if arguments.device is None else (arguments.device,):
        try:
            threads = train.threads if arguments.threads is None else arguments.threads
            return prepare_device(replace(train, device=name, threads=threads))
        except ConfigError as error:
            refused = str(error)
    raise VclError(refused.replace("train.", "--", 1))
