"""A folder of prepared videos: for each an array of frames, and a record of what they were made from.

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
"""Digests of the first so many frames, where an experiment asked for fewer than were prepared."""

Progress = Callable[[str, int, int | None], None]
"""Told of every frame: the video's name, how many are done, and of how many if that is known."""


@dataclass(frozen=True)
class Made:
    """One prepared video.

    Args:
        frames: how many.
        sha256: digest of their bytes, 64 hex digits.
        stamp: what tells without reading it that the array is still the same.
        source: file or folder they were made from, by name.
        source_sha256: digest of its bytes, as :func:`vcl.video.digest.content_digest` makes it.
        source_stamp: what tells without reading it that it is still the same.
        source_size: height and width of its frames, pixels.
        rate: frames a second of the source, as its benchmark or its file says; ``None`` where neither does.
        source_raw: layout that it was read with, where it says none itself.
        orientation: how its frames are stored, which were set upright.
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
class Prepared:
    """What ``prepared.json`` records.

    Args:
        transform: size and range that all of them have.
        videos: name to what was made, in the order of making.
    """

    transform: Transform
    videos: dict[str, Made] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write the record; raises OSError."""
        with atomic_file(folder / RECORD) as draft:
            draft.file.write(json.dumps({"version": 1, **asdict(self)}, indent=1, default=str).encode() + b"\n")

    def having(self, name: str, made: Made) -> "Prepared":
        """The record with one more video."""
        return replace(self, videos={**self.videos, name: made})

    def without(self, name: str) -> "Prepared":
        """The record with one video less."""
        return replace(self, videos={other: made for other, made in self.videos.items() if other != name})


def read_prepared(folder: Path) -> Prepared | None:
    """Read a folder's record.

    Returns:
        The record; ``None`` where there is none.

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
        videos = {name: _made(made) for name, made in content["videos"].items()}
        strange = [name for name in videos if name_fault(name)]
        if strange:
            raise ValueError(f"a name must be that of one file, got {strange[0]!r}")
        return Prepared(Transform(**content["transform"]), videos)
    except (OSError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise VideoError(f"{path}: the record of a prepared folder cannot be read ({error!r})") from error


def _made(content: dict[str, Any]) -> Made:
    height, width = content["source_size"]
    raw = content.get("source_raw")  # Older records have none, nor an orientation: they kept frames as they are stored.
    changed = {
        "source_size": (int(height), int(width)),
        "rate": None if content["rate"] is None else Fraction(content["rate"]),
        "source_raw": None if raw is None else RawFormat(**raw),
        "orientation": Orientation(*content.get("orientation", UPRIGHT)),
    }
    made = Made(**{**content, **changed})
    if not (isinstance(made.frames, int) and isinstance(made.sha256, str) and len(made.sha256) == 64):
        raise ValueError(f"frames must be a number and sha256 64 digits, got {made.frames!r} and {made.sha256!r}")
    return made


def prepared_clip(source: VideoSource, transform: Transform) -> Clip | None:
    """Map frames that were prepared just as an experiment wants them, all of them or the first so many.

    Args:
        source: any source.
        transform: what is wanted.

    Returns:
        The clip; ``None`` where the source is none of a prepared folder, or was prepared otherwise.

    Raises:
        VideoError: the record or the array is damaged.
    """
    made = made_so(source, transform)
    if made is None:
        return None
    count = transform.frames or made.frames
    frames = frame_array(source.path)
    if frames.shape != (made.frames, 3, transform.height, transform.width):
        raise VideoError(f"{source.path}: must be {made.frames} frames as {RECORD} says, found {frames.shape}")
    if count == made.frames:
        return Clip(source.name, frames, made.sha256)
    return Clip(source.name, frames[:count], _leading_digest(source, frames[:count]))


def _leading_digest(source: VideoSource, frames: NDArray[np.uint8]) -> str:
    """Digest of the first frames of an array; remembered beside it, where that folder can be written."""
    index, key, current = source.path.parent / LEADING, f"{source.path.stem}:{len(frames)}", stamp(source.path)
    sha256 = recall(index, key, current)
    if sha256 is None:
        sha256 = hashlib.sha256(frames.data).hexdigest()
        with suppress(OSError):
            remember(index, key, current, sha256)
    return sha256


def made_so(source: VideoSource, transform: Transform) -> Made | None:
    """The record of frames that were prepared just as an experiment wants them; their array is not looked at.

    Args:
        source: any source.
        transform: what is wanted.

    Returns:
        The record; ``None`` where the source is none of a prepared folder, or was prepared otherwise.

    Raises:
        VideoError: the record is damaged.
    """
    prepared = read_prepared(source.path.parent) if source.path.suffix == ".npy" else None
    made = prepared.videos.get(source.path.stem) if prepared else None
    if prepared is None or made is None:
        return None
    size = prepared.transform.height, prepared.transform.width
    leading = transform.start == 0 and transform.stride == 1 and (transform.frames or 1) <= made.frames
    return made if leading and size == (transform.height, transform.width) else None


def verify(folder: Path, progress: Progress = lambda name, done, of: None) -> Iterator[tuple[str, str]]:
    """Read every frame of a prepared folder again.

    Args:
        folder: where it was prepared to.
        progress: told of every frame.

    Yields:
        Name of each video and what is wrong with it, in one line; empty where nothing is.

    Raises:
        VideoError: not a prepared folder.
    """
    prepared = read_prepared(folder)
    if prepared is None:
        raise VideoError(f"{folder}: must be a prepared folder, found no {RECORD} in it")
    for name, made in prepared.videos.items():
        yield name, _trouble(folder / f"{name}.npy", made, prepared.transform, partial(progress, name))
    for path in sorted(folder.glob("*.npy")):
        if path.stem not in prepared.videos:
            yield path.stem, f"{path.name} is not recorded in {RECORD}"


def _trouble(path: Path, made: Made, transform: Transform, tell: Callable[[int, int | None], None]) -> str:
    if not path.is_file():
        return f"{path.name} is missing"
    try:
        frames = frame_array(path)
    except VideoError as error:
        return str(error)
    expected = (made.frames, 3, transform.height, transform.width)
    if frames.shape != expected:
        return f"{path.name} must be {expected}, found {frames.shape}"
    sha256 = hashlib.sha256()
    for done, frame in enumerate(frames, start=1):
        sha256.update(frame.data)
        tell(done, made.frames)
    found = sha256.hexdigest()
    if found != made.sha256:
        return f"{path.name} has other frames than were prepared: SHA-256 {found[:12]}, recorded {made.sha256[:12]}"
    return ""
