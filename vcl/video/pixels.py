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


def stored_frames(
    frames: NDArray[np.uint8], index: slice | int | NDArray[np.int64], device: torch.device | str = "cpu"
) -> torch.Tensor:
    """Some frames of a clip as a uint8 tensor.

    Always a copy, as stored frames are read-only and torch shares only others. To CUDA it is made in pinned memory, and
    goes up from there in the current stream while the host goes on.
    """
    selected = frames[index]
    on_cuda = torch.device(device).type == "cuda"
    copy = torch.empty(selected.shape, dtype=torch.uint8, device="cpu", pin_memory=on_cuda)
    np.copyto(copy.numpy(), selected)
    return copy.to(device, non_blocking=True)


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
            # The lowest level takes a quarter of the time, and a tenth more bytes.
            picture = Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0)))
            picture.save(draft.file, format="PNG", compress_level=1)
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
