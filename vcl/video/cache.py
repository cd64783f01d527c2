"""Frames of a clip, decoded once and from then on mapped from disk.

A cache file is a plain ``.npy`` array named ``<key>.<sha256 of the frames>.npy``. The key covers the source's bytes and
everything else the frames depend on, so a stale file is never found; the second part saves hashing the frames again.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vcl.errors import VideoError
from vcl.folder_lock import shared_lock
from vcl.video.digest import source_digest
from vcl.video.read import DAMAGED_ARRAY
from vcl.video.source import VideoSource
from vcl.video.transform import Transform, transformed_frames
from vcl.whole_file import whole_file

logger = logging.getLogger(__name__)

CACHE_VERSION = 1
"""To be raised when the same source and transform give other pixels or another layout than before."""

_CLIPS = "[0-9a-f]{64}"
"""How the names of clips begin; the index of digests, which is written without the lock, has another name."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A video, ready for an experiment.

    Args:
        name: as the benchmark names it.
        frames: ``(T, 3, H, W)`` uint8, C-contiguous, read-only and mapped from disk: touching a frame reads that frame.
        sha256: digest of the bytes of ``frames``, 64 hex digits.
    """

    name: str
    frames: NDArray[np.uint8]
    sha256: str


def cache_folder(stated: str | None) -> Path:
    """Folder of the cache.

    Args:
        stated: ``stream.cache``; by default ``VCL_CACHE`` from the environment, else ``~/.cache/vcl``.

    Raises:
        VideoError: it lies in a home folder that is not known.
    """
    folder = Path(stated or os.environ.get("VCL_CACHE") or "~/.cache/vcl")
    try:
        return folder.expanduser()
    except RuntimeError as error:  # No $HOME, and a user whom the system does not know.
        raise VideoError(
            f"{folder}: the home folder of the clip cache is not known; name a cache folder with stream.cache or "
            "$VCL_CACHE"
        ) from error


def load_clip(source: VideoSource, transform: Transform, cache_dir: Path) -> Clip:
    """Get the frames of a source at the size and range of an experiment.

    The first call decodes into the cache, one frame in memory at a time; later calls map the file.

    Args:
        source: the video.
        transform: size and range.
        cache_dir: folder of the cache; made when missing.

    Returns:
        The clip.

    Raises:
        VideoError: the source cannot be read as asked (nothing is left in the cache), or the cache cannot be written.
    """
    with _writable(cache_dir):
        cache_dir.mkdir(parents=True, exist_ok=True)
        key = _key(source, transform, cache_dir)
        found = _find(source.name, transform, cache_dir, key)
        return found or _map(source.name, _fill(source, transform, cache_dir, key))


def _key(source: VideoSource, transform: Transform, cache_dir: Path) -> str:
    """Digest of everything the frames depend on; the source's name and place are not among it."""
    facts: dict[str, Any] = {
        "version": CACHE_VERSION,
        "content": source_digest(source.path, cache_dir),
        "raw": asdict(source.raw) if source.raw else None,
        "allow_truncated": source.allow_truncated,
        "expected_frames": source.expected_frames,
        "transform": asdict(transform),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _find(name: str, transform: Transform, cache_dir: Path, key: str) -> Clip | None:
    """Map a finished cache file; one that does not open as what it should be is as good as missing."""
    for path in sorted(cache_dir.glob(f"{key}.*.npy")):
        try:
            clip = _map(name, path)
        except DAMAGED_ARRAY as error:
            logger.warning("%s: the cached clip is damaged (%s) and is made again", path, error)
            continue
        if clip.frames.dtype == np.uint8 and clip.frames.shape[1:] == (3, transform.height, transform.width):
            return clip
        logger.warning("%s: the cached clip has the wrong shape and is made again", path)
    return None


def _map(name: str, path: Path) -> Clip:
    frames = np.load(path, mmap_mode="r", allow_pickle=False)
    return Clip(name, frames, path.name.split(".")[1])


def _fill(source: VideoSource, transform: Transform, cache_dir: Path, key: str) -> Path:
    """Decode a source into the cache, under a name that holds the digest of its frames."""
    logger.info("decoding %s", source.name)
    with shared_lock(cache_dir, _CLIPS), whole_file(cache_dir / key) as draft:
        _, sha256 = write_frames(source, transform, draft.file)
        draft.path = cache_dir / f"{key}.{sha256}.npy"
    return draft.path


def write_frames(
    source: VideoSource,
    transform: Transform,
    file: BinaryIO,
    progress: Callable[[int], None] = lambda done: None,
    most: int | None = None,
) -> tuple[int, str]:
    """Decode a source into a ``.npy`` file, one frame in memory at a time.

    Frames are written to the file, not through a map: a full disk is then an error to report, where a map would end the
    process with a bus error.

    Args:
        source: the video.
        transform: size and range.
        file: empty and writable.
        progress: told after every frame how many there are.
        most: stop after so many; unlike ``transform.frames``, fewer are fine.

    Returns:
        How many frames, and the SHA-256 of their bytes.

    Raises:
        VideoError: the source cannot be read as asked.
        OSError: the file cannot be written.
    """
    sha256 = hashlib.sha256()
    shape = (3, transform.height, transform.width)
    # How many frames there are is known at the end only; NumPy pads the header so that the count can grow in place.
    _write_header(file, (0, *shape))
    count = 0
    for count, frame in enumerate(islice(transformed_frames(source, transform), most), start=1):
        sha256.update(frame.data)
        file.write(frame.data)
        progress(count)
    file.seek(0)
    _write_header(file, (count, *shape))
    return count, sha256.hexdigest()


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


@contextmanager
def _writable(cache_dir: Path) -> Iterator[None]:
    """Turn what the file system says into one line; errors of the source are :class:`VideoError` already."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise VideoError(f"{cache_dir}: the clip cache must be writable and have space left ({reason})") from error
