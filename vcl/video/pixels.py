"""Float frames -> uint8, and PNG files of them; frames are rounded here and nowhere else.

The only file of the room that loads torch.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from vcl.atomic_file import atomic_file
from vcl.errors import VideoError


def to_uint8(frame: torch.Tensor) -> torch.Tensor:
    """Scale levels in [0, 1] to [0, 255] and round them.

    Values outside are clamped. Halves go to the even level, as in ``torch.round``: 0.5 -> 0, 1.5 -> 2.

    Args:
        frame: any shape, any float type.

    Returns:
        uint8 of the same shape, on the same device.
    """
    return frame.clamp(0, 1).mul(255).round().to(torch.uint8)


def stored_frames(frames: NDArray[np.uint8], index: slice | int | NDArray[np.int64]) -> torch.Tensor:
    """Some frames of a clip as a uint8 tensor; a copy, as stored frames are read-only and torch shares only others."""
    return torch.from_numpy(np.array(frames[index]))


def write_png(path: Path, frame: NDArray[np.uint8]) -> None:
    """Write one frame as an 8-bit RGB PNG; the file appears whole or not at all.

    Args:
        path: file to write; its folder must exist.
        frame: ``(3, H, W)`` uint8.

    Raises:
        VideoError: the frame has another shape or type, or the file cannot be written.
    """
    if frame.ndim != 3 or frame.shape[0] != 3 or frame.dtype != np.uint8:
        raise VideoError(f"{path}: a PNG needs a (3, H, W) uint8 frame, got {frame.dtype} {tuple(frame.shape)}")
    try:
        with atomic_file(path) as draft:
            Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0))).save(draft.file, format="PNG")
    except OSError as error:
        raise VideoError(f"{path}: the PNG cannot be written ({error.strerror or error})") from error


def read_png(path: Path) -> NDArray[np.uint8]:
    """Read a PNG that ``write_png`` wrote.

    Args:
        path: the file.

    Returns:
        ``(3, H, W)`` uint8.

    Raises:
        VideoError: the file is missing, damaged or not an 8-bit RGB PNG.
    """
    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.mode != "RGB":
                raise VideoError(f"{path}: must be an 8-bit RGB PNG, got mode {image.mode}")
            return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise VideoError(f"{path}: the PNG cannot be read ({getattr(error, 'strerror', None) or error})") from error
