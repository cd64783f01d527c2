"""From the name of a benchmark to the sources of its videos."""

import re
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from vcl.config.benchmarks import BENCHMARKS
from vcl.datasets.manifest import Manifest, VideoEntry, read_manifest
from vcl.datasets.names import check_names, check_unique, normalised
from vcl.datasets.user_videos import is_video, run_settings
from vcl.errors import VideoError
from vcl.user_path import user_path
from vcl.video.readers.listing import unused_videos, warn_once
from vcl.video.source import VIDEO_SUFFIXES, VideoSource, image_files, raw_from_name, visible_files
from vcl.wording import did_you_mean

ROOT_KEY = "stream.root"
"""The setting that names the root, unless a caller has another."""


def benchmark_names() -> list[str]:
    """Names of the benchmarks that come with the package or are registered, sorted."""
    return sorted(BENCHMARKS)


def manifest_of(benchmark: str) -> Manifest:
    """Read the manifest of a benchmark.

    Args:
        benchmark: a name from :func:`benchmark_names`, or the path of a user's ``.yaml`` file.

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
        with suppress(OSError):  # A name that is too long.
            if path.exists():
                hint = f"; videos of your own are {run_settings(path)}"
        raise VideoError(f"benchmark must be one of {known}, or the path of a .yaml file, got {benchmark!r}{hint}")
    return read_manifest(benchmark, registered)


def listed_videos(benchmark: str, videos: Sequence[str] = ()) -> list[VideoEntry]:
    """The videos that a benchmark lists, whether they exist on disk or not.

    Args:
        benchmark: a benchmark, as in :func:`manifest_of`.
        videos: names to select, in this order; empty selects all in the order of the benchmark.

    Returns:
        Their entries; none where the benchmark takes every video under a root.

    Raises:
        VideoError: an unknown benchmark or video, or a wrong manifest.
    """
    manifest = manifest_of(benchmark)
    return _select(manifest, list(manifest.videos), videos) if manifest.videos else []


def resolve(benchmark: str, root: Path | None = None, videos: Sequence[str] = ()) -> list[VideoSource]:
    """Find the videos of a benchmark.

    Args:
        benchmark: a benchmark, as in :func:`manifest_of`.
        root: folder that holds the videos; not needed where the benchmark names a package that holds them.
        videos: names to select, in this order; empty selects all in the order of the benchmark.

    Returns:
        One source per video, each of which exists.

    Raises:
        VideoError: an unknown benchmark or video, a wrong manifest, a package that is not installed, a root that is no
            folder, or videos that are missing (all of them in one message).
    """
    manifest = manifest_of(benchmark)
    located = locate(manifest, root, videos)
    missing = [f"{entry.name} ({file_names(entry)})" for entry, paths in located if not paths]
    if missing:
        raise VideoError(f"the {manifest.name} benchmark lacks {len(missing)} videos in {root}: {', '.join(missing)}")
    for entry, paths in located:
        if len(paths) > 1:
            raise VideoError(f"{root}: {ambiguity(entry, paths)}")
    if root is not None and not any(paths[0].is_relative_to(root) for _, paths in located):
        # All would come from a package, and the root would be ignored.
        hint = f"; videos of your own are {run_settings(root)}"
        raise VideoError(f"{root}: holds no video of the {manifest.name} benchmark{hint}")
    return [source_of(entry, paths[0]) for entry, paths in located]


def locate(
    manifest: Manifest, root: Path | None = None, videos: Sequence[str] = (), root_key: str = ROOT_KEY
) -> list[tuple[VideoEntry, list[Path]]]:
    """Find the files and folders that may be the videos of a benchmark.

    Where the benchmark has several folders, the first that has all of these videos is taken, so sizes are not mixed.

    Args:
        manifest: the benchmark.
        root: folder that holds the videos, as in :func:`resolve`.
        videos: names to select, as in :func:`resolve`.
        root_key: the setting or option that names the root, for messages.

    Returns:
        Each video with the files or folders that bear its name: one path unless it is missing or ambiguous.

    Raises:
        VideoError: as :func:`resolve`, but not for videos that are missing or ambiguous; a path that cannot be
            accessed, such as one whose name is too long.
    """
    try:
        if manifest.videos:
            selected = _select(manifest, list(manifest.videos), videos)
            is_packaged = root is None and all(entry.package for entry in selected)
            folders = [] if is_packaged else _folders(manifest, root, root_key)
        else:
            folders = _folders(manifest, root, root_key)
            discovered, unused = _discover(manifest, folders[0])
            selected = _select(manifest, discovered, videos)
            check_names([entry.name for entry in selected], str(folders[0]))
            if unused and not videos:
                warn_once(f"{folders[0]}: not used: {unused}")
        for folder in folders:
            paths = [_paths_of(entry, [folder], manifest.name) for entry in selected]
            if all(paths):
                break
        else:
            paths = [_paths_of(entry, folders, manifest.name) for entry in selected]
        return list(zip(selected, paths, strict=True))
    except OSError as error:
        rule = f"the {manifest.name} benchmark's videos must be accessible"
        raise VideoError(f"{rule} ({error.strerror}: {error.filename})") from error


def ambiguity(entry: VideoEntry, paths: Sequence[Path]) -> str:
    """The refusal of a video for which there are several files."""
    return f"there must be one file for {entry.name}, found {', '.join(path.name for path in paths)}"


def source_of(entry: VideoEntry, path: Path) -> VideoSource:
    """The source of an entry at a path; an array, which may be a part of the video, has no expected length."""
    expected = None if path.suffix == ".npy" else entry.frames
    return VideoSource(entry.name, path, entry.raw or raw_from_name(path.name), expected_frames=expected)


def file_names(entry: VideoEntry) -> str:
    """The names that a video's file or folder may have, such as ``bee or HoneyBee*``."""
    return " or ".join([*entry.paths, *(f"{name}*" for name in entry.files)])


def _folders(manifest: Manifest, root: Path | None, root_key: str) -> list[Path]:
    """Existing folders to search, in order."""
    if root is None:
        rule = f"the {manifest.name} benchmark needs a root, the folder that holds its videos"
        raise VideoError(f"{rule}; give {root_key}=FOLDER")
    _check_root(root, root_key)
    folders = [root / folder for folder in manifest.folders if (root / folder).is_dir()]
    if not folders:
        names = ", ".join(manifest.folders)
        raise VideoError(f"{root}: the root of the {manifest.name} benchmark must hold one of {names}, found none")
    return folders


def _check_root(root: Path, root_key: str) -> None:
    """Refuse a root that is no folder."""
    try:
        str(root).encode()
    except UnicodeEncodeError as error:
        raise VideoError(f"{root_key} must be renamed, since it is not UTF-8, got {str(root)!r}") from error
    try:
        if root.is_dir():
            return
        exists = root.exists()
    except OSError as error:
        raise VideoError(f"{root_key} must be a folder that exists, got {root} ({error.strerror})") from error
    if not exists:
        raise VideoError(f"{root_key} must be a folder that exists, got {root}")
    is_taken = root_key == ROOT_KEY and is_video(root)
    hint = f"it is taken out of its folder by {run_settings(root)}" if is_taken else f"it lies in {root.parent}"
    raise VideoError(f"{root_key} must be a folder, got the file {root}; {hint}")


def _package_folder(benchmark: str, package: str) -> Path:
    """Folder of an installed distribution, which is not imported: it may not run here and still hold good clips."""
    try:
        return Path(str(distribution(package).locate_file("")))
    except PackageNotFoundError as error:
        raise VideoError(
            f"the {benchmark} benchmark reads clips inside the {package} package, which is not installed:"
            f" pip install {package}"
        ) from error


def _discover(manifest: Manifest, folder: Path) -> tuple[list[VideoEntry], str]:
    """An entry per video file and frame folder directly inside a folder, and a line on what else looks like a video."""
    paths = [path for path in visible_files(folder) if _is_named_like_video(path)]
    unused = unused_videos(folder, paths)
    if not paths:
        suffixes = ", ".join(sorted(VIDEO_SUFFIXES))
        rule = f"must hold video files ({suffixes}) or folders of PNG or JPEG images"
        hint = f"; it is one video itself: {run_settings(folder)}" if is_video(folder) else ""
        raise VideoError(f"{folder}: {rule}, found {unused or 'none'}{hint}")
    names = [path.name if path.is_dir() else path.stem for path in paths]
    check_unique(names, str(folder))
    return [VideoEntry(name, (path.name,), raw=manifest.raw) for name, path in zip(names, paths, strict=True)], unused


def _is_named_like_video(path: Path) -> bool:
    """As ``is_video``, but also true of a broken link, which is refused by name when it is read."""
    return bool(image_files(path)) if path.is_dir() else path.suffix.lower() in VIDEO_SUFFIXES


def _select(manifest: Manifest, entries: list[VideoEntry], names: Sequence[str]) -> list[VideoEntry]:
    """Entries by name, or by file name where the videos were discovered; all where no name is given."""
    if not names:
        return entries
    by_name = {normalised(path): entry for entry in entries for path in entry.paths}
    by_name |= {normalised(entry.name): entry for entry in entries}
    unknown = [name for name in names if normalised(name) not in by_name]
    if unknown:
        known = ", ".join(entry.name for entry in entries)
        raise VideoError(f"the {manifest.name} benchmark has no video called {', '.join(unknown)}; it has {known}")
    selected = [by_name[normalised(name)] for name in names]
    check_unique([entry.name for entry in selected], f"the {manifest.name} benchmark")
    return selected


def _paths_of(entry: VideoEntry, folders: list[Path], benchmark: str) -> list[Path]:
    """Prepared frames, else a path of the manifest, else all with an official name, else the clip in the package."""
    for path in (folder / path for folder in folders for path in (f"{entry.name}.npy", *entry.paths)):
        if video := _video_at(path):
            return [video]
    for folder in folders if entry.files else []:
        if paths := _by_official_name(entry, folder):
            return paths
    packaged = (_package_folder(benchmark, entry.package) / path for path in entry.paths) if entry.package else ()
    return [path for path in packaged if path.exists()][:1]


def _by_official_name(entry: VideoEntry, folder: Path) -> list[Path]:
    """Videos with an official name; archives only where they are not unpacked in the same folder."""
    pattern = re.compile(rf"(?:{'|'.join(map(re.escape, (entry.name, *entry.files)))})(?:[_.-].*)?", re.IGNORECASE)
    candidates = [_video_at(path) for path in visible_files(folder) if pattern.fullmatch(path.name)]
    videos = [path for path in candidates if path is not None and (path.is_dir() or _is_named_like_video(path))]
    is_unpacked = any(path.suffix.lower() == ".yuv" for path in videos)
    return [path for path in videos if not (is_unpacked and path.suffix.lower() == ".7z")]


def _video_at(path: Path) -> Path | None:
    """The file or the folder of images at a path, or the only video in a folder, as unpacking leaves it."""
    if not path.is_dir():
        # A broken link too, so that it is refused by name.
        return path if path.exists() or path.is_symlink() else None
    if image_files(path):
        return path
    videos = [file for file in visible_files(path) if file.is_file() and _is_named_like_video(file)]
    return videos[0] if len(videos) == 1 else None
