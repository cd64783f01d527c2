"""From what was downloaded to a folder of prepared videos, one frame in memory at a time."""

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from vcl.atomic_file import atomic_file, remove_drafts
from vcl.datasets.manifest import Entry
from vcl.datasets.prepared import Made, Prepared, Progress, read_prepared
from vcl.datasets.rate import rate_of_file
from vcl.datasets.resolve import locate, manifest_of, source_of, unclear, wanted
from vcl.errors import VideoError
from vcl.folder_lock import exclusive_lock
from vcl.video.cache import decode_to_npy
from vcl.video.digest import content_digest, stamp
from vcl.video.probe import VideoInfo, probe
from vcl.video.source import RAW_SUFFIXES, RawFormat, VideoSource
from vcl.video.transform import Transform

logger = logging.getLogger(__name__)

PRESETS = {
    "pfnr720": Transform(720, 1280),
    "hnerv960": Transform(960, 1920),
    "hnerv480": Transform(480, 960, filter="bicubic"),
    "bunny640": Transform(640, 1280),
}
"""Sizes of the literature: the PFNR paper's; in the HNeRV line the centre of UVG at 1080p, that centre reduced, and the
centre of Bunny. A frame's largest centred part of that shape is brought to that size."""


@dataclass(frozen=True)
class _Job:
    """A video to prepare: what the benchmark says, where it lies, what was found there."""

    entry: Entry
    source: VideoSource
    facts: VideoInfo


def prepare(
    benchmark: str,
    source: Path,
    out: Path,
    transform: Transform,
    videos: Sequence[str] = (),
    as_found: bool = False,
    progress: Progress = lambda name, done, of: None,
) -> dict[str, Made]:
    """Prepare the videos of a benchmark; those that are prepared already are left as they are.

    ``transform.frames`` is the most that is taken of a video; a shorter one is taken whole.

    A video's array appears whole or not at all. All sources are looked at before the first is read, and one that turns
    out to be damaged while it is read does not keep the others from being prepared.

    Args:
        benchmark: a name or a manifest.
        source: folder of what was downloaded: archives, video files, frame folders, in any mixture.
        out: the prepared folder; made when missing.
        transform: size and range of every video.
        videos: names to prepare; none prepares all.
        as_found: take other sizes and numbers of frames than the benchmark says.
        progress: told of every frame.

    Returns:
        These videos, by name.

    Raises:
        VideoError: videos that are missing or not as expected (all of them in one message), a folder that was prepared
            otherwise or is in use, too little space, or videos that are damaged (after the others are prepared).
    """
    if out.resolve() == source.resolve():
        raise VideoError(f"{out}: the prepared folder must be another than the source")
    jobs = _jobs(benchmark, source, transform, videos, as_found)
    with _held(out):
        prepared = read_prepared(out) or Prepared(transform)
        if prepared.transform != transform:
            raise VideoError(f"{out}: was prepared as {_told(prepared.transform)}, asked for {_told(transform)}")
        todo = [job for job in jobs if not _is_done(job, prepared, out)]
        _check_space(out, todo, transform)
        damaged = []
        for job in todo:
            if job.entry.name in prepared.videos:
                # Were it stopped between array and record, new frames would stand under the digest of old ones.
                prepared = prepared.without(job.entry.name)
                prepared.write(out)
            try:
                made = _make(job, out, transform, progress)
            except VideoError as error:
                damaged.append(str(error))
                continue
            prepared = prepared.having(job.entry.name, made)
            prepared.write(out)
    if damaged:
        raise VideoError("\n  ".join([f"{len(damaged)} of {len(jobs)} videos could not be read:", *damaged]))
    return {job.entry.name: prepared.videos[job.entry.name] for job in jobs}


def _jobs(benchmark: str, root: Path, transform: Transform, videos: Sequence[str], as_found: bool) -> list[_Job]:
    """Look at all sources; refuse those that are not as the benchmark says, all at once."""
    jobs, troubles = [], []
    manifest = manifest_of(benchmark)
    entries = locate(manifest, root, videos)
    for entry, paths in entries:
        if len(paths) != 1:
            missing = f"missing; looked for {wanted(entry)}, {_expected(entry)}"
            troubles.append(f"{entry.name}: {unclear(entry, paths) if paths else missing}")
            continue
        path = paths[0]
        try:
            found = source_of(entry, path)
            job = _Job(entry, replace(found, expected_frames=None) if as_found else found, probe(found))
        except VideoError as error:
            troubles.append(f"{entry.name}: {error}")
            continue
        trouble = _trouble(job, transform, as_found)
        if trouble:
            troubles.append(f"{entry.name}: {path.name} {trouble}")
        jobs.append(job)
    if troubles:
        count = f"{len(troubles)} of {len(entries)} videos in {root} are missing or not as expected:"
        hint = "--videos takes some of them alone, --as-found other sizes and numbers of frames"
        if any(_is_smaller(job, transform) for job in jobs):
            hint += "; --size HxW asks for less"
        raise VideoError("\n  ".join([f"the {manifest.name} benchmark cannot be prepared, {count}", *troubles, hint]))
    sizes = {_pixels((job.facts.height, job.facts.width)) for job in jobs if len(job.entry.sizes) > 1}
    if len(sizes) > 1:
        logger.warning("%s: sources of several sizes are mixed: %s (height x width)", root, ", ".join(sorted(sizes)))
    return jobs


def _trouble(job: _Job, transform: Transform, as_found: bool) -> str:
    entry, facts = job.entry, job.facts
    size = facts.height, facts.width
    if _is_smaller(job, transform):
        return f"has frames of {_pixels(size)}, smaller than the {_told(transform)} asked for"
    if as_found:
        return ""
    if entry.sizes and size not in entry.sizes:
        return f"has frames of {_pixels(size)}; expected {_expected(entry)}"
    if entry.frames and facts.frames is not None and facts.frames != entry.frames:
        return f"has {facts.frames} frames; expected {_expected(entry)}"
    return ""


def _is_smaller(job: _Job, transform: Transform) -> bool:
    return job.facts.height < transform.height or job.facts.width < transform.width


def _expected(entry: Entry) -> str:
    sizes = " or ".join(map(_pixels, entry.sizes)) or "any size"
    return f"{entry.frames or 'any number of'} frames of {sizes} (height x width)"


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _told(transform: Transform) -> str:
    part = f", frames {transform.start}.." if transform.start else ""
    part += f", {transform.frames} frames" if transform.frames else ""
    part += f", every {transform.stride}." if transform.stride > 1 else ""
    return f"{_pixels((transform.height, transform.width))}{part}{', bicubic' if transform.filter == 'bicubic' else ''}"


@contextmanager
def _held(out: Path) -> Iterator[None]:
    """Keep other processes from preparing the same folder, and turn what the file system says into one line."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(out, VideoError) as held:
            if held:
                remove_drafts(out)
            yield
    except OSError as error:
        reason = error.strerror or error
        raise VideoError(f"{out}: the prepared folder must be writable and have space left ({reason})") from error


def _is_done(job: _Job, prepared: Prepared, out: Path) -> bool:
    """Whether this very source is prepared so, and neither it nor the array was written anew since."""
    made = prepared.videos.get(job.entry.name)
    path = out / f"{job.entry.name}.npy"
    if made is None or not path.is_file():
        return False
    same = made.source_stamp == stamp(job.source.path) and made.source_raw == _layout(job.source)
    return same and made.orientation == job.facts.orientation and made.stamp == stamp(path)


def _layout(source: VideoSource) -> RawFormat | None:
    """How a source is read that does not say so itself; other sources do not look at it."""
    return source.raw if source.path.suffix.lower() in RAW_SUFFIXES else None


def _check_space(out: Path, jobs: list[_Job], transform: Transform) -> None:
    counts = [transform.count(job.facts.frames or job.entry.frames or 0) for job in jobs]
    needed = sum(counts) * 3 * transform.height * transform.width
    free = shutil.disk_usage(out).free
    if needed > free:
        raise VideoError(f"{out}: preparing takes {needed:,} bytes, found {free:,} free")


def _make(job: _Job, out: Path, transform: Transform, progress: Progress) -> Made:
    name, source, facts = job.entry.name, job.source, job.facts
    total = facts.frames or source.expected_frames
    of = transform.count(total) if total else None
    most, transform = transform.frames, replace(transform, frames=None)
    progress(name, 0, of)
    before = stamp(source.path)
    digest = content_digest(source.path)
    path = out / f"{name}.npy"
    with atomic_file(path) as draft:
        count, sha256 = decode_to_npy(source, transform, draft.file, lambda done: progress(name, done, of), most)
    size = facts.height, facts.width
    rate = rate_of_file(source) if job.entry.rate is None else Fraction(job.entry.rate)
    read_as = _layout(source), facts.orientation
    return Made(count, sha256, stamp(path), source.path.name, digest, before, size, rate, *read_as)
