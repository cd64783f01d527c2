"""The one door to the pixels of a source: the frames of a range, in order, one at a time."""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.typing import NDArray

from vcl.errors import ShortVideoError, VideoError
from vcl.video.readers.container import container_frames
from vcl.video.readers.folder import folder_frames
from vcl.video.source import VideoSource, missing_path

logger = logging.getLogger(__name__)

ARRAY_ERRORS = (
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
"""What NumPy may raise on a damaged ``.npy`` file."""


def read_frames(
    source: VideoSource, start: int = 0, frames: int | None = None, stride: int = 1
) -> Iterator[NDArray[np.uint8]]:
    """Read frames ``start, start + stride, ...`` of a video, one in memory at a time.

    Reading stops at the last frame of the range. Frames in between are decoded where the codec needs them, but not
    converted to RGB.

    Args:
        source: the video.
        start: index of the first frame, from 0.
        frames: how many to read; ``None`` reads to the end.
        stride: distance between two frames of the range.

    Yields:
        RGB ``(H, W, 3)`` uint8, all of one size.

    Raises:
        VideoError: a range that the video does not have, a video that cannot be read whole, or a count other than
            ``source.expected_frames``.
    """
    check_range(source.name, start, frames, stride)
    last = _last_index(start, frames, stride)
    shape: tuple[int, ...] | None = None
    count = 0
    for convert in _lazy_frames(source):
        if count >= start and (count - start) % stride == 0:
            frame = convert()
            shape = shape or frame.shape
            if frame.shape != shape:
                sizes = f"{shape[1]}x{shape[0]} and {frame.shape[1]}x{frame.shape[0]} from frame {count}"
                raise VideoError(f"{source.path}: all frames must have one size, found {sizes}")
            yield frame
        if count == last:
            return
        count += 1
    check_length(source, start, frames, stride, count)


def check_length(source: VideoSource, start: int, frames: int | None, stride: int, count: int) -> None:
    """Refuse a range that reaches beyond a video, and a whole video whose number of frames is not the expected one.

    Args:
        source: the video.
        start: index of the first frame of the range.
        frames: how many frames of it, or ``None`` for all to the end.
        stride: distance between two of them.
        count: how many frames the video has.

    Raises:
        ShortVideoError: it is too short.
        VideoError: as :func:`check_count`.
    """
    last = _last_index(start, frames, stride)
    if last is not None and count > last:
        return
    check_count(source, count)
    if last is not None or count <= start:
        raise short_video_error(source.name, start, frames, stride, count, str(source.path))


def short_video_error(name: str, start: int, frames: int | None, stride: int, count: int, path: str) -> ShortVideoError:
    """The error of a range that reaches beyond a video; arguments as in :func:`check_length`, ``path`` is its file."""
    last = _last_index(start, frames, stride)
    indices = f"{start}..." if last is None else f"{start}..{last}"
    message = f"{name}: asked for frames {indices} but the clip {path} has {count}"
    return ShortVideoError(message, len(range(start, count, stride)))


def _last_index(start: int, frames: int | None, stride: int) -> int | None:
    return None if frames is None else start + (frames - 1) * stride


def check_range(name: str, start: int, frames: int | None, stride: int) -> None:
    """Refuse a range that no video can have.

    Args:
        name: start of the message.
        start: index of the first frame.
        frames: how many frames, or ``None`` for all to the end.
        stride: distance between two of them.

    Raises:
        VideoError: ``start`` is negative, or ``frames`` or ``stride`` below 1.
    """
    if start < 0:
        raise VideoError(f"{name}: start must be at least 0, got {start}")
    if stride < 1:
        raise VideoError(f"{name}: stride must be at least 1, got {stride}")
    if frames is not None and frames < 1:
        raise VideoError(f"{name}: frames must be at least 1, or left out for all, got {frames}")


def _lazy_frames(source: VideoSource) -> Iterator[Callable[[], NDArray[np.uint8]]]:
    """For each frame a call that converts it to RGB ``(H, W, 3)`` uint8."""
    path = source.path
    try:
        if path.is_dir():
            return folder_frames(source)
        check_content(path)
    except OSError as error:
        raise VideoError(f"{path}: cannot be read ({error.strerror})") from error
    return _array_frames(path) if path.suffix.lower() == ".npy" else container_frames(source)


def check_content(path: Path) -> None:
    """Refuse a video file that is missing or empty.

    Raises:
        VideoError: it is.
        OSError: it cannot be opened.
    """
    if not path.exists():
        raise VideoError(f"{path}: {missing_path(path)}")
    if path.stat().st_size == 0:
        raise VideoError(f"{path}: a video file must have content, found 0 bytes")
    with path.open("rb"):
        pass


def frame_array(path: Path) -> NDArray[np.uint8]:
    """Map the frames of an array file.

    Args:
        path: a ``.npy`` file.

    Returns:
        ``(T, 3, H, W)`` uint8, C-contiguous, read-only and mapped from disk.

    Raises:
        VideoError: the file is damaged, or its array has another shape, type or order.
    """
    try:
        # Unlike np.load this reads nothing but arrays: no pickle, no zip.
        frames: NDArray[np.uint8] = np.lib.format.open_memmap(path, mode="r")
    except ARRAY_ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise VideoError(f"{path}: the array of frames cannot be read ({reason})") from error
    are_frames = frames.dtype == np.uint8 and frames.ndim == 4 and frames.shape[1] == 3
    if not are_frames or not frames.flags.c_contiguous or 0 in frames.shape:
        rule = "an array of frames must be (T, 3, H, W) uint8 in C order"
        raise VideoError(f"{path}: {rule}, found {frames.dtype} {frames.shape}")
    return frames


def _array_frames(path: Path) -> Iterator[Callable[[], NDArray[np.uint8]]]:
    for frame in frame_array(path):
        yield partial(np.ascontiguousarray, frame.transpose(1, 2, 0))


def check_count(source: VideoSource, count: int) -> None:
    """Refuse a number of frames other than ``source.expected_frames``.

    Args:
        source: the video.
        count: how many frames it has.

    Raises:
        VideoError: the numbers differ; with ``source.allow_truncated`` only where there are too many.
    """
    expected = source.expected_frames
    if expected is None or count == expected:
        return
    if count < expected and source.allow_truncated:
        logger.warning("%s: the clip should have %d frames; kept the %d there are", source.path, expected, count)
        return
    raise VideoError(f"{source.name}: the benchmark says {expected} frames but the clip {source.path} has {count}")
