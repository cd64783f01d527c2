"""How a stored picture is turned and mirrored until it is upright, as cameras record it."""

import math
import struct
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from vcl.errors import VideoError

Pixels = TypeVar("Pixels", bound="np.generic")


class Orientation(NamedTuple):
    """Steps from a stored picture to the upright one: rows and columns are swapped first, then reversed.

    Args:
        swap: rows become columns.
        flip_rows: the last row comes first.
        flip_columns: the last column comes first.
    """

    swap: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    def upright(self, picture: NDArray[Pixels]) -> NDArray[Pixels]:
        """Turn and mirror a stored picture.

        Args:
            picture: ``(H, W, ...)``, any type.

        Returns:
            ``(H, W, ...)``, or ``(W, H, ...)`` where ``swap`` is set; C-contiguous.
        """
        turned = picture.swapaxes(0, 1) if self.swap else picture
        rows, columns = (slice(None, None, -1 if flip else 1) for flip in (self.flip_rows, self.flip_columns))
        return np.ascontiguousarray(turned[rows, columns])

    def upright_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the upright picture, from those of the stored one."""
        return (width, height) if self.swap else (height, width)


UPRIGHT = Orientation()

_BY_EXIF_VALUE = {
    1: UPRIGHT,
    2: Orientation(flip_columns=True),
    3: Orientation(flip_rows=True, flip_columns=True),
    4: Orientation(flip_rows=True),
    5: Orientation(swap=True),
    6: Orientation(swap=True, flip_columns=True),
    7: Orientation(swap=True, flip_rows=True, flip_columns=True),
    8: Orientation(swap=True, flip_rows=True),
}


def from_exif(value: object) -> Orientation:
    """The orientation in EXIF tag 274; a value outside 1 to 8 counts as upright."""
    return _BY_EXIF_VALUE.get(value, UPRIGHT) if isinstance(value, int) else UPRIGHT


def from_display_matrix(content: bytes) -> Orientation:
    """The orientation in a display matrix, as FFmpeg stores it.

    Args:
        content: nine native 32-bit integers ``a b u c d v x y w``; a stored column p and row q are shown at column
            ``a p + c q + x`` and row ``b p + d q + y``.

    Raises:
        VideoError: the matrix does more than quarter turns and mirrors.
    """
    a, b, _, c, d, *_ = struct.unpack("=9i", content)
    if a and d and not b and not c:
        return Orientation(False, d < 0, a < 0)
    if b and c and not a and not d:
        return Orientation(True, b < 0, c < 0)
    angle = f"by {math.degrees(math.atan2(b, a)):.0f} degrees" if a or b else "into nothing"
    raise VideoError(f"the display matrix turns the picture {angle}; only quarter turns and mirrors can be followed")
