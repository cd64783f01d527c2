"""What ``vcl decode`` decodes from: a run folder or a library."""

from __future__ import annotations

import argparse
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vcl.datasets.names import index_of
from vcl.errors import ConfigError, RunFolderError, VclError
from vcl.wording import did_you_mean

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from vcl.config import RunConfig, TrainConfig
    from vcl.rundir import RunFolder

log = logging.getLogger(__name__)

FramesOf = Callable[["Wanted"], "Iterator[Tensor]"]


@dataclass(frozen=True)
class Wanted:
    """What is to be decoded of a video.

    Args:
        session: its session.
        name: its name.
        length: frames that it has.
        size: height and width, pixels.
        frames: those to be written.
    """

    session: int
    name: str
    length: int
    size: tuple[int, int]
    frames: range


@dataclass(frozen=True)
class Source:
    """Where videos come from.

    Args:
        path: of the run folder or the library.
        videos: that are to be decoded.
        rate_of: frames per second of a video; None where that is not known.
        opened: loads what decodes, which takes a while; gives what gives the frames.
    """

    path: Path
    videos: Sequence[Wanted]
    rate_of: Callable[[Wanted], Fraction | None]
    opened: Callable[[], FramesOf]


def run_source(arguments: argparse.Namespace) -> Source:
    """The run folder that a command line names."""
    from vcl.datasets.rate import rate_of
    from vcl.rundir import RunFolder

    folder = RunFolder.existing(arguments.run)
    if arguments.strict:
        raise VclError(f"--strict is for libraries, and {folder.path} is a run folder; vcl export makes one of it")
    config = folder.config()
    state, videos = _chosen(folder, config, arguments)

    def opened() -> FramesOf:
        folder.check_sessions()

        from vcl.decode import Decoder

        if arguments.precision not in (None, config.matrix.precision):
            log.info("in %s, so not the very frames that were measured and hashed", arguments.precision)
        decoder = Decoder.of_run(folder, state, _device(arguments, config.train), arguments.precision)
        return lambda video: _in_whole_batches(lambda only: decoder.frames(video.session, only), video)

    return Source(folder.path, videos, lambda video: rate_of(folder.stream_of(video.name), video.name), opened)


def library_source(arguments: argparse.Namespace) -> Source:
    """The library that a command line names."""
    if arguments.after is not None:
        raise VclError(f"--after is for run folders, and {arguments.run} is a library, whose videos never change")
    if arguments.strict and arguments.precision is not None:
        raise VclError("--precision is for floating point, and --strict decodes in whole numbers")

    from vcl.codec.library import Library

    library = Library.open(arguments.run)
    sessions = range(len(library.videos))
    chosen = sessions if arguments.video is None else [library.session_of(arguments.video)]
    videos = [
        Wanted(session, video.name, video.frames, video.size, _wanted(arguments.frames, video.name, video.frames))
        for session, video in enumerate(library.videos)
        if session in chosen
    ]

    def opened() -> FramesOf:
        from vcl.config import TrainConfig

        device, precision = _device(arguments, TrainConfig()), arguments.precision or "float32"
        if arguments.strict:
            return lambda video: library.strict_frames(video.session, video.frames, device)
        return lambda video: _in_whole_batches(
            lambda only: library.frames(video.session, only, device, precision), video
        )

    return Source(library.path, videos, lambda video: library.videos[video.session].rate, opened)


def _in_whole_batches(frames: Callable[[range], Iterator[Tensor]], video: Wanted) -> Iterator[Tensor]:
    """The frames wanted, decoded in the batches in which the whole video is decoded, so that no bit differs."""
    from vcl.render import BATCH

    wanted = video.frames
    first = wanted.start // BATCH * BATCH
    for batch in frames(range(first, min(-(-wanted.stop // BATCH) * BATCH, video.length))):
        yield batch[max(0, wanted.start - first) : wanted.stop - first]
        first += len(batch)


def _chosen(folder: RunFolder, config: RunConfig, arguments: argparse.Namespace) -> tuple[int, list[Wanted]]:
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
    lengths = [note.frames for note in notes]
    return state, [
        Wanted(s, names[s], lengths[s], config.stream.size, _wanted(arguments.frames, names[s], lengths[s]))
        for s in sessions
    ]


def _session(folder: RunFolder, names: Sequence[str], word: str) -> int:
    """Session of a video that is called so, or if none is, the session with this number."""
    if (session := index_of(word, names)) is not None:
        return session
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
