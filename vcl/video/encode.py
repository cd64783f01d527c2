"""Frames in uint8 -> the bytes of a video file."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain
from typing import BinaryIO

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vcl.video.cache import write_array_header
from vcl.video.readers.container import HD_HEIGHT

Frames = Iterator[NDArray[np.uint8]]
"""Frames ``(3, H, W)``, all of one size, at least one."""

_BT709 = 0.2126, 0.0722
_BT601 = 0.299, 0.114
"""Weights of red and blue in luma."""

_TAG_BT709, _TAG_RGB = 1, 0
_TAG_LIMITED, _TAG_FULL = 1, 2

_FRACTION_BITS = 16
"""Bits after the binary point of levels that are not rounded yet."""

_THREADS = 4
"""Threads of an encoder. The bytes of a stream depend on it, so it is the same on every machine."""


def _write_mp4(file: BinaryIO, frames: Frames, rate: Fraction) -> None:
    def picture(frame: NDArray[np.uint8]) -> VideoFrame:
        luma, blue, red = _limited_levels(frame, *_BT709)
        chroma = (_rounded(_subsampled(plane), _FRACTION_BITS + 3) for plane in (blue, red))
        planes = _rounded(luma, _FRACTION_BITS), *chroma
        packed = np.concatenate([plane.ravel() for plane in planes]).reshape(-1, frame.shape[2])
        return VideoFrame.from_ndarray(packed, "yuv420p")

    options = {"crf": "16", "preset": "medium"}
    _encode(file, map(picture, frames), rate, "mp4", "libx264", "yuv420p", options, (_TAG_BT709, _TAG_LIMITED))


def _write_mkv(file: BinaryIO, frames: Frames, rate: Fraction) -> None:
    def picture(frame: NDArray[np.uint8]) -> VideoFrame:
        packed = np.ascontiguousarray(frame.transpose(1, 2, 0))
        return VideoFrame.from_ndarray(packed, "rgb24").reformat(format="bgr0")

    options = {"level": "3", "g": "1", "slices": "4", "slicecrc": "1"}  # Only key frames, with checksums.
    _encode(file, map(picture, frames), rate, "matroska", "ffv1", "bgr0", options, (_TAG_RGB, _TAG_FULL))


def _encode(
    file: BinaryIO,
    pictures: Iterator[VideoFrame],
    rate: Fraction,
    container: str,
    codec: str,
    pixel_format: str,
    options: dict[str, str],
    tags: tuple[int, int],
) -> None:
    """Encode pictures of one size; ``tags`` are FFmpeg's numbers for their matrix and their range."""
    first = next(pictures)
    with av.open(file, "w", format=container, options={"fflags": "+bitexact"}) as output:  # No dates, no random ids.
        stream = output.add_stream(codec, rate=rate, options={**options, "flags": "+bitexact"})
        assert isinstance(stream, VideoStream)
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
    rate_tag = f"F{rate.numerator}:{rate.denominator}"
    file.write(f"YUV4MPEG2 W{width} H{height} {rate_tag} Ip A1:1 C444 XCOLORRANGE=LIMITED\n".encode())
    for frame in chain([first], frames):
        file.write(b"FRAME\n" + _rounded(_limited_levels(frame, *matrix), _FRACTION_BITS).tobytes())


def _write_npy(file: BinaryIO, frames: Frames, _: Fraction) -> None:
    first = next(frames)
    write_array_header(file, (0, *first.shape))
    count = 0
    for frame in chain([first], frames):
        file.write(frame.tobytes())
        count += 1
    file.seek(0)
    write_array_header(file, (count, *first.shape))


def _limited_levels(frame: NDArray[np.uint8], red: float, blue: float) -> NDArray[np.int32]:
    """RGB to limited-range Y, Cb and Cr, in integers so that every machine computes the same.

    Args:
        frame: ``(3, H, W)``.
        red: weight of red in luma.
        blue: weight of blue in luma.

    Returns:
        ``(3, H, W)``, with ``_FRACTION_BITS`` bits after the binary point.
    """
    luma = np.array([red, 1 - red - blue, blue])
    from_blue, from_red = np.array([0, 0, 1]) - luma, np.array([1, 0, 0]) - luma
    rows = np.stack([219 * luma, 112 / (1 - blue) * from_blue, 112 / (1 - red) * from_red])
    weights = np.rint(rows / 255 * 2**_FRACTION_BITS).astype(np.int32)
    offsets = np.array([16, 128, 128], np.int32)[:, None, None] << _FRACTION_BITS
    levels: NDArray[np.int32] = np.tensordot(weights, frame.astype(np.int32), 1) + offsets
    return levels


def _subsampled(plane: NDArray[np.int32]) -> NDArray[np.int32]:
    """Chroma at half the height and width, times 8, sited at the left, which is the default of H.264."""
    even, odd = plane[:, ::2], plane[:, 1::2]
    before = np.concatenate([even[:, :1], odd[:, :-1]], axis=1)
    columns = before + 2 * even + odd
    return columns[::2] + columns[1::2]


def _rounded(levels: NDArray[np.int32], bits: int) -> NDArray[np.uint8]:
    """Levels without their lowest ``bits``, rounded with halves up."""
    return ((levels + (1 << (bits - 1))) >> bits).astype(np.uint8)


WRITERS: dict[str, Callable[[BinaryIO, Frames, Fraction], None]] = {
    ".mp4": _write_mp4,
    ".mkv": _write_mkv,
    ".y4m": _write_y4m,
    ".npy": _write_npy,
}
"""By suffix: the function that writes frames into an open file, at a rate in frames per second."""
