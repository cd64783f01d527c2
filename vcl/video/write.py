"""Decoded frames -> a video file, or a folder of PNG images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import av

from vcl.atomic_file import atomic_file, atomic_folder
from vcl.errors import VideoError
from vcl.video.encode import WRITERS, Frames

if TYPE_CHECKING:
    from torch import Tensor

RATE = Fraction(25)
"""Frames per second where no rate is given."""


def write_video(path: Path | str, batches: Iterable[Tensor], rate: Fraction = RATE, overwrite: bool = False) -> int:
    """Write frames as a video file, one batch in memory at a time; the file appears whole or not at all.

    The same frames give the same bytes. ``.mkv`` (FFV1) and ``.npy`` (an array ``(T, 3, H, W)``) keep every pixel of
    the frames rounded to uint8. ``.mp4`` is H.264 in 4:2:0 and BT.709, tagged so. ``.y4m`` is 4:4:4; it has no tag for
    the matrix, so its matrix is the one that players assume for its height: BT.709 from 720 rows on, BT.601 below.

    Args:
        path: file to write.
        batches: frames ``(B, 3, H, W)``, float in [0, 1] or uint8, on any device, as a ``Decoder`` or a ``Library``
            yields them.
        rate: frames per second; an array has none.
        overwrite: replace a file that exists.

    Returns:
        Number of frames written.

    Raises:
        VideoError: as ``check_file`` and ``check_size``; there are no frames; or the file cannot be written.
    """
    path = Path(path)
    frames = _rounded_frames(batches)
    first = next(frames, None)
    if first is None:
        raise VideoError(f"{path}: a video must have a frame, got none")
    check_file(path, overwrite)
    check_size(path, *first.shape[1:])
    count = 0

    def counted() -> Frames:
        nonlocal count
        for frame in chain([first], frames):
            yield frame
            count += 1

    try:
        with atomic_file(path) as draft:
            WRITERS[path.suffix.lower()](draft.file, counted(), rate)
    except (av.FFmpegError, OSError) as error:
        # Where PyAV's own error was caused by one that the file raised, the file's says more.
        reason = error.__context__ if isinstance(error.__context__, OSError) else error
        raise VideoError(f"{path}: the video cannot be written ({reason.strerror or reason})") from error
    return count


def write_frames(folder: Path | str, batches: Iterable[Tensor], first: int = 0) -> int:
    """Write frames as ``00000.png``, ``00001.png``, ...; the folder is filled whole or not at all.

    Args:
        folder: a new or an empty folder.
        batches: as in ``write_video``.
        first: number in the name of the first image.

    Returns:
        Number of frames written.

    Raises:
        VideoError: as ``check_folder``, or a file cannot be written.
    """
    from vcl.video.pixels import write_png

    count = 0
    with new_folder(Path(folder)) as draft:
        for frame in _rounded_frames(batches):
            write_png(draft / f"{first + count:05d}.png", frame)
            count += 1
    return count


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Fill a new or an empty folder whole or not at all.

    Args:
        folder: the folder; its parent must exist.

    Yields:
        A hidden folder to write into, whose contents move to ``folder`` at the end.

    Raises:
        VideoError: as ``check_folder``, or something in it cannot be written.
    """
    check_folder(folder)
    try:
        with atomic_folder(folder) as draft:
            yield draft
    except OSError as error:
        raise VideoError(f"{folder}: cannot be filled ({error.strerror or error})") from error


def check_file(path: Path, overwrite: bool = False) -> None:
    """Refuse a video file that cannot be written, before its frames are decoded.

    Args:
        path: file to write.
        overwrite: whether a file that exists may be replaced.

    Raises:
        VideoError: the name has an unknown suffix, the file exists, or its folder does not or is not writable.
    """
    _check_suffix(path)
    try:
        _check_parent(path)
        if path.exists() and not path.is_file():
            raise VideoError(f"{path}: must be a file, found something else")
        if path.exists() and not overwrite:
            raise VideoError(f"{path}: exists already; --overwrite (in Python overwrite=True) replaces it")
    except OSError as error:
        raise VideoError(f"{path}: the video cannot be written ({error.strerror or error})") from error


def check_size(path: Path, height: int, width: int) -> None:
    """Refuse frames whose size a format cannot store.

    Args:
        path: a file whose suffix names the format.
        height: rows of the frames, in pixels.
        width: columns of the frames, in pixels.

    Raises:
        VideoError: the suffix is unknown, or that of H.264 and a side is odd or PyAV lacks the encoder.
    """
    _check_suffix(path)
    if path.suffix.lower() == ".mp4":
        if height % 2 or width % 2:
            raise VideoError(f"{path}: .mp4 needs an even height and width, got {height}x{width}; .mkv takes any")
        if "libx264" not in av.codecs_available:
            raise VideoError(f"{path}: .mp4 needs a PyAV with libx264, and this one has none; .mkv does without")


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be filled, before frames are decoded.

    Raises:
        VideoError: it is a file, not empty or not writable, or its parent does not exist or is not writable.
    """
    try:
        if not folder.exists():
            _check_parent(folder)
        elif not folder.is_dir():
            raise VideoError(f"{folder}: must be a folder, found a file")
        elif names := sorted(path.name for path in folder.iterdir()):
            raise VideoError(f"{folder}: must be a new folder or an empty one, but it holds {names[0]}")
        elif not os.access(folder, os.W_OK | os.X_OK):
            raise VideoError(f"{folder}: must be writable")
    except OSError as error:
        raise VideoError(f"{folder}: cannot be written to ({error.strerror or error})") from error


def _check_suffix(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        raise VideoError(f"{path}: a video's name must end in one of {', '.join(WRITERS)}, got {suffix or 'no suffix'}")


def _check_parent(path: Path) -> None:
    if not path.parent.is_dir():
        raise VideoError(f"{path}: the folder {path.parent} must exist")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise VideoError(f"{path}: the folder {path.parent} must be writable")


def _rounded_frames(batches: Iterable[Tensor]) -> Frames:
    from vcl.video.pixels import to_uint8  # Loads torch, which takes seconds: what cannot be written is refused before.

    for batch in batches:
        yield from (to_uint8(batch) if batch.is_floating_point() else batch).cpu().numpy()
