"""A folder of prepared videos: an array of frames per video, and a record of their sources.

``NAME.npy`` is the array, ``prepared.json`` the record. Experiments map the arrays: nothing is decoded again.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcl.atomic_file import atomic_file
from vcl.datasets.names import name_fault
from vcl.errors import VideoError
from vcl.video.cache import Clip
from vcl.video.digest import recall, remember, stamp
from vcl.video.read import frame_array
from vcl.video.readers.orientation import UPRIGHT, Orientation
from vcl.video.source import RawFormat, VideoSource
from vcl.video.transform import Transform

RECORD = "prepared.json"
LEADING = "leading.json"
"""Digests of the first frames of arrays, for experiments that take fewer than were prepared."""

Progress = Callable[[str, int, int | None], None]
"""Called after every frame with the video's name, the frames so far, and their total where it is known."""


@dataclass(frozen=True)
class PreparedVideo:
    """The record of one prepared video.

    Args:
        frames: length of its array.
        sha256: digest of the bytes of all frames, 64 hex digits.
        stamp: :func:`vcl.video.digest.stamp` of the array, which changes with it.
        source: name of the file or folder that was prepared.
        source_sha256: :func:`vcl.video.digest.content_digest` of the source.
        source_stamp: :func:`vcl.video.digest.stamp` of the source.
        source_size: height and width of its frames, in pixels.
        rate: frames per second of the source, by its benchmark or its file; ``None`` where neither states it.
        source_raw: layout that the source was read with, where it states none itself.
        orientation: from the stored frames of the source to the upright ones of the array.
    """

    frames: int
    sha256: str
    stamp: str
    source: str
    source_sha256: str
    source_stamp: str
    source_size: tuple[int, int]
    rate: Fraction | None
    source_raw: RawFormat | None = None
    orientation: Orientation = UPRIGHT


@dataclass(frozen=True)
class PreparedFolder:
    """The record of a folder of prepared videos.

    Args:
        transform: size and range of all of them.
        videos: records by name, in the order of preparation.
    """

    transform: Transform
    videos: dict[str, PreparedVideo] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write the record to ``prepared.json``.

        Raises:
            OSError: it cannot be written.
        """
        with atomic_file(folder / RECORD) as draft:
            draft.file.write(json.dumps({"version": 1, **asdict(self)}, indent=1, default=str).encode() + b"\n")

    def with_video(self, name: str, video: PreparedVideo) -> "PreparedFolder":
        """A record in which a video is added or replaced."""
        return replace(self, videos={**self.videos, name: video})

    def without_video(self, name: str) -> "PreparedFolder":
        """A record from which a video is removed."""
        return replace(self, videos={other: video for other, video in self.videos.items() if other != name})


def read_prepared(folder: Path) -> PreparedFolder | None:
    """Read the record of a prepared folder.

    Returns:
        The record; ``None`` where the folder has none.

    Raises:
        VideoError: it is damaged.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != 1:
            raise ValueError(f"version must be 1, got {content['version']}")
        videos = {name: _video_from_json(video) for name, video in content["videos"].items()}
        invalid = [name for name in videos if name_fault(name)]
        if invalid:
            raise ValueError(f"a name must be that of one file, got {invalid[0]!r}")
        return PreparedFolder(Transform(**content["transform"]), videos)
    except (OSError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise VideoError(f"{path}: the record of a prepared folder cannot be read ({error!r})") from error


def _video_from_json(content: dict[str, Any]) -> PreparedVideo:
    """The record of one video; raises an error of any kind that ``read_prepared`` catches."""
    height, width = content["source_size"]
    raw = content.get("source_raw")  # Missing in older records, as is the orientation: frames were left as stored.
    parsed = {
        "source_size": (int(height), int(width)),
        "rate": None if content["rate"] is None else Fraction(content["rate"]),
        "source_raw": None if raw is None else RawFormat(**raw),
        "orientation": Orientation(*content.get("orientation", UPRIGHT)),
    }
    video = PreparedVideo(**{**content, **parsed})
    if not (isinstance(video.frames, int) and isinstance(video.sha256, str) and len(video.sha256) == 64):
        raise ValueError(f"frames must be a number and sha256 64 digits, got {video.frames!r} and {video.sha256!r}")
    return video


def prepared_clip(source: VideoSource, transform: Transform) -> Clip | None:
    """Map the frames of a source that was prepared at the size of an experiment, all of them or the first ones.

    Args:
        source: any source.
        transform: size and range of the experiment.

    Returns:
        The clip; ``None`` where :func:`prepared_video` finds none.

    Raises:
        VideoError: the record or the array is damaged.
    """
    video = prepared_video(source, transform)
    if video is None:
        return None
    count = transform.frames or video.frames
    frames = frame_array(source.path)
    if frames.shape != (video.frames, 3, transform.height, transform.width):
        raise VideoError(f"{source.path}: must be {video.frames} frames as {RECORD} says, found {frames.shape}")
    if count == video.frames:
        return Clip(source.name, frames, video.sha256)
    return Clip(source.name, frames[:count], _leading_digest(source, frames[:count]))


def _leading_digest(source: VideoSource, frames: NDArray[np.uint8]) -> str:
    """Digest of the first frames of an array, remembered in its folder where that is writable."""
    index, key, current_stamp = source.path.parent / LEADING, f"{source.path.stem}:{len(frames)}", stamp(source.path)
    sha256 = recall(index, key, current_stamp)
    if sha256 is None:
        sha256 = hashlib.sha256(frames.data).hexdigest()
        with suppress(OSError):
            remember(index, key, current_stamp, sha256)
    return sha256


def prepared_video(source: VideoSource, transform: Transform) -> PreparedVideo | None:
    """The record of a source that was prepared at the size of an experiment; its array is not read.

    Args:
        source: any source.
        transform: size and range of the experiment.

    Returns:
        The record; ``None`` where the source is not in a prepared folder or has another size there, or where the range
        is not its first frames.

    Raises:
        VideoError: the record is damaged.
    """
    folder = read_prepared(source.path.parent) if source.path.suffix == ".npy" else None
    video = folder.videos.get(source.path.stem) if folder else None
    if folder is None or video is None:
        return None
    has_size = (folder.transform.height, folder.transform.width) == (transform.height, transform.width)
    is_leading = transform.start == 0 and transform.stride == 1 and (transform.frames or 1) <= video.frames
    return video if has_size and is_leading else None


def verify(folder: Path, progress: Progress = lambda name, count, total: None) -> Iterator[tuple[str, str]]:
    """Read every frame of a prepared folder again and compare it with the record.

    Args:
        folder: a prepared folder.
        progress: called after every frame.

    Yields:
        The name of each video and the problem with it, in one line; an empty line where there is none.

    Raises:
        VideoError: not a prepared folder.
    """
    prepared = read_prepared(folder)
    if prepared is None:
        raise VideoError(f"{folder}: must be a prepared folder, found no {RECORD} in it")
    for name, video in prepared.videos.items():
        yield name, _problem(folder / f"{name}.npy", video, prepared.transform, partial(progress, name))
    for path in sorted(folder.glob("*.npy")):
        if path.stem not in prepared.videos:
            yield path.stem, f"{path.name} is not recorded in {RECORD}"


def _problem(
    path: Path, video: PreparedVideo, transform: Transform, progress: Callable[[int, int | None], None]
) -> str:
    """How an array differs from its record; empty where it does not."""
    if not path.is_file():
        return f"{path.name} is missing"
    try:
        frames = frame_array(path)
    except VideoError as error:
        return str(error)
    expected = (video.frames, 3, transform.height, transform.width)
    if frames.shape != expected:
        return f"{path.name} must be {expected}, found {frames.shape}"
    hasher = hashlib.sha256()
    for count, frame in enumerate(frames, start=1):
        hasher.update(frame.data)
        progress(count, video.frames)
    sha256 = hasher.hexdigest()
    if sha256 != video.sha256:
        return f"{path.name} has other frames than were prepared: SHA-256 {sha256[:12]}, recorded {video.sha256[:12]}"
    return ""
