"""What lies in a folder: its frames in order, and what looks like a video and is not taken for one."""

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
from vcl.video.source import IMAGE_SUFFIXES, VIDEO_SUFFIXES, fault_of, image_files, missing, visible

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
        inside = visible(folder)
        others = [path for path in inside if path.suffix.lower() in OTHER_IMAGE_SUFFIXES]
        if not frames:
            raise VideoError(f"{folder}: a frame folder must hold PNG or JPEG images, found {_named(others) or 'none'}")
        for path in frames:
            if path.stat().st_size == 0:
                raise VideoError(f"{path}: a frame must have content, found 0 bytes")
        beside = [f"{path.name} ({reason})" for path in inside if (reason := _reason_beside_frames(path))]
    except OSError as error:
        raise VideoError(fault_of(error, folder)) from error
    names = [_FrameName.of(path) for path in frames]
    _refuse_doubles(folder, names)
    remarks = {
        "images that are not PNG or JPEG are left out": _named(others),
        "only its images are used, not": _summary(beside),
        "images that are not named like the rest are taken as frames": _summary(_odd_ones(names)),
        "numbers of frames are missing": _summary(_gaps(names)),
    }
    for remark, subjects in remarks.items():
        if subjects:
            warn_once(f"{folder}: {remark}: {subjects}")
    return frames


class _FrameName(NamedTuple):
    """A frame's file name, its stem taken apart: ``words`` has ``#`` in the places of ``numbers``."""

    name: str
    stem: str
    words: str
    numbers: tuple[int, ...]

    @classmethod
    def of(cls, path: Path) -> "_FrameName":
        stem = unicodedata.normalize("NFKC", path.stem)
        return cls(path.name, stem, _NUMBER.sub("#", stem), tuple(map(int, _NUMBER.findall(stem))))


def _refuse_doubles(folder: Path, names: list[_FrameName]) -> None:
    """Refuse two files for one frame: two formats, a copy, or a mask, a thumbnail or another view beside each frame."""
    by_stem: dict[str, _FrameName] = {}
    by_numbers: dict[tuple[int, ...], _FrameName] = {}
    for name in names:
        twin = by_stem.setdefault(name.stem, name)
        if twin is name and name.numbers:
            twin = by_numbers.setdefault(name.numbers, name)
        if twin is not name:
            raise _doubled(folder, twin, name)
    for numbers, name in by_numbers.items():
        # A copy has its own number behind that of the frame; a thumbnail has its size before or behind it.
        for length in range(1, len(numbers)):
            other = by_numbers.get(numbers[:length]) or by_numbers.get(numbers[length:])
            if other:
                raise _doubled(folder, other, name)


def _doubled(folder: Path, one: _FrameName, other: _FrameName) -> VideoError:
    return VideoError(
        f"{folder}: each frame must be there once, found {one.name} and {other.name};"
        f" keep one kind of them in the folder"
    )


def _odd_ones(names: list[_FrameName]) -> list[str]:
    """Images such as a cover, named unlike most frames, which are numbered."""
    [(words, count)] = Counter(name.words for name in names).most_common(1)
    others = [name.name for name in names if name.words != words]
    return others if "#" in words and count > len(others) else []


def _gaps(names: list[_FrameName]) -> list[str]:
    """Where the last number leaps; nothing where it often does, as that of frames named by their time."""
    steps = [
        (after.numbers[-1] - before.numbers[-1], f"between {before.name} and {after.name}")
        for before, after in pairwise(names)
        if before.numbers and before.words == after.words and before.numbers[:-1] == after.numbers[:-1]
    ]
    [(usual, count)] = Counter(step for step, _ in steps).most_common(1) or [(0, 0)]
    leaps = [where for step, where in steps if step > usual]
    return leaps if count > 1 and len(leaps) <= max(1, len(steps) // 10) else []


def _reason_beside_frames(path: Path) -> str:
    """Why something is not used that lies beside frames and looks like a video, or holds some; else empty."""
    if path.is_dir():
        return _reason_of_folder(path) if path.suffix.lower() not in IMAGE_SUFFIXES else ""
    # Arrays and archives beside frames are mostly something else: poses, flow, masks.
    return "a video beside frames" if path.suffix.lower() in VIDEO_SUFFIXES - {".7z", ".npy"} else ""


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
