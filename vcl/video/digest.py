"""The digest of a source's bytes, remembered so that gigabytes are hashed once."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from vcl.atomic_file import atomic_file
from vcl.errors import VideoError
from vcl.video.source import image_files, os_error_line

INDEX_NAME = "digests.json"


def source_digest(path: Path, cache_dir: Path) -> str:
    """Digest the content of a source: the bytes of a file, or the names and bytes of a folder's images.

    The digest comes from the index as long as the size and the modification time (in nanoseconds) of every file are
    those that it was computed with. A file rewritten in place with both unchanged is not noticed.

    Args:
        path: a video file or a frame folder.
        cache_dir: an existing folder, which has the index.

    Returns:
        SHA-256, 64 hex digits.

    Raises:
        VideoError: the source is missing, has no images or cannot be read.
        OSError: the index cannot be written.
    """
    index, key, current_stamp = cache_dir / INDEX_NAME, str(path.absolute()), stamp(path)
    sha256 = recall(index, key, current_stamp)
    if sha256 is None:
        sha256 = content_digest(path)
        remember(index, key, current_stamp, sha256)
    return sha256


def known_digest(path: Path, cache_dir: Path) -> str | None:
    """The digest of a source if the index has it; the source itself is not read.

    Args:
        path: a video file or a frame folder.
        cache_dir: the folder that has the index; may be missing.

    Raises:
        VideoError: the source is missing or cannot be accessed.
    """
    return recall(cache_dir / INDEX_NAME, str(path.absolute()), stamp(path))


def recall(index: Path, key: str, current_stamp: str) -> str | None:
    """Look up the digest of content that has not changed since.

    Args:
        index: a file that :func:`remember` writes; may be missing or damaged.
        key: name of the content.
        current_stamp: :func:`stamp` of the content now.

    Returns:
        SHA-256, 64 hex digits; ``None`` where the index has none for that stamp.
    """
    entry = _read_index(index).get(key)
    return entry["sha256"] if entry is not None and entry["stamp"] == current_stamp else None


def remember(index: Path, key: str, current_stamp: str, sha256: str) -> None:
    """Add a digest to an index.

    Args:
        index: the file, which is replaced.
        key: name of the content.
        current_stamp: :func:`stamp` of the content when it was digested.
        sha256: the digest.

    Raises:
        OSError: the index cannot be written.
    """
    # Read only now: another process may have added a digest while this one was busy with gigabytes.
    entries = _read_index(index)
    entries[key] = {"stamp": current_stamp, "sha256": sha256}
    with atomic_file(index) as draft:
        draft.file.write(json.dumps(entries, indent=1, sort_keys=True).encode())


def content_digest(path: Path) -> str:
    """Digest the content of a source, reading all of it.

    Args:
        path: a video file or a frame folder.

    Returns:
        SHA-256 of a file's bytes, or of the names and digests of a folder's images; 64 hex digits.

    Raises:
        VideoError: it cannot be read.
    """
    total = hashlib.sha256()
    for file in _files(path):
        content = hashlib.sha256()
        try:
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    content.update(block)
        except OSError as error:
            raise VideoError(f"{file}: cannot be read ({error.strerror})") from error
        if path == file:
            return content.hexdigest()
        total.update(json.dumps([file.name, content.hexdigest()]).encode())
    return total.hexdigest()


def stamp(path: Path) -> str:
    """One short text that changes when a file is added, removed, renamed, resized or written again.

    Raises:
        VideoError: the video is missing or cannot be read.
    """
    try:
        stats = [[file.name, (stat := file.stat()).st_size, stat.st_mtime_ns] for file in _files(path)]
    except OSError as error:
        raise VideoError(os_error_line(error, path)) from error
    return hashlib.sha256(json.dumps(stats).encode()).hexdigest()


def _files(path: Path) -> list[Path]:
    return image_files(path) if path.is_dir() else [path]


def _read_index(path: Path) -> dict[str, dict[str, str]]:
    """Read the index; one that is missing or damaged counts as empty, which only costs time."""
    index: dict[str, dict[str, str]] = {}
    with suppress(OSError, ValueError):
        entries = json.loads(path.read_text(encoding="utf-8"))
        for key, entry in entries.items() if isinstance(entries, dict) else ():
            if isinstance(entry, dict) and isinstance(entry.get("stamp"), str) and isinstance(entry.get("sha256"), str):
                index[key] = {"stamp": entry["stamp"], "sha256": entry["sha256"]}
    return index
