"""The clip cache: frames are decoded once, and from then on mapped from disk.

A cache file is a plain ``.npy`` array named ``<key>.<sha256 of the frames>.npy``. The key covers the source's bytes and
everything else that the frames depend on, so a stale file never matches; the second part saves hashing them again.
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

from vcl.atomic_file import atomic_file
from vcl.errors import CacheError
from vcl.folder_lock import shared_lock
from vcl.user_path import user_path
from vcl.video.digest import known_digest, source_digest
from vcl.video.read import ARRAY_ERRORS
from vcl.video.source import VideoSource
from vcl.video.transform import Transform, transformed_frames

logger = logging.getLogger(__name__)

CACHE_VERSION = 2
"""To be increased when the same source and transform yield other pixels or another layout than before."""

_KEY = "[0-9a-f]{64}"
"""Start of the names of clips; the index of digests, which is written without the lock, has another name."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A video at the size and range of an experiment.

    Args:
        name: its name in the benchmark.
        frames: ``(T, 3, H, W)`` uint8, C-contiguous, read-only and mapped from disk: touching a frame reads that frame.
        sha256: digest of the bytes of ``frames``, 64 hex digits.
    """

    name: str
    frames: NDArray[np.uint8]
    sha256: str


def cache_folder(setting: str | None) -> Path:
    """Folder of the cache.

    Args:
        setting: ``stream.cache``; without it ``VCL_CACHE`` from the environment, else ``~/.cache/vcl``.

    Raises:
        ConfigError: it lies in a home that does not exist.
        CacheError: neither names a cache, and the home folder is not known.
    """
    variable = os.environ.get("VCL_CACHE")
    if setting or variable:
        return user_path(setting, "stream.cache") if setting else user_path(variable or "", "$VCL_CACHE")
    try:
        return Path.home() / ".cache" / "vcl"
    except RuntimeError as error:  # No $HOME, and a user whom the system does not know.
        rule = "name a cache folder with stream.cache or $VCL_CACHE"
        raise CacheError(f"the clip cache lies in the home folder, which is not known; {rule}") from error


def load_clip(source: VideoSource, transform: Transform, cache_dir: Path) -> Clip:
    """Load the frames of a source at the size and range of an experiment.

    The first call decodes into the cache, one frame in memory at a time; later calls map the file.

    Args:
        source: the video.
        transform: size and range.
        cache_dir: folder of the cache; created when missing.

    Returns:
        The clip.

    Raises:
        VideoError: the source is damaged or has no such range; nothing is left in the cache.
        CacheError: the cache cannot be written.
    """
    with _cache_errors(cache_dir):
        cache_dir.mkdir(parents=True, exist_ok=True)
        key = _key(source, transform, source_digest(source.path, cache_dir))
        cached = _find(source.name, transform, cache_dir, key)
        return cached or _map(source.name, _fill(source, transform, cache_dir, key))


def cached_clip(source: VideoSource, transform: Transform, cache_dir: Path) -> Clip | None:
    """Map the frames of a source if it was decoded before and has not changed since; it is not read.

    Args:
        source: the video.
        transform: size and range.
        cache_dir: folder of the cache; may be missing.

    Returns:
        The clip; ``None`` where :func:`load_clip` would have to read the source.

    Raises:
        VideoError: the source is missing or cannot be accessed.
    """
    digest = known_digest(source.path, cache_dir)
    return None if digest is None else _find(source.name, transform, cache_dir, _key(source, transform, digest))


def _key(source: VideoSource, transform: Transform, digest: str) -> str:
    """Digest of everything that the frames depend on; the source's name and path are not part of it."""
    inputs: dict[str, Any] = {
        "version": CACHE_VERSION,
        "content": digest,
        "raw": asdict(source.raw) if source.raw else None,
        "allow_truncated": source.allow_truncated,
        "expected_frames": source.expected_frames,
        "transform": asdict(transform),
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _find(name: str, transform: Transform, cache_dir: Path, key: str) -> Clip | None:
    """Map a finished cache file; one that is damaged or has another shape counts as missing."""
    for path in sorted(cache_dir.glob(f"{key}.*.npy")):
        try:
            clip = _map(name, path)
        except ARRAY_ERRORS as error:
            logger.warning("%s: the cached clip is damaged (%s) and is decoded again", path, error)
            continue
        if clip.frames.dtype == np.uint8 and clip.frames.shape[1:] == (3, transform.height, transform.width):
            return clip
        logger.warning("%s: the cached clip has the wrong shape and is decoded again", path)
    return None


def _map(name: str, path: Path) -> Clip:
    frames = np.load(path, mmap_mode="r", allow_pickle=False)
    return Clip(name, frames, path.name.split(".")[1])


def _fill(source: VideoSource, transform: Transform, cache_dir: Path, key: str) -> Path:
    """Decode a source into the cache, under a name that contains the digest of its frames."""
    logger.info("decoding %s", source.name)
    with shared_lock(cache_dir, _KEY), atomic_file(cache_dir / key) as draft:
        _, sha256 = decode_to_npy(source, transform, draft.file)
        draft.path = cache_dir / f"{key}.{sha256}.npy"
    return draft.path


def decode_to_npy(
    source: VideoSource,
    transform: Transform,
    file: BinaryIO,
    progress: Callable[[int], None] = lambda count: None,
    limit: int | None = None,
) -> tuple[int, str]:
    """Decode a source into a ``.npy`` file, one frame in memory at a time.

    Frames are written to the file, not through a map: a full disk is then an error to report, where a map would end the
    process with a bus error.

    Args:
        source: the video.
        transform: size and range.
        file: empty and writable.
        progress: called after every frame with the number of frames so far.
        limit: most frames to write; unlike with ``transform.frames``, the video may have fewer.

    Returns:
        The number of frames, and the SHA-256 of their bytes.

    Raises:
        VideoError: the source is damaged or has no such range.
        OSError: the file cannot be written.
    """
    sha256 = hashlib.sha256()
    shape = (3, transform.height, transform.width)
    write_array_header(file, (0, *shape))
    count = 0
    for count, frame in enumerate(islice(transformed_frames(source, transform), limit), start=1):
        sha256.update(frame.data)
        file.write(frame.data)
        progress(count)
    file.seek(0)
    write_array_header(file, (count, *shape))
    return count, sha256.hexdigest()


def write_array_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    """Write the header of a ``.npy`` file of uint8.

    NumPy pads it, so that it can be written again with a first side that is known at the end only.

    Args:
        file: an open file, at its start.
        shape: shape of the array.
    """
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


@contextmanager
def _cache_errors(cache_dir: Path) -> Iterator[None]:
    """Turn errors of the file system into :class:`CacheError`; those of the source are :class:`VideoError` already."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise CacheError(f"{cache_dir}: the clip cache must be writable and have space left ({reason})") from error
