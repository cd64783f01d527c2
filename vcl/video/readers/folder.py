"""A folder of PNG or JPEG images -> frames, through Pillow."""

import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from vcl.errors import VideoError
from vcl.video.readers.flatten import flatten
from vcl.video.readers.listing import frame_files
from vcl.video.readers.orientation import Orientation, from_exif
from vcl.video.source import VideoSource

_ORIENTATION_KEYS = frozenset({"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"})
"""Where Pillow stores what may state an orientation; only then is it read, which takes a while."""
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
# Everything Pillow raises on a damaged image, and PyAV on a damaged 16-bit one.
_DAMAGE = (OSError, EOFError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError, av.FFmpegError)


def folder_frames(source: VideoSource) -> Iterator[partial[NDArray[np.uint8]]]:
    """Read the images of a folder in natural order, one at a time.

    Args:
        source: ``source.path`` is a folder; other files in it are ignored.

    Yields:
        For each image a call without arguments that reads it as RGB ``(H, W, 3)`` uint8.

    Raises:
        VideoError: no images, a damaged image, images of different sizes, or what :func:`frame_files` refuses.
    """
    paths = frame_files(source.path)
    size, _ = upright_image_size(paths[0])
    for path in paths:
        yield partial(_read_same_size, path, paths[0], size)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read one image as RGB.

    Grey is repeated over the three channels and a palette is looked up. Transparent pixels are laid over black. The
    orientation that EXIF states is followed. 16-bit levels become ``round(level / 257)``, which takes 65535 to 255 and
    is exact in between; Pillow itself would drop the low byte, so PNGs of that depth are decoded by PyAV.

    Args:
        path: a PNG or JPEG file.

    Returns:
        ``(H, W, 3)`` uint8.

    Raises:
        VideoError: the file is damaged or no image.
    """
    try:
        depth = _png_depth(path)
        with Image.open(path) as image:
            if image.format != "MPO" and getattr(image, "is_animated", False):  # MPO: a photo and its preview.
                raise VideoError(f"{path}: a frame must be one image, found an animation")
            pixels = flatten(_read_deep_png(path), 65535) if depth == 16 else flatten(_eight_bit(image, depth), 255)
            return _orientation(image).upright(pixels) if _ORIENTATION_KEYS & image.info.keys() else pixels
    except _DAMAGE as error:
        raise VideoError(f"{path}: the image cannot be read ({str(error).splitlines()[0]})") from error


def _read_same_size(path: Path, first: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    frame = read_image(path)
    height, width = frame.shape[:2]
    if (height, width) != size:
        raise VideoError(
            f"{path.parent}: all images must have one size, found {first.name} at {size[1]}x{size[0]}"
            f" and {path.name} at {width}x{height}"
        )
    return frame


def upright_image_size(path: Path) -> tuple[tuple[int, int], Orientation]:
    """Height and width of an image once upright, and its orientation.

    Raises:
        VideoError: the file is damaged or no image.
    """
    try:
        with Image.open(path) as image:
            orientation = _orientation(image)
            return orientation.upright_size(image.height, image.width), orientation
    except _DAMAGE as error:
        raise VideoError(f"{path}: the image cannot be read ({error})") from error


def _orientation(image: Image.Image) -> Orientation:
    return from_exif(image.getexif().get(ExifTags.Base.Orientation))


def _eight_bit(image: Image.Image, depth: int) -> NDArray[np.uint8]:
    """Pixels of an image of at most 8 bits as ``(H, W, C)``: grey (1), grey and alpha (2), RGB (3) or RGBA (4)."""
    transparent, peak = image.info.get("transparency"), 2**depth - 1
    if depth < 8 and image.mode in {"1", "L"} and isinstance(transparent, int) and transparent <= peak:
        # Pillow scales the grey levels of such a PNG to 8 bits, but not the one that is transparent.
        image.info["transparency"] = transparent * 255 // peak
    if "transparency" in image.info and image.mode in {"1", "L", "P", "RGB"}:
        mode = "RGBA"
    elif image.mode in {"L", "LA", "RGB", "RGBA"}:
        mode = image.mode
    else:
        mode = {"1": "L", "PA": "RGBA"}.get(image.mode, "RGB")
    values = np.asarray(image.convert(mode))
    return values.reshape(*values.shape[:2], -1)


def _png_depth(path: Path) -> int:
    """Bits per channel of a PNG, from its header; 8 for other files."""
    with path.open("rb") as file:
        head = file.read(25)
    return head[24] if len(head) == 25 and head.startswith(_PNG_MAGIC) else 8


def _read_deep_png(path: Path) -> NDArray[np.uint16]:
    """Pixels of a 16-bit PNG as ``(H, W, C)``, taken as they are stored so that no conversion rounds them."""
    with av.open(str(path), mode="r", format="png_pipe", options={"err_detect": "crccheck+explode"}) as container:
        frame = next(container.decode(video=0), None)
    if frame is None or not frame.format.is_big_endian:
        raise ValueError("the PNG holds no 16-bit pixels")
    plane = frame.planes[0]
    rows = np.frombuffer(bytes(plane), dtype=">u2").reshape(frame.height, plane.line_size // 2)
    channels = len(frame.format.components)
    values: NDArray[np.uint16] = rows[:, : frame.width * channels].astype(np.uint16)
    return values.reshape(frame.height, frame.width, channels)
