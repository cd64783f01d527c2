"""What a benchmark's YAML file may say, and the check of it. A new benchmark is a new file, never new code.

A manifest is a mapping of these keys, all optional::

    about:    one line for people
    package:  an installed distribution that holds the clips; without it they lie under the root that the user names
    folders:  sub-folders of the root to look in, in this order (default: the root itself)
    raw:      {height, width, pixel_format} of .yuv files (pixel_format defaults to yuv420p)
    videos:   the videos in their order; without it, every video file and frame folder found is one
      - name:     how reports call it
        path:     file or folder below root or package (default: the name)
        aliases:  other paths to look for when that is not there
        frames:   how many frames it must have
        raw:      as above, for this video
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vcl.errors import VideoError
from vcl.video.source import RawFormat


@dataclass(frozen=True)
class Entry:
    """One video of a manifest.

    Args:
        name: how reports call it.
        paths: where it may lie, relative to the root; the first that exists is taken.
        frames: how many frames it must have, or ``None``.
        raw: layout, should it be a ``.yuv`` file.
    """

    name: str
    paths: tuple[str, ...]
    frames: int | None
    raw: RawFormat | None


@dataclass(frozen=True)
class Manifest:
    """A benchmark.

    Args:
        name: how messages call it.
        package: distribution that holds the clips, or ``None`` when they lie under a root.
        folders: sub-folders of the root, in the order to look in.
        raw: layout of ``.yuv`` files that are discovered.
        videos: its videos in order; empty when they are to be discovered.
    """

    name: str
    package: str | None
    folders: tuple[str, ...]
    raw: RawFormat | None
    videos: tuple[Entry, ...]


def read_manifest(name: str, path: Path) -> Manifest:
    """Read and check a manifest.

    Args:
        name: how messages call the benchmark.
        path: the YAML file.

    Returns:
        The manifest.

    Raises:
        VideoError: unreadable, not YAML, an unknown key, a wrong type or a name given twice.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise VideoError(f"{path}: the benchmark cannot be read ({reason})") from error
    fields = _mapping(content, str(path), {"about", "package", "folders", "raw", "videos"})
    _optional(fields, "about", str, str(path))
    raw = _raw(fields.get("raw"), f"{path}: raw")
    videos = _optional(fields, "videos", list, str(path)) or []
    entries = tuple(_entry(video, f"{path}: videos[{place}]", raw) for place, video in enumerate(videos))
    check_unique([entry.name for entry in entries], str(path))
    package = _optional(fields, "package", str, str(path))
    if package is not None and not entries:
        raise VideoError(f"{path}: a benchmark with a package must list its videos, found none")
    return Manifest(name, package, _texts(fields, "folders", str(path)) or (".",), raw, entries)


def check_unique(names: list[str], where: str) -> None:
    """Refuse a name given twice: a report could not tell the two apart.

    Args:
        names: names of videos.
        where: start of the message.

    Raises:
        VideoError: names the first that is there twice.
    """
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise VideoError(f"{where}: names of videos must differ, found {twice[0]} twice")


def _entry(content: object, where: str, raw: RawFormat | None) -> Entry:
    fields = _mapping(content, where, {"name", "path", "aliases", "frames", "raw"})
    name = _optional(fields, "name", str, where)
    if not name:
        raise VideoError(f"{where}: a video needs a name")
    frames = _optional(fields, "frames", int, where)
    if frames is not None and frames < 1:
        raise VideoError(f"{where}: frames must be at least 1, got {frames}")
    path = _optional(fields, "path", str, where) or name
    own = _raw(fields.get("raw"), f"{where}: raw")
    return Entry(name, (path, *_texts(fields, "aliases", where)), frames, own or raw)


def _raw(content: object, where: str) -> RawFormat | None:
    if content is None:
        return None
    fields = _mapping(content, where, {"height", "width", "pixel_format"})
    height, width = (_optional(fields, side, int, where) for side in ("height", "width"))
    if height is None or width is None or min(height, width) < 1:
        raise VideoError(f"{where}: height and width must be given and at least 1, got {height} and {width}")
    return RawFormat(height, width, _optional(fields, "pixel_format", str, where) or RawFormat.pixel_format)


def _mapping(content: object, where: str, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(content, dict):
        raise VideoError(f"{where}: must be a mapping with some of {', '.join(sorted(known))}, got {content!r}")
    for key in content:
        if key not in known:
            raise VideoError(f"{where}: unknown key {key!r}; known are {', '.join(sorted(known))}")
    return content


def _optional(fields: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    """Value of a key, or ``None``; YAML's true and false are no whole numbers here."""
    value = fields.get(key)
    if value is None or (isinstance(value, kind) and not isinstance(value, bool)):
        return value
    words = {str: "text", int: "a whole number", list: "a list"}
    raise VideoError(f"{where}: {key} must be {words[kind]}, got {value!r}")


def _texts(fields: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    values = _optional(fields, key, list, where) or []
    for value in values:
        if not isinstance(value, str):
            raise VideoError(f"{where}: {key} must be a list of texts, got {value!r} in it")
    return tuple(values)
