"""From the frames of a source to the frames of an experiment: the range, the centre crop and the size."""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vcl.errors import VideoError
from vcl.video.read import check_range, read_frames
from vcl.video.source import VideoSource

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Transform:
    """Size and range of a clip.

    Args:
        height: rows of the result, in pixels.
        width: columns of the result, in pixels.
        start: index of the first frame, from 0.
        frames: how many frames; ``None`` keeps all to the end.
        stride: distance between two frames that are kept.
        filter: how frames are reduced: the average of the area that a pixel covers, or Pillow's bicubic filter.

    Raises:
        VideoError: a number is out of range.
    """

    height: int
    width: int
    start: int = 0
    frames: int | None = None
    stride: int = 1
    filter: Literal["area", "bicubic"] = "area"

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise VideoError(f"transform: height and width must be at least 1, got {self.height}x{self.width}")
        check_range("transform", self.start, self.frames, self.stride)

    def count(self, frames: int) -> int:
        """How many frames the range contains of a video with ``frames`` frames."""
        available = len(range(self.start, frames, self.stride))
        return available if self.frames is None else min(available, self.frames)


def transformed_frames(source: VideoSource, transform: Transform) -> Iterator[NDArray[np.uint8]]:
    """Read a source, and crop and scale each frame to the size of an experiment.

    A target larger than the source is allowed, with one warning.

    Args:
        source: the video.
        transform: size and range.

    Yields:
        ``(3, height, width)`` uint8, C-contiguous.

    Raises:
        VideoError: as :func:`vcl.video.read.read_frames`.
    """
    warned = False
    for frame in read_frames(source, transform.start, transform.frames, transform.stride):
        height, width = frame.shape[:2]
        if not warned and is_enlarged(height, width, transform):
            target = f"{transform.width}x{transform.height}"
            logger.warning("%s: %dx%d is enlarged to %s (width x height)", source.name, width, height, target)
            warned = True
        yield np.ascontiguousarray(fit(frame, transform).transpose(2, 0, 1))


def is_enlarged(height: int, width: int, transform: Transform) -> bool:
    """Whether the centre crop of a frame is smaller than the target.

    The crop has the target's aspect ratio, so both of its sides are smaller or neither is.
    """
    return height < transform.height or width < transform.width


def fit(frame: NDArray[np.uint8], transform: Transform) -> NDArray[np.uint8]:
    """Crop the centre to the target's aspect ratio, then average areas.

    Where the target is larger, or ``transform.filter`` says so, pixels are interpolated bicubically instead. The crop
    begins on a whole pixel, so that shrinking by a whole number averages whole pixels and a frame that is only cropped
    keeps its remaining pixels unchanged.

    Args:
        frame: ``(H, W, 3)`` uint8.
        transform: its ``height`` and ``width`` are used.

    Returns:
        ``(height, width, 3)`` uint8.
    """
    height, width = frame.shape[:2]
    if (height, width) == (transform.height, transform.width):
        return frame
    # An output pixel covers a square of ``side / parts`` source pixels per side, a fraction so that edges are exact.
    if width * transform.height > height * transform.width:
        side, parts = height, transform.height
    else:
        side, parts = width, transform.width
    top = (height * parts - side * transform.height) // (2 * parts)
    left = (width * parts - side * transform.width) // (2 * parts)
    if transform.filter == "bicubic" or is_enlarged(height, width, transform):
        bottom, right = top + side * transform.height / parts, left + side * transform.width / parts
        crop = Image.fromarray(frame[top : math.ceil(bottom), left : math.ceil(right)])
        box = (0, 0, right - left, bottom - top)
        return np.asarray(crop.resize((transform.width, transform.height), Image.Resampling.BICUBIC, box=box))
    rows = _area_sums(frame, top, side, parts, transform.height)
    sums = _area_sums(rows.transpose(1, 0, 2), left, side, parts, transform.width).transpose(1, 0, 2)
    averages: NDArray[np.uint8] = np.rint(sums / side**2).astype(np.uint8)
    return averages


def _area_sums(
    values: NDArray[np.uint8] | NDArray[np.int64], offset: int, side: int, parts: int, count: int
) -> NDArray[np.int64]:
    """Sum ``count`` adjacent intervals of ``side / parts`` entries along axis 0, from entry ``offset`` on.

    An interval whose edge cuts through an entry takes that fraction of it. Everything is counted in units of
    ``1 / parts``, in integers: the average is exact and the same on every machine. Pillow's BOX filter instead gives
    every pixel whose centre lies inside the same weight, which is off by many levels at sizes that do not divide.

    Returns:
        ``(count, ...)``, each sum ``parts`` times the true one.
    """
    edge, fraction = np.divmod(offset * parts + side * np.arange(count + 1, dtype=np.int64), parts)
    # A pixel covers at least one entry, so no two edges coincide, which reduceat would not sum.
    sums: NDArray[np.int64] = np.add.reduceat(values[: edge[-1]], edge[:-1], axis=0, dtype=np.int64)
    sums *= parts
    if fraction.any():
        # The last edge may lie at the end of the axis, where no fraction of a further entry is needed.
        cut = values[np.minimum(edge, values.shape[0] - 1)] * fraction.reshape(-1, *[1] * (values.ndim - 1))
        sums += np.diff(cut, axis=0)
    return sums
