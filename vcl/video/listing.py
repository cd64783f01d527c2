"""What lies in a folder: its frames in order, and what looks like a video and is not taken for one."""

import logging
import re
from collections.abc import Collection
from functools import cache
from pathlib import Path

from vcl.errors import VideoError
from vcl.video.source import IMAGE_SUFFIXES, VIDEO_SUFFIXES, fault_of, image_files, missing, visible
from vcl.video.structure import looks_like_video

logger = logging.getLogger(__name__)

OTHER_IMAGE_SUFFIXES = frozenset({".bmp", ".dpx", ".exr", ".gif", ".heic", ".jp2", ".ppm", ".tif", ".tiff", ".webp"})
"""Images that are not read."""
OTHER_VIDEO_SUFFIXES = frozenset(
    {".asf", ".divx", ".dv", ".f4v", ".gz", ".ivf", ".m1v", ".m2v", ".mjpeg", ".mjpg", ".mxf", ".npz", ".nut", ".ogg"}
    | {".rar", ".rgb", ".rm", ".rmvb", ".tar", ".tgz", ".wmv", ".xvid", ".zip"}
)
"""Videos, and archives that may hold some, that are not read."""

_MOST_NAMED = 20
_NUMBER = re.compile("[0-9]+")


def frame_files(folder: Path) -> list[Path]:
    """The frames of a video that is a folder of images, in natural order.

    Args:
        folder: an existing folder.

    Returns:
        PNG and JPEG files directly inside.

    Raises:
        VideoError: there are none, or a frame is there twice, is a link to a file that is missing, or is empty.
    """
    try:
        frames = image_files(folder)
        others = [path for path in visible(folder) if path.suffix.lower() in OTHER_IMAGE_SUFFIXES]
        if not frames:
            raise VideoError(f"{folder}: a frame folder must hold PNG or JPEG images, found {_named(others) or 'none'}")
        for path in frames:
            if path.stat().st_size == 0:
                raise VideoError(f"{path}: a frame must have content, found 0 bytes")
    except OSError as error:
        raise VideoError(fault_of(error, folder)) from error
    _refuse_doubles(folder, frames)
    if others:
        warn_once(f"{folder}: images that are not PNG or JPEG are left out: {_named(others)}")
    return frames


def _refuse_doubles(folder: Path, frames: list[Path]) -> None:
    """Refuse two files for one frame: two formats, or a mask, a depth map or another view beside each frame."""
    by_stem: dict[str, Path] = {}
    by_numbers: dict[tuple[int, ...], Path] = {}
    for path in frames:
        numbers = tuple(map(int, _NUMBER.findall(path.stem)))
        other = by_stem.setdefault(path.stem, path)
        if other is path and numbers:
            other = by_numbers.setdefault(numbers, path)
            if _NUMBER.sub("#", other.stem) == _NUMBER.sub("#", path.stem):
                continue  # One series, in which 1 and 01 are two frames.
        if other is not path:
            raise VideoError(
                f"{folder}: each frame must be there once, found {other.name} and {path.name};"
                f" keep one kind of them in the folder"
            )


def left_out(folder: Path, used: Collection[Path]) -> str:
    """Say what in a folder of videos looks like a video, or holds some, and is not used.

    Args:
        folder: an existing folder.
        used: what is taken of it.

    Returns:
        One line without the folder; empty where there is nothing to tell.

    Raises:
        OSError: the folder cannot be listed.
    """
    reasons = {path.name: _reason(path) for path in visible(folder) if path not in used}
    return _summary([f"{name} ({reason})" for name, reason in reasons.items() if reason])


def _reason(path: Path) -> str:
    """Why something is left out that looks like a video; empty where it does not."""
    suffix = path.suffix.lower()
    if path.is_symlink() and not path.exists():
        return missing(path)
    if path.is_dir():
        return _reason_of_folder(path)
    if suffix in IMAGE_SUFFIXES | OTHER_IMAGE_SUFFIXES:
        return "an image outside a frame folder"
    if suffix in OTHER_VIDEO_SUFFIXES:
        return f"{suffix} files are not read"
    return "looks like a video, but its name has another ending" if looks_like_video(path) else ""


def _reason_of_folder(folder: Path) -> str:
    """The same of a folder without frames, looked into two floors deep."""
    inside = visible(folder)
    deeper = [path for part in inside if part.is_dir() for path in visible(part)]
    for path in [*inside, *deeper]:
        suffix, where = path.suffix.lower(), path.relative_to(folder.parent)
        if path.is_dir():
            continue
        if suffix in IMAGE_SUFFIXES:
            return f"has frames deeper inside, such as {where}"
        if suffix in OTHER_IMAGE_SUFFIXES:
            return f"has images that are not PNG or JPEG, such as {where}"
        if suffix in VIDEO_SUFFIXES | OTHER_VIDEO_SUFFIXES:
            return f"is a folder that holds a video, {where}"
    return ""


def _named(paths: list[Path]) -> str:
    return _summary([path.name for path in paths])


def _summary(words: list[str]) -> str:
    rest = f" and {len(words) - _MOST_NAMED} more" if len(words) > _MOST_NAMED else ""
    return ", ".join(words[:_MOST_NAMED]) + rest


@cache
def warn_once(line: str) -> None:
    """Log a warning, once in a process: the same folder is looked at by several steps of one command."""
    logger.warning("%s", line)
