"""From downloads to a folder of prepared videos, one frame in memory at a time."""

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from vcl.atomic_file import atomic_file, remove_drafts
from vcl.datasets.manifest import VideoEntry
from vcl.datasets.prepared import PreparedFolder, PreparedVideo, Progress, read_prepared
from vcl.datasets.rate import rate_of_file
from vcl.datasets.resolve import ambiguity, file_names, locate, manifest_of, source_of
from vcl.errors import VideoError
from vcl.folder_lock import exclusive_lock
from vcl.video.cache import decode_to_npy
from vcl.video.digest import content_digest, stamp
from vcl.video.probe import VideoInfo, probe
from vcl.video.source import RAW_SUFFIXES, RawFormat, VideoSource
from vcl.video.transform import Transform, is_enlarged

logger = logging.getLogger(__name__)

PRESETS = {
    "pfnr720": Transform(720, 1280),
    "hnerv960": Transform(960, 1920),
    "hnerv480": Transform(480, 960, filter="bicubic"),
    "bunny640": Transform(640, 1280),
}
"""Sizes in the literature: that of the PFNR paper; since HNeRV the centre of UVG at 1080p, that centre reduced, and the
centre of Bunny. The largest centre crop of that shape is scaled to that size."""


@dataclass(frozen=True)
class _Job:
    """A video to prepare: its entry in the benchmark, its source, and what probing the source showed."""

    entry: VideoEntry
    source: VideoSource
    info: VideoInfo


def prepare(
    benchmark: str,
    source: Path,
    out: Path,
    transform: Transform,
    videos: Sequence[str] = (),
    as_found: bool = False,
    progress: Progress = lambda name, count, total: None,
) -> dict[str, PreparedVideo]:
    """Prepare the videos of a benchmark; those that are prepared already are left as they are.

    ``transform.frames`` is the most that is taken of a video; a shorter one is taken whole.

    A video's array appears whole or not at all. All sources are probed before the first is read. One that proves
    damaged while it is read does not keep the others from being prepared.

    Args:
        benchmark: a name or a manifest.
        source: folder of downloads: archives, video files, frame folders, in any mixture.
        out: the prepared folder; created when missing.
        transform: size and range of every video.
        videos: names to prepare; empty prepares all.
        as_found: accept other sizes and numbers of frames than those of the benchmark.
        progress: called before the first and after every frame of a video.

    Returns:
        The records of these videos, by name.

    Raises:
        VideoError: videos that are missing or not as expected (all of them in one message), a folder that was prepared
            with another transform or is in use, too little space, or videos that are damaged (after the others are
            prepared).
    """
    if out.resolve() == source.resolve():
        raise VideoError(f"{out}: the prepared folder must be another than the source")
    jobs = _jobs(benchmark, source, transform, videos, as_found)
    with _locked(out):
        folder = read_prepared(out) or PreparedFolder(transform)
        if folder.transform != transform:
            raise VideoError(
                f"{out}: was prepared as {_described(folder.transform)}, asked for {_described(transform)}"
            )
        pending = [job for job in jobs if not _is_prepared(job, folder, out)]
        _check_space(out, pending, transform)
        damaged = []
        for job in pending:
            name = job.entry.name
            if name in folder.videos:
                # Stopped between array and record, it would leave new frames with the digest of the old ones.
                folder = folder.without_video(name)
                folder.write(out)
            try:
                video = _prepare_video(job, out, transform, progress)
            except VideoError as error:
                damaged.append(str(error))
                continue
            folder = folder.with_video(name, video)
            folder.write(out)
    if damaged:
        raise VideoError("\n  ".join([f"{len(damaged)} of {len(jobs)} videos could not be read:", *damaged]))
    return {job.entry.name: folder.videos[job.entry.name] for job in jobs}


def _jobs(benchmark: str, root: Path, transform: Transform, videos: Sequence[str], as_found: bool) -> list[_Job]:
    """Probe all sources; refuse those that are not as the benchmark has them, all in one message."""
    jobs, problems = [], []
    manifest = manifest_of(benchmark)
    located = locate(manifest, root, videos, root_key="--source")
    for entry, paths in located:
        if len(paths) != 1:
            missing = f"missing; looked for {file_names(entry)}, {_expected(entry)}"
            problems.append(f"{entry.name}: {ambiguity(entry, paths) if paths else missing}")
            continue
        try:
            source = source_of(entry, paths[0])
            job = _Job(entry, replace(source, expected_frames=None) if as_found else source, probe(source))
        except VideoError as error:
            problems.append(f"{entry.name}: {error}")
            continue
        if problem := _problem(job, transform, as_found):
            problems.append(f"{entry.name}: {paths[0].name} {problem}")
        jobs.append(job)
    if problems:
        count = f"{len(problems)} of {len(located)} videos in {root} are missing or not as expected:"
        hint = "--videos takes some of them alone, --as-found other sizes and numbers of frames"
        if any(_is_smaller(job, transform) for job in jobs):
            hint += "; --size HxW asks for less"
        raise VideoError("\n  ".join([f"the {manifest.name} benchmark cannot be prepared, {count}", *problems, hint]))
    sizes = {_size_text(job.info.height, job.info.width) for job in jobs if len(job.entry.sizes) > 1}
    if len(sizes) > 1:
        logger.warning("%s: sources of several sizes are mixed: %s (height x width)", root, ", ".join(sorted(sizes)))
    return jobs


def _problem(job: _Job, transform: Transform, as_found: bool) -> str:
    """How a source differs from what is expected of it; empty where it does not."""
    entry, info = job.entry, job.info
    size = _size_text(info.height, info.width)
    if _is_smaller(job, transform):
        return f"has frames of {size}, smaller than the {_described(transform)} asked for"
    if as_found:
        return ""
    if entry.sizes and (info.height, info.width) not in entry.sizes:
        return f"has frames of {size}; expected {_expected(entry)}"
    if entry.frames and info.frames is not None and info.frames != entry.frames:
        return f"has {info.frames} frames; expected {_expected(entry)}"
    return ""


def _is_smaller(job: _Job, transform: Transform) -> bool:
    return is_enlarged(job.info.height, job.info.width, transform)


def _expected(entry: VideoEntry) -> str:
    sizes = " or ".join(_size_text(*size) for size in entry.sizes) or "any size"
    return f"{entry.frames or 'any number of'} frames of {sizes} (height x width)"


def _size_text(height: int, width: int) -> str:
    return f"{height}x{width}"


def _described(transform: Transform) -> str:
    """A transform in words, such as ``720x1280, 10 frames, stride 2``."""
    parts = [
        _size_text(transform.height, transform.width),
        f"frames {transform.start}.." if transform.start else "",
        f"{transform.frames} frames" if transform.frames else "",
        f"stride {transform.stride}" if transform.stride > 1 else "",
        "bicubic" if transform.filter == "bicubic" else "",
    ]
    return ", ".join(filter(None, parts))


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Keep other processes from preparing the same folder, and turn errors of the file system into one line."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(out, VideoError) as is_exclusive:
            if is_exclusive:
                remove_drafts(out)
            yield
    except OSError as error:
        reason = error.strerror or error
        raise VideoError(f"{out}: the prepared folder must be writable and have space left ({reason})") from error


def _is_prepared(job: _Job, folder: PreparedFolder, out: Path) -> bool:
    """Whether this very source is prepared, and neither it nor the array has been written since."""
    video = folder.videos.get(job.entry.name)
    path = out / f"{job.entry.name}.npy"
    if video is None or not path.is_file():
        return False
    has_source = video.source_stamp == stamp(job.source.path) and video.source_raw == _layout(job.source)
    return has_source and video.orientation == job.info.orientation and video.stamp == stamp(path)


def _layout(source: VideoSource) -> RawFormat | None:
    """The layout that a source is read with; ``None`` for a source that states its own."""
    return source.raw if source.path.suffix.lower() in RAW_SUFFIXES else None


def _check_space(out: Path, jobs: list[_Job], transform: Transform) -> None:
    counts = [transform.count(job.info.frames or job.entry.frames or 0) for job in jobs]
    needed = sum(counts) * 3 * transform.height * transform.width
    free = shutil.disk_usage(out).free
    if needed > free:
        raise VideoError(f"{out}: preparing takes {needed:,} bytes, found {free:,} free")


def _prepare_video(job: _Job, out: Path, transform: Transform, progress: Progress) -> PreparedVideo:
    """Write the array of one video; return its record, which is still to be written."""
    name, source, info = job.entry.name, job.source, job.info
    length = info.frames or source.expected_frames
    total = transform.count(length) if length else None
    progress(name, 0, total)
    source_stamp = stamp(source.path)
    source_sha256 = content_digest(source.path)
    path = out / f"{name}.npy"
    with atomic_file(path) as draft:
        count, sha256 = decode_to_npy(
            source,
            replace(transform, frames=None),
            draft.file,
            progress=lambda count: progress(name, count, total),
            limit=transform.frames,
        )
    return PreparedVideo(
        frames=count,
        sha256=sha256,
        stamp=stamp(path),
        source=source.path.name,
        source_sha256=source_sha256,
        source_stamp=source_stamp,
        source_size=(info.height, info.width),
        rate=rate_of_file(source) if job.entry.rate is None else Fraction(job.entry.rate),
        source_raw=_layout(source),
        orientation=info.orientation,
    )
