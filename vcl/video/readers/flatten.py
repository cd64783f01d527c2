"""Transparent pixels, grey pixels and pixels of more than 8 bits -> 8-bit RGB."""

import numpy as np
from numpy.typing import NDArray


def flatten(values: NDArray[np.uint8] | NDArray[np.uint16], peak: int) -> NDArray[np.uint8]:
    """Composite over black, and scale and round to 8 bits.

    Args:
        values: ``(H, W, C)`` in ``[0, peak]``: grey (1), grey and alpha (2), RGB (3) or RGB and alpha (4).
        peak: the brightest level.

    Returns:
        ``(H, W, 3)`` uint8, C-contiguous.
    """
    colour = values
    if values.shape[2] in (2, 4):
        colour, alpha = values[:, :, :-1], values[:, :, -1:]
        levels = np.rint(colour.astype(np.float64) * alpha * (255 / (peak * peak)))
    elif peak != 255:
        levels = np.rint(colour.astype(np.float64) * (255 / peak))
    else:
        levels = colour
    shape = (*values.shape[:2], 3)
    return np.ascontiguousarray(np.broadcast_to(levels.astype(np.uint8), shape))
