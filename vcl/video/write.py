"""Decoded frames -> a video file, or a folder of PNG images."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from vcl.errors import VideoError
from vcl.video.container import HD_HEIGHT
from vcl.whole_file import whole_file, whole_folder

if TYPE_CHECKING:
    from torch import Tensor

Frames = Iterator[NDArray[np.uint8]]
"""Frames ``(3, H, W)``, all of one size, at least one."""

RATE = Fraction(25)
"""Frames a second where nobody says."""

_BT709 = 0.2126, 0.0722
_BT601 = 0.299, 0.114
"""Shares of red and blue in luma."""

_TAG_BT709, _TAG_RGB = 1, 0
_TAG_LIMITED, _TAG_FULL = 1, 2

_FRACTION = 16
"""Bits after the point of levels that are not rounded yet."""

# The bytes of a stream depend on the number of threads, so it is the same on every machine.
_THREADS = 4


def write_video(path: Path | str, batches: Iterable[Tensor], rate: Fraction = RATE, overwrite: bool = False) -> int:
    """Write frames as a video file, one batch in memory at a time; the file appears whole or not at all.

    The same frames give the same bytes. ``.mkv`` (FFV1) and ``.npy`` (an array ``(T, 3, H, W)``) keep every pixel of
    the frames rounded to uint8. ``.mp4`` is H.264 in 4:2:0 and BT.709, tagged so. ``.y4m`` is 4:4:4; it has no tag for
    the matrix, so that it is the one which players take for its height: BT.709 from 720 rows on, BT.601 below.

    Args:
        path: the file to be.
        batches: float frames ``(B, 3, H, W)`` in [0, 1], on any device, as a ``Decoder`` yields them.
        rate: frames a second; an array has none.
        overwrite: replace a file that is there.

    Returns:
        Frames written.

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
        with whole_file(path) as draft:
            _WRITERS[path.suffix.lower()](draft.file, counted(), rate)
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"{path}: the video cannot be written ({error.strerror or error})") from error
    return count


def write_frames(folder: Path | str, batches: Iterable[Tensor], first: int = 0) -> int:
    """Write frames as ``00000.png``, ``00001.png``, ...; the folder is filled whole or not at all.

    Args:
        folder: a new or empty one.
        batches: float frames ``(B, 3, H, W)`` in [0, 1], on any device.
        first: number of the first frame.

    Returns:
        Frames written.

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
    """Fill a new or empty folder whole or not at all.

    Yields:
        Where to put what goes into it, until this ends.

    Raises:
        VideoError: as ``check_folder``, or something in it cannot be written.
    """
    check_folder(folder)
    try:
        with whole_folder(folder) as draft:
            yield draft
    except OSError as error:
        raise VideoError(f"{folder}: cannot be filled ({error.strerror or error})") from error


def check_file(path: Path, overwrite: bool = False) -> None:
    """Refuse a video file that cannot be made, before its frames are decoded.

    Args:
        path: the file to be.
        overwrite: whether a file that is there may be replaced.

    Raises:
        VideoError: the name has an unknown suffix, the file is there, or its folder is not or cannot be written to.
    """
    _check_suffix(path)
    try:
        _check_parent(path)
        if path.exists() and not path.is_file():
            raise VideoError(f"{path}: must be a file, found something else")
        if path.exists() and not overwrite:
            raise VideoError(f"{path}: is there already, and is replaced only with overwrite")
    except OSError as error:
        raise VideoError(f"{path}: the video cannot be written ({error.strerror or error})") from error


def check_size(path: Path, height: int, width: int) -> None:
    """Refuse frames that a format does not take.

    Args:
        path: a file whose suffix names the format.
        height: rows of the frames.
        width: columns of the frames.

    Raises:
        VideoError: H.264 in 4:2:0 needs even sizes, and a PyAV that has it.
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
        VideoError: it is a file or not empty, or it cannot be made or written to.
    """
    try:
        if not folder.exists():
            _check_parent(folder)
        elif not folder.is_dir():
            raise VideoError(f"{folder}: must be a folder, found a file")
        elif inside := sorted(item.name for item in folder.iterdir()):
            raise VideoError(f"{folder}: must be a new folder or an empty one, but it holds {inside[0]}")
        elif not os.access(folder, os.W_OK | os.X_OK):
            raise VideoError(f"{folder}: must be a folder that can be written to")
    except OSError as error:
        raise VideoError(f"{folder}: cannot be written to ({error.strerror or error})") from error


def _check_suffix(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise VideoError(
            f"{path}: a video's name must end in one of {', '.join(SUFFIXES)}, got {suffix or 'no suffix'}"
        )


def _check_parent(path: Path) -> None:
    if not path.parent.is_dir():
        raise VideoError(f"{path}: the folder {path.parent} must exist")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise VideoError(f"{path}: the folder {path.parent} must be one that can be written to")


def _rounded_frames(batches: Iterable[Tensor]) -> Frames:
    from vcl.video.pixels import to_uint8  # Loads torch, which takes seconds: what cannot be written is told before.

    for batch in batches:
        yield from to_uint8(batch).cpu().numpy()


def _write_mp4(file: BinaryIO, frames: Frames, rate: Fraction) -> None:
    def picture(frame: NDArray[np.uint8]) -> av.VideoFrame:
        luma, blue, red = _limited_levels(frame, *_BT709)
        planes = _rounded(luma, _FRACTION), *(_rounded(_halved(plane), _FRACTION + 3) for plane in (blue, red))
        packed = np.concatenate([plane.ravel() for plane in planes]).reshape(-1, frame.shape[2])
        return av.VideoFrame.from_ndarray(packed, "yuv420p")

    options = {"crf": "16", "preset": "medium"}
    _encode(file, map(picture, frames), rate, "mp4", "libx264", "yuv420p", options, (_TAG_BT709, _TAG_LIMITED))


def _write_mkv(file: BinaryIO, frames: Frames, rate: Fraction) -> None:
    def picture(frame: NDArray[np.uint8]) -> av.VideoFrame:
        packed = np.ascontiguousarray(frame.transpose(1, 2, 0))
        return av.VideoFrame.from_ndarray(packed, "rgb24").reformat(format="bgr0")

    options = {"level": "3", "g": "1", "slices": "4", "slicecrc": "1"}  # Every frame by itself, with check sums.
    _encode(file, map(picture, frames), rate, "matroska", "ffv1", "bgr0", options, (_TAG_RGB, _TAG_FULL))


def _encode(
    file: BinaryIO,
    pictures: Iterator[av.VideoFrame],
    rate: Fraction,
    container: str,
    codec: str,
    pixel_format: str,
    options: dict[str, str],
    tags: tuple[int, int],
) -> None:
    """Encode pictures of one size; ``tags`` are FFmpeg's numbers of their matrix and range."""
    first = next(pictures)
    with av.open(file, "w", format=container, options={"fflags": "+bitexact"}) as output:  # No dates, no random ids.
        stream = output.add_stream(codec, rate=rate, options={**options, "flags": "+bitexact"})
        stream.height, stream.width, stream.pix_fmt = first.height, first.width, pixel_format
        context = stream.codec_context
        context.thread_count = _THREADS
        context.color_primaries = context.color_trc = _TAG_BT709
        context.colorspace, context.color_range = tags
        for picture in chain([first], pictures):
            output.mux(stream.encode(picture))
        output.mux(stream.encode())


def _write_y4m(file: BinaryIO, frames: Frames, rate: Fraction) -> None:
    first = next(frames)
    height, width = first.shape[1:]
    matrix = _BT709 if height >= HD_HEIGHT else _BT601
    speed = f"F{rate.numerator}:{rate.denominator}"
    file.write(f"YUV4MPEG2 W{width} H{height} {speed} Ip A1:1 C444 XCOLORRANGE=LIMITED\n".encode())
    for frame in chain([first], frames):
        file.write(b"FRAME\n" + _rounded(_limited_levels(frame, *matrix), _FRACTION).tobytes())


def _write_npy(file: BinaryIO, frames: Frames, _: Fraction) -> None:
    first = next(frames)

    def write_header(count: int) -> None:
        fields = {"descr": "|u1", "fortran_order": False, "shape": (count, *first.shape)}
        np.lib.format.write_array_header_1_0(file, fields)

    count = 0
    write_header(count)  # NumPy leaves room in it for the number of frames, which shows at the end.
    for frame in chain([first], frames):
        file.write(frame.tobytes())
        count += 1
    file.seek(0)
    write_header(count)


def _limited_levels(frame: NDArray[np.uint8], red: float, blue: float) -> NDArray[np.int32]:
    """RGB to limited-range Y, Cb and Cr, in whole numbers so that every machine finds the same.

    Args:
        frame: ``(3, H, W)``.
        red: share of red in luma.
        blue: share of blue in luma.

    Returns:
        ``(3, H, W)``, with ``_FRACTION`` bits after the point.
    """
    luma = np.array([red, 1 - red - blue, blue])
    from_blue, from_red = np.array([0, 0, 1]) - luma, np.array([1, 0, 0]) - luma
    rows = np.stack([219 * luma, 112 / (1 - blue) * from_blue, 112 / (1 - red) * from_red])
    weights = np.rint(rows / 255 * 2**_FRACTION).astype(np.int32)
    zero = np.array([16, 128, 128], np.int32)[:, None, None] << _FRACTION
    return np.tensordot(weights, frame.astype(np.int32), 1) + zero


def _halved(plane: NDArray[np.int32]) -> NDArray[np.int32]:
    """Chroma at half the height and width, times 8, placed at the left as H.264 has it where nothing else is said."""
    even, odd = plane[:, ::2], plane[:, 1::2]
    before = np.concatenate([even[:, :1], odd[:, :-1]], axis=1)
    columns = before + 2 * even + odd
    return columns[::2] + columns[1::2]


def _rounded(levels: NDArray[np.int32], bits: int) -> NDArray[np.uint8]:
    """Round away so many bits after the point."""
    return ((levels + (1 << (bits - 1))) >> bits).astype(np.uint8)


_WRITERS: dict[str, Callable[[BinaryIO, Frames, Fraction], None]] = {
    ".mp4": _write_mp4,
    ".mkv": _write_mkv,
    ".y4m": _write_y4m,
    ".npy": _write_npy,
}
SUFFIXES = tuple(_WRITERS)
"""Endings of the files that ``write_video`` writes."""
