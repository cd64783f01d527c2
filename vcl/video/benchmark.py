"""From the name of a benchmark to the sources of its videos."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from vcl.errors import VideoError
from vcl.video.manifest import Entry, Manifest, check_unique, read_manifest
from vcl.video.source import VIDEO_SUFFIXES, VideoSource, image_files, is_visible, natural_key

# Manifests are files beside this one; the package is never imported from an archive, as PyAV could not be either.
_SHIPPED = Path(__file__).parent / "benchmarks"


def benchmark_names() -> list[str]:
    """Names of the benchmarks that come with the package, sorted."""
    return sorted(path.stem for path in _SHIPPED.glob("*.yaml"))


def resolve(benchmark: str, root: Path | None = None, videos: Sequence[str] = ()) -> list[VideoSource]:
    """Find the videos of a benchmark.

    Args:
        benchmark: a name out of :func:`benchmark_names`, or the path of a ``.yaml`` file of one's own.
        root: folder that holds the videos; not looked at when the benchmark says which package holds them.
        videos: names to keep, in this order; none keeps all in the order of the benchmark.

    Returns:
        One source for each video, each of which exists.

    Raises:
        VideoError: an unknown benchmark or video, a wrong manifest, a package that is not installed, a root that is
            missing, or videos that are not there (all of them in one message).
    """
    manifest = _manifest(benchmark)
    folders = _folders(manifest, root)
    entries = list(manifest.videos) or _discover(manifest, folders)
    chosen = _choose(manifest, entries, videos)
    found = [(entry, _locate(entry, folders)) for entry in chosen]
    missing = [f"{entry.name} ({' or '.join(entry.paths)})" for entry, path in found if path is None]
    if missing:
        places = ", ".join(str(folder) for folder in folders)
        raise VideoError(f"the {manifest.name} benchmark lacks {len(missing)} videos in {places}: {', '.join(missing)}")
    return [
        VideoSource(entry.name, path, entry.raw, expected_frames=entry.frames)
        for entry, path in found
        if path is not None
    ]


def listed(benchmark: str, videos: Sequence[str] = ()) -> list[Entry]:
    """The videos that a benchmark's manifest names, here or not; none where it takes whatever lies under a root.

    Args:
        benchmark: as in :func:`resolve`.
        videos: likewise.

    Raises:
        VideoError: an unknown benchmark or video, or a wrong manifest.
    """
    manifest = _manifest(benchmark)
    return _choose(manifest, list(manifest.videos), videos) if manifest.videos else []


def _manifest(benchmark: str) -> Manifest:
    path = Path(benchmark)
    if path.suffix in {".yaml", ".yml"}:
        return read_manifest(path.stem, path)
    if benchmark not in benchmark_names():
        known = ", ".join(benchmark_names())
        raise VideoError(f"benchmark must be one of {known}, or the path of a .yaml file, got {benchmark!r}")
    return read_manifest(benchmark, _SHIPPED / f"{benchmark}.yaml")


def _folders(manifest: Manifest, root: Path | None) -> list[Path]:
    """Existing folders to look in, in order."""
    if manifest.package is not None:
        base = _package_folder(manifest.name, manifest.package)
    elif root is None:
        raise VideoError(f"the {manifest.name} benchmark needs a root, the folder that holds its videos")
    elif not root.is_dir():
        raise VideoError(f"{root}: the root of the {manifest.name} benchmark must be a folder, found none")
    else:
        base = root
    folders = [base / folder for folder in manifest.folders if (base / folder).is_dir()]
    if not folders:
        wanted = ", ".join(manifest.folders)
        raise VideoError(f"{base}: the root of the {manifest.name} benchmark must hold one of {wanted}, found none")
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


def _discover(manifest: Manifest, folders: list[Path]) -> list[Entry]:
    """Make an entry of every video file and frame folder directly inside the first folder that exists."""
    folder = folders[0]
    try:
        inside = [path for path in folder.iterdir() if is_visible(path) and _is_video(path)]
    except OSError as error:
        raise VideoError(f"{folder}: the folder cannot be listed ({error.strerror})") from error
    if not inside:
        suffixes = ", ".join(sorted(VIDEO_SUFFIXES))
        raise VideoError(f"{folder}: must hold video files ({suffixes}) or folders of PNG or JPEG images, found none")
    inside.sort(key=lambda path: natural_key(path.name))
    names = [path.name if path.is_dir() else path.stem for path in inside]
    check_unique(names, str(folder))
    return [Entry(name, (path.name,), None, manifest.raw) for name, path in zip(names, inside, strict=True)]


def _is_video(path: Path) -> bool:
    if path.is_dir():
        return bool(image_files(path))
    return path.suffix.lower() in VIDEO_SUFFIXES


def _choose(manifest: Manifest, entries: list[Entry], names: Sequence[str]) -> list[Entry]:
    """Entries by name, or by file name where the videos were discovered."""
    if not names:
        return entries
    by_name = {path: entry for entry in entries for path in entry.paths} | {entry.name: entry for entry in entries}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        known = ", ".join(entry.name for entry in entries)
        raise VideoError(f"the {manifest.name} benchmark has no video called {', '.join(unknown)}; it has {known}")
    chosen = [by_name[name] for name in names]
    check_unique([entry.name for entry in chosen], f"the {manifest.name} benchmark")
    return chosen


def _locate(entry: Entry, folders: list[Path]) -> Path | None:
    candidates = (folder / path for folder in folders for path in entry.paths)
    return next((candidate for candidate in candidates if candidate.exists()), None)
