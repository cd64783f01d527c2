"""The one door to the pixels of a source: frames asked for, in order, one at a time."""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.typing import NDArray

from vcl.errors import ShortVideoError, VideoError
from vcl.video.readers.container import container_pictures
from vcl.video.readers.folder import folder_pictures
from vcl.video.source import VideoSource, missing

logger = logging.getLogger(__name__)

DAMAGED_ARRAY = (
    OSError,
    EOFError,
    ValueError,
    ArithmeticError,
    TypeError,
    SyntaxError,
    TokenError,
    MemoryError,
    RecursionError,
)
"""What NumPy raises where the header of a ``.npy`` file is not its own."""


def read_frames(
    source: VideoSource, start: int = 0, frames: int | None = None, stride: int = 1
) -> Iterator[NDArray[np.uint8]]:
    """Read frames ``start, start + stride, ...`` of a video, never holding more than one.

    Reading stops at the last frame asked for. Frames in between are decoded where the codec needs them, but not
    converted to RGB.

    Args:
        source: the video.
        start: place of the first frame, from 0.
        frames: how many to keep; ``None`` keeps all to the end.
        stride: keep one frame in this many.

    Yields:
        RGB ``(H, W, 3)`` uint8, all of one size.

    Raises:
        VideoError: a range that the video does not have, a video that cannot be read whole, or a count other than
            ``source.expected_frames``.
    """
    check_range(source.name, start, frames, stride)
    last = _last(start, frames, stride)
    shape: tuple[int, ...] | None = None
    count = 0
    for picture in _pictures(source):
        if count >= start and (count - start) % stride == 0:
            frame = picture()
            shape = shape or frame.shape
            if frame.shape != shape:
                found = f"{shape[1]}x{shape[0]} and {frame.shape[1]}x{frame.shape[0]} from frame {count}"
                raise VideoError(f"{source.path}: all frames must have one size, found {found}")
            yield frame
        if count == last:
            return
        count += 1
    check_reach(source, start, frames, stride, count)


def check_reach(source: VideoSource, start: int, frames: int | None, stride: int, count: int) -> None:
    """Refuse a range that goes beyond a video, and a whole video that has another number of frames than expected.

    Args:
        source: the video.
        start: place of the first frame.
        frames: how many to keep, or ``None``.
        stride: distance between two kept frames.
        count: how many frames it has.

    Raises:
        ShortVideoError: it is too short.
        VideoError: as :func:`check_count`.
    """
    last = _last(start, frames, stride)
    if last is not None and count > last:
        return
    check_count(source, count)
    if last is not None or count <= start:
        raise too_short(source.name, start, frames, stride, count, str(source.path))


def too_short(name: str, start: int, frames: int | None, stride: int, count: int, path: str) -> ShortVideoError:
    """The error of a range that goes beyond a video; arguments as of :func:`check_reach`, ``path`` being its file."""
    last = _last(start, frames, stride)
    asked = f"{start}..." if last is None else f"{start}..{last}"
    message = f"{name}: asked for frames {asked} but the clip {path} has {count}"
    return ShortVideoError(message, len(range(start, count, stride)))


def _last(start: int, frames: int | None, stride: int) -> int | None:
    return None if frames is None else start + (frames - 1) * stride


def check_range(name: str, start: int, frames: int | None, stride: int) -> None:
    """Refuse a range that no video can have.

    Args:
        name: whose range it is, for the message.
        start: place of the first frame.
        frames: how many to keep, or ``None``.
        stride: distance between two kept frames.

    Raises:
        VideoError: names the number, its rule and what was found.
    """
    if start < 0:
        raise VideoError(f"{name}: start must be at least 0, got {start}")
    if stride < 1:
        raise VideoError(f"{name}: stride must be at least 1, got {stride}")
    if frames is not None and frames < 1:
        raise VideoError(f"{name}: frames must be at least 1, or left out for all, got {frames}")


def _pictures(source: VideoSource) -> Iterator[Callable[[], NDArray[np.uint8]]]:
    path = source.path
    try:
        if path.is_dir():
            return folder_pictures(source)
        check_file(path)
    except OSError as error:
        raise VideoError(f"{path}: cannot be read ({error.strerror})") from error
    return _array_pictures(path) if path.suffix.lower() == ".npy" else container_pictures(source)


def check_file(path: Path) -> None:
    """Refuse a file that is not there or has no content.

    Raises:
        VideoError: says which.
        OSError: it cannot be opened.
    """
    if not path.exists():
        raise VideoError(f"{path}: {missing(path)}")
    if path.stat().st_size == 0:
        raise VideoError(f"{path}: a video file must have content, found 0 bytes")
    with path.open("rb"):
        pass


def frame_array(path: Path) -> NDArray[np.uint8]:
    """Map frames that lie ready as an array.

    Args:
        path: a ``.npy`` file.

    Returns:
        ``(T, 3, H, W)`` uint8, C-contiguous, read-only and mapped from disk.

    Raises:
        VideoError: damaged, or an array of something else.
    """
    try:
        # Unlike np.load this reads nothing but arrays: no pickle, no zip.
        frames: NDArray[np.uint8] = np.lib.format.open_memmap(path, mode="r")
    except DAMAGED_ARRAY as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise VideoError(f"{path}: the array of frames cannot be read ({reason})") from error
    fits = frames.dtype == np.uint8 and frames.ndim == 4 and frames.shape[1] == 3
    if not fits or not frames.flags.c_contiguous or 0 in frames.shape:
        found = f"{frames.dtype} {frames.shape}"
        raise VideoError(f"{path}: an array of frames must be (T, 3, H, W) uint8 in C order, found {found}")
    return frames


def _array_pictures(path: Path) -> Iterator[Callable[[], NDArray[np.uint8]]]:
    for frame in frame_array(path):
        yield partial(np.ascontiguousarray, frame.transpose(1, 2, 0))


def check_count(source: VideoSource, count: int) -> None:
    """Refuse a number of frames other than the whole video must have.

    Raises:
        VideoError: it is another, and not one of a cut file with ``source.allow_truncated``.
    """
    expected = source.expected_frames
    if expected is None or count == expected:
        return
    if count < expected and source.allow_truncated:
        logger.warning("%s: the clip should have %d frames; kept the %d there are", source.path, expected, count)
        return
    raise VideoError(f"{source.name}: the benchmark says {expected} frames but the clip {source.path} has {count}")
