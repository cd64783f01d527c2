"""The manifest of a benchmark: its YAML file, read and checked. A new benchmark is a new file, never new code.

A manifest is a mapping of these keys, all optional::

    about:    description in one line
    source:   who publishes its videos
    of:       another benchmark; a video listed by its name alone is taken from that one
    package:  an installed distribution that holds the clips; without it they are under the user's root folder
    folders:  sub-folders of the root to search, in this order (default: the root itself)
    raw:      {height, width, pixel_format} of .yuv files (pixel_format defaults to yuv420p)
    sizes:    list of the [height, width] in which its frames are published
    videos:   the videos in their order; without it, every video file and frame folder of the root is one
      - name:     its name in reports
        path:     file or folder below root or package (default: the name)
        aliases:  other paths to try where that does not exist
        files:    official names: a file, archive or folder with such a name, which may continue after _ - or .
        frames:   how many frames it must have
        rate:     frames per second
        raw, sizes, package:  as above, for this video
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vcl.datasets.names import check_inside, check_unique, name_fault
from vcl.errors import VideoError
from vcl.video.source import RawFormat
from vcl.yaml_text import YamlError, is_null, read_yaml, whole_number

_SHARED = ("package", "raw", "sizes")
"""Keys of the manifest that hold for every video without a value of its own."""


@dataclass(frozen=True)
class VideoEntry:
    """One video of a manifest.

    Args:
        name: its name in reports.
        paths: candidate paths, relative to the root or the package; the first that exists is taken.
        files: official names, without what may follow them; tried where none of ``paths`` exists.
        frames: how many frames it must have, or ``None``.
        sizes: heights and widths that it is published in, in pixels; empty where they are not known.
        rate: frames per second, or ``None``.
        raw: layout, where it is a ``.yuv`` file.
        package: distribution that holds it, where it is not under the root.
    """

    name: str
    paths: tuple[str, ...]
    files: tuple[str, ...] = ()
    frames: int | None = None
    sizes: tuple[tuple[int, int], ...] = ()
    rate: int | None = None
    raw: RawFormat | None = None
    package: str | None = None


@dataclass(frozen=True)
class Manifest:
    """A benchmark.

    Args:
        name: its name in messages.
        about: description in one line.
        source: who publishes its videos.
        of: name of the benchmark that it takes videos from; empty where it takes none.
        folders: sub-folders of the root, in the order of the search.
        raw: layout of ``.yuv`` files that are discovered.
        videos: its videos in order; empty where they are to be discovered.
    """

    name: str
    about: str
    source: str
    of: str
    folders: tuple[str, ...]
    raw: RawFormat | None
    videos: tuple[VideoEntry, ...]


def read_manifest(name: str, path: Path) -> Manifest:
    """Read and check a manifest.

    Args:
        name: the benchmark's name in messages.
        path: the YAML file; one that it is ``of`` is in the same folder.

    Returns:
        The manifest.

    Raises:
        VideoError: the file cannot be read or is not YAML, or has an unknown key, a value of the wrong type or out of
            range, or a name twice.
    """
    where = str(path)
    fields = _mapping(_content(path), where, {"about", "source", "of", "folders", "videos", *_SHARED})
    shared = {key: fields[key] for key in _SHARED if key in fields}
    base = _base_manifest(fields, path)
    videos = _optional(fields, "videos", list, where) or []
    folders = _texts(fields, "folders", where)
    check_inside(folders, f"{where}: folders")
    entries = tuple(
        _base_entry(video, base, f"{where}: videos[{index}]")
        if isinstance(video, str)
        else _entry(video, f"{where}: videos[{index}]", shared)
        for index, video in enumerate(videos)
    )
    check_unique([entry.name for entry in entries], where)
    if "package" in fields and not entries:
        raise VideoError(f"{path}: a benchmark with a package must list its videos, found none")
    return Manifest(
        name=name,
        about=_optional(fields, "about", str, where) or "",
        source=_optional(fields, "source", str, where) or (base.source if base else ""),
        of=base.name if base else "",
        folders=folders or (base.folders if base else (".",)),
        raw=_raw(fields.get("raw"), f"{where}: raw"),
        videos=entries,
    )


def _content(path: Path) -> object:
    try:
        return read_yaml(path)
    except YamlError as error:
        raise VideoError(f"{path}: the benchmark cannot be read ({error})") from error


def _base_manifest(fields: Mapping[str, Any], path: Path) -> Manifest | None:
    """The benchmark that a manifest is ``of``, from which it may list videos by their names."""
    name = _optional(fields, "of", str, str(path))
    if name is None:
        return None
    base_path = path.parent / f"{name}.yaml"
    content = _content(base_path) if base_path in path.parent.glob("*.yaml") else None
    if not isinstance(content, dict) or "of" in content:
        raise VideoError(f"{path}: of must name a benchmark beside it that is of no other itself, got {name!r}")
    return read_manifest(name, base_path)


def _base_entry(name: str, base: Manifest | None, where: str) -> VideoEntry:
    known = {entry.name: entry for entry in base.videos} if base else {}
    if name not in known:
        rule = f"be one of {', '.join(known)}" if base else "be a mapping, or the benchmark say what it is of"
        raise VideoError(f"{where}: a video given by its name must {rule}, got {name!r}")
    return known[name]


def _entry(content: object, where: str, shared: Mapping[str, Any]) -> VideoEntry:
    known = {"name", "path", "aliases", "files", "frames", "rate", *_SHARED}
    fields = {**shared, **_mapping(content, where, known)}
    name = _optional(fields, "name", str, where)
    if not name:
        raise VideoError(f"{where}: a video needs a name")
    if fault := name_fault(name):
        raise VideoError(f"{where}: a name must be that of one file, got {name!r}, which {fault}")
    paths = (_optional(fields, "path", str, where) or name, *_texts(fields, "aliases", where))
    check_inside(paths, where)
    return VideoEntry(
        name=name,
        paths=paths,
        files=_texts(fields, "files", where),
        frames=_count(fields, "frames", where),
        sizes=_sizes(fields, where),
        rate=_count(fields, "rate", where),
        raw=_raw(fields.get("raw"), f"{where}: raw"),
        package=_optional(fields, "package", str, where),
    )


def _raw(content: object, where: str) -> RawFormat | None:
    if content is None:
        return None
    fields = _mapping(content, where, {"height", "width", "pixel_format"})
    height, width = (_optional(fields, side, int, where) for side in ("height", "width"))
    if height is None or width is None or min(height, width) < 1:
        raise VideoError(f"{where}: height and width must be given and at least 1, got {height} and {width}")
    return RawFormat(height, width, _optional(fields, "pixel_format", str, where) or RawFormat.pixel_format)


def _sizes(fields: Mapping[str, Any], where: str) -> tuple[tuple[int, int], ...]:
    sizes = _optional(fields, "sizes", list, where) or []
    checked = []
    for size in sizes:
        sides = [_whole(side, where, "sizes") for side in size] if isinstance(size, list) else []
        if len(sides) != 2 or min(sides) < 1:
            raise VideoError(f"{where}: sizes must be a list of [height, width], got {size!r} in it")
        checked.append((sides[0], sides[1]))
    return tuple(checked)


def _mapping(content: object, where: str, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(content, dict):
        found = repr(content) if isinstance(content, str) else "a list"
        raise VideoError(f"{where}: must be a mapping with some of {', '.join(sorted(known))}, got {found}")
    for key in content:
        if key not in known:
            raise VideoError(f"{where}: unknown key {key!r}; known are {', '.join(sorted(known))}")
    return content


def _optional(fields: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    """Value of a key, checked to be of a kind; ``None`` where it is missing or null."""
    value = fields.get(key)
    if is_null(value):
        return None
    if kind is int:
        return _whole(value, where, key)
    if isinstance(value, kind):
        return str(value) if kind is str else value
    raise VideoError(f"{where}: {key} must be {'a list' if kind is list else 'text'}, got {value!r}")


def _whole(value: object, where: str, key: str) -> int:
    try:
        return whole_number(value)
    except ValueError as error:
        raise VideoError(f"{where}: {key} must be a whole number, got {value!r}") from error


def _count(fields: Mapping[str, Any], key: str, where: str) -> int | None:
    value: int | None = _optional(fields, key, int, where)
    if value is not None and value < 1:
        raise VideoError(f"{where}: {key} must be at least 1, got {value}")
    return value


def _texts(fields: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    values = _optional(fields, key, list, where) or []
    for value in values:
        if not isinstance(value, str):
            raise VideoError(f"{where}: {key} must be a list of texts, got {value!r} in it")
    return tuple(map(str, values))
