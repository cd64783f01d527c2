"""Pictures as WebP in data URIs, within a number of bytes."""

from __future__ import annotations

import base64
import io

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

_QUALITIES = (80, 65, 50, 35, 20)
"""Of WebP, tried until a picture is small enough; the last is taken as it is."""

_EFFORT = 2
"""Of WebP's encoder, of 6: half the time of its default, and 4 % more bytes."""


def frame_uri(frame: NDArray[np.uint8], most_bytes: int) -> str:
    """A picture of a frame.

    Args:
        frame: ``(h, w, 3)`` uint8.
        most_bytes: of the file, if a quality that can be looked at allows; its text takes a third more.
    """
    picture = Image.fromarray(frame)
    content = b""
    for quality in _QUALITIES:
        file = io.BytesIO()
        picture.save(file, "WEBP", quality=quality, method=_EFFORT)
        content = file.getvalue()
        if len(content) <= most_bytes:
            break
    return f"data:image/webp;base64,{base64.b64encode(content).decode()}"


def error_uri(error: NDArray[np.float16], gain: int, most_bytes: int) -> str:
    """A picture of errors in matplotlib's inferno, black being none.

    Args:
        error: ``(h, w)`` in [0, 1].
        gain: factor by which they are amplified.
        most_bytes: as of ``frame_uri``.
    """
    levels = np.clip(error.astype(np.float32) * gain, 0, 1)
    coloured = matplotlib.colormaps["inferno"](levels, bytes=True)
    return frame_uri(np.ascontiguousarray(coloured[..., :3]), most_bytes)
