"""The contents of a folder: its frames in order, and what looks like a video but is not used."""

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Collection
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from vcl.errors import VideoError
from vcl.video.readers.structure import looks_like_video
from vcl.video.source import IMAGE_SUFFIXES, VIDEO_SUFFIXES, image_files, missing_path, os_error_line, visible_files

logger = logging.getLogger(__name__)

OTHER_IMAGE_SUFFIXES = frozenset({".bmp", ".dpx", ".exr", ".gif", ".heic", ".jp2", ".ppm", ".tif", ".tiff", ".webp"})
"""Kinds of images that are not read."""
OTHER_VIDEO_SUFFIXES = frozenset(
    {".asf", ".divx", ".dv", ".f4v", ".gz", ".ivf", ".m1v", ".m2v", ".mjpeg", ".mjpg", ".mxf", ".npz", ".nut", ".ogg"}
    | {".rar", ".rgb", ".rm", ".rmvb", ".tar", ".tgz", ".wmv", ".xvid", ".zip"}
)
"""Kinds of videos, and of archives that may hold videos, that are not read."""

_MAX_NAMED = 20
_NUMBER = re.compile("[0-9]+")


def frame_files(folder: Path) -> list[Path]:
    """The frames of a video that is a folder of images, in natural order.

    Warns of what is left out, of images that are named unlike the rest, and of gaps in their numbers.

    Args:
        folder: an existing folder.

    Returns:
        PNG and JPEG files directly inside.

    Raises:
        VideoError: the folder has no images, or two files for one frame, or an image is empty or a link to a file that
            is missing.
    """
    try:
        frames = image_files(folder)
        contents = visible_files(folder)
        other_images = [path.name for path in contents if path.suffix.lower() in OTHER_IMAGE_SUFFIXES]
        if not frames:
            found = _summary(other_images) or "none"
            raise VideoError(f"{folder}: a frame folder must hold PNG or JPEG images, found {found}")
        for path in frames:
            if path.stat().st_size == 0:
                raise VideoError(f"{path}: a frame must have content, found 0 bytes")
        unused = [f"{path.name} ({reason})" for path in contents if (reason := _unused_beside_frames(path))]
    except OSError as error:
        raise VideoError(os_error_line(error, folder)) from error
    names = [_FrameName.from_path(path) for path in frames]
    _refuse_duplicates(folder, names)
    remarks = {
        "images that are not PNG or JPEG are left out": _summary(other_images),
        "only its images are used, not": _summary(unused),
        "images that are not named like the rest are taken as frames": _summary(_outliers(names)),
        "numbers of frames are missing": _summary(_gaps(names)),
    }
    for remark, subjects in remarks.items():
        if subjects:
            warn_once(f"{folder}: {remark}: {subjects}")
    return frames


class _FrameName(NamedTuple):
    """A frame's file name, its stem split up: ``pattern`` is the stem with ``#`` in place of each of ``numbers``."""

    name: str
    stem: str
    pattern: str
    numbers: tuple[int, ...]

    @classmethod
    def from_path(cls, path: Path) -> "_FrameName":
        stem = unicodedata.normalize("NFKC", path.stem)
        return cls(path.name, stem, _NUMBER.sub("#", stem), tuple(map(int, _NUMBER.findall(stem))))


def _refuse_duplicates(folder: Path, names: list[_FrameName]) -> None:
    """Refuse two files for one frame: two formats, a copy, or a mask, a thumbnail or another view beside each frame."""
    by_stem: dict[str, _FrameName] = {}
    by_numbers: dict[tuple[int, ...], _FrameName] = {}
    for name in names:
        twin = by_stem.setdefault(name.stem, name)
        if twin is name and name.numbers:
            twin = by_numbers.setdefault(name.numbers, name)
        if twin is not name:
            raise _duplicate_error(folder, twin, name)
    for numbers, name in by_numbers.items():
        # A copy has its own number behind that of the frame; a thumbnail has its size before or behind it.
        for length in range(1, len(numbers)):
            original = by_numbers.get(numbers[:length]) or by_numbers.get(numbers[length:])
            if original:
                raise _duplicate_error(folder, original, name)


def _duplicate_error(folder: Path, one: _FrameName, other: _FrameName) -> VideoError:
    return VideoError(
        f"{folder}: there must be one file per frame, found {one.name} and {other.name};"
        f" keep one kind of them in the folder"
    )


def _outliers(names: list[_FrameName]) -> list[str]:
    """Images such as a cover, named unlike most frames, which are numbered."""
    [(pattern, count)] = Counter(name.pattern for name in names).most_common(1)
    others = [name.name for name in names if name.pattern != pattern]
    return others if "#" in pattern and count > len(others) else []


def _gaps(names: list[_FrameName]) -> list[str]:
    """Where the last number leaps; none where it often does, as in frames named by their time."""
    steps = [
        (after.numbers[-1] - before.numbers[-1], f"between {before.name} and {after.name}")
        for before, after in pairwise(names)
        if before.numbers and before.pattern == after.pattern and before.numbers[:-1] == after.numbers[:-1]
    ]
    [(usual, count)] = Counter(step for step, _ in steps).most_common(1) or [(0, 0)]
    gaps = [gap for step, gap in steps if step > usual]
    return gaps if count > 1 and len(gaps) <= max(1, len(steps) // 10) else []


def _unused_beside_frames(path: Path) -> str:
    """Why something beside frames that looks like a video, or holds one, is not used; empty for anything else."""
    if path.is_dir():
        return _unused_folder(path) if path.suffix.lower() not in IMAGE_SUFFIXES else ""
    # Arrays and archives beside frames are mostly something else: poses, flow, masks.
    return "a video beside frames" if path.suffix.lower() in VIDEO_SUFFIXES - {".7z", ".npy"} else ""


def unused_videos(folder: Path, used: Collection[Path]) -> str:
    """Name what in a folder of videos looks like a video, or holds one, and is not used, each with the reason.

    Args:
        folder: an existing folder.
        used: the videos that are used.

    Returns:
        One line without the folder, such as ``a.wmv (.wmv files are not read)``; empty where everything is used.

    Raises:
        OSError: the folder cannot be listed.
    """
    reasons = {path.name: _unused(path) for path in visible_files(folder) if path not in used}
    return _summary([f"{name} ({reason})" for name, reason in reasons.items() if reason])


def _unused(path: Path) -> str:
    """Why something that looks like a video is not used; empty for anything else."""
    suffix = path.suffix.lower()
    if path.is_symlink() and not path.exists():
        return missing_path(path)
    if path.is_dir():
        return _unused_folder(path)
    if suffix in IMAGE_SUFFIXES | OTHER_IMAGE_SUFFIXES:
        return "an image outside a frame folder"
    if suffix in OTHER_VIDEO_SUFFIXES:
        return f"{suffix} files are not read"
    return "looks like a video, but its name has another ending" if looks_like_video(path) else ""


def _unused_folder(folder: Path) -> str:
    """Why a folder without frames of its own is not used, by its files and those of its sub-folders."""
    contents = visible_files(folder)
    nested = [path for subfolder in contents if subfolder.is_dir() for path in visible_files(subfolder)]
    for path in [*contents, *nested]:
        suffix, example = path.suffix.lower(), path.relative_to(folder.parent)
        if path.is_dir():
            continue
        if suffix in IMAGE_SUFFIXES:
            return f"has frames deeper inside, such as {example}"
        if suffix in OTHER_IMAGE_SUFFIXES:
            return f"has images that are not PNG or JPEG, such as {example}"
        if suffix in VIDEO_SUFFIXES | OTHER_VIDEO_SUFFIXES:
            return f"is a folder that holds a video, {example}"
    return ""


def _summary(parts: list[str]) -> str:
    """Parts in one line, the first 20 of them; empty where there are none."""
    rest = f" and {len(parts) - _MAX_NAMED} more" if len(parts) > _MAX_NAMED else ""
    return ", ".join(parts[:_MAX_NAMED]) + rest


@cache
def warn_once(line: str) -> None:
    """Log a warning once per process: several steps of one command look at the same folder."""
    logger.warning("%s", line)
