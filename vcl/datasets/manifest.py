"""What a benchmark's YAML file may say, and the check of it. A new benchmark is a new file, never new code.

A manifest is a mapping of these keys, all optional::

    about:    one line for people
    source:   where its videos are to be had, by name
    of:       another benchmark; a video that is given by its name alone is that one's
    package:  an installed distribution that holds the clips; without it they lie under the root that the user names
    folders:  sub-folders of the root to look in, in this order (default: the root itself)
    raw:      {height, width, pixel_format} of .yuv files (pixel_format defaults to yuv420p)
    sizes:    [height, width] of the frames as they are published, where they are published in several
    videos:   the videos in their order; without it, every video file and frame folder found is one
      - name:     how reports call it
        path:     file or folder below root or package (default: the name)
        aliases:  other paths to look for when that is not there
        files:    official names: a file, archive or folder with such a name, or one that goes on after it with _ - or .
        frames:   how many frames it must have
        rate:     frames a second
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
"""Keys that a video takes from the whole manifest unless it has its own."""


@dataclass(frozen=True)
class Entry:
    """One video of a manifest.

    Args:
        name: how reports call it.
        paths: where it may lie, relative to the root or the package; the first that exists is taken.
        files: official names, without what follows them; looked for when none of ``paths`` exists.
        frames: how many frames it must have, or ``None``.
        sizes: heights and widths that it is published in, pixels; empty when nobody says.
        rate: frames a second, or ``None``.
        raw: layout, should it be a ``.yuv`` file.
        package: distribution that holds it, should it not lie under the root.
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
        name: how messages call it.
        about: one line for people.
        source: where its videos are to be had.
        of: the benchmark that it takes videos of; empty when it takes none.
        folders: sub-folders of the root, in the order to look in.
        raw: layout of ``.yuv`` files that are discovered.
        videos: its videos in order; empty when they are to be discovered.
    """

    name: str
    about: str
    source: str
    of: str
    folders: tuple[str, ...]
    raw: RawFormat | None
    videos: tuple[Entry, ...]


def read_manifest(name: str, path: Path) -> Manifest:
    """Read and check a manifest.

    Args:
        name: how messages call the benchmark.
        path: the YAML file; one that it is ``of`` lies beside it.

    Returns:
        The manifest.

    Raises:
        VideoError: unreadable, not YAML, an unknown key, a wrong type or a name given twice.
    """
    where = str(path)
    fields = _mapping(_content(path), where, {"about", "source", "of", "folders", "videos", *_SHARED})
    shared = {key: fields[key] for key in _SHARED if key in fields}
    others = _others(fields, path)
    videos = _optional(fields, "videos", list, where) or []
    folders = _texts(fields, "folders", where)
    check_inside(folders, f"{where}: folders")
    entries = tuple(
        _named(video, others, f"{where}: videos[{place}]")
        if isinstance(video, str)
        else _entry(video, f"{where}: videos[{place}]", shared)
        for place, video in enumerate(videos)
    )
    check_unique([entry.name for entry in entries], where)
    if "package" in fields and not entries:
        raise VideoError(f"{path}: a benchmark with a package must list its videos, found none")
    return Manifest(
        name=name,
        about=_optional(fields, "about", str, where) or "",
        source=_optional(fields, "source", str, where) or (others.source if others else ""),
        of=others.name if others else "",
        folders=folders or (others.folders if others else (".",)),
        raw=_raw(fields.get("raw"), f"{where}: raw"),
        videos=entries,
    )


def _content(path: Path) -> object:
    try:
        return read_yaml(path)
    except YamlError as error:
        raise VideoError(f"{path}: the benchmark cannot be read ({error})") from error


def _others(fields: Mapping[str, Any], path: Path) -> Manifest | None:
    """The benchmark that videos are taken from by name."""
    name = _optional(fields, "of", str, str(path))
    if name is None:
        return None
    beside = path.parent / f"{name}.yaml"
    content = _content(beside) if beside in path.parent.glob("*.yaml") else None
    if not isinstance(content, dict) or "of" in content:
        raise VideoError(f"{path}: of must name a benchmark beside it that is of no other itself, got {name!r}")
    return read_manifest(name, beside)


def _named(name: str, others: Manifest | None, where: str) -> Entry:
    known = {entry.name: entry for entry in others.videos} if others else {}
    if name not in known:
        rule = f"be one of {', '.join(known)}" if others else "be a mapping, or the benchmark say what it is of"
        raise VideoError(f"{where}: a video given by its name must {rule}, got {name!r}")
    return known[name]


def _entry(content: object, where: str, shared: Mapping[str, Any]) -> Entry:
    own = _mapping(content, where, {"name", "path", "aliases", "files", "frames", "rate", *_SHARED})
    fields = {**shared, **own}
    name = _optional(fields, "name", str, where)
    if not name:
        raise VideoError(f"{where}: a video needs a name")
    if fault := name_fault(name):
        raise VideoError(f"{where}: a name must be that of one file, got {name!r}, which {fault}")
    paths = (_optional(fields, "path", str, where) or name, *_texts(fields, "aliases", where))
    check_inside(paths, where)
    return Entry(
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
    """Value of a key, or ``None``."""
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
