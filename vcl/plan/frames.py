"""How many frames a run will have of each video, without decoding one."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace

import av

from vcl.config import StreamConfig
from vcl.datasets.faults import Faults
from vcl.datasets.prepared import prepared_video
from vcl.datasets.resolve import listed_videos, resolve
from vcl.datasets.stream import root_of, transform_of
from vcl.errors import VideoError
from vcl.video.probe import probe
from vcl.video.read import check_count, short_video_error
from vcl.video.readers.track import open_video
from vcl.video.source import RAW_SUFFIXES, VideoSource


def frame_counts(stream: StreamConfig) -> dict[str, int]:
    """Frames that a run trains on, by video, in the order of ``stream.videos`` or of the benchmark.

    Where the videos are here, lengths that show without decoding are looked at, and packets counted where neither the
    manifest nor ``stream.frames`` states a length; where they are not, only these two can.

    Args:
        stream: the config's.

    Raises:
        VideoError: a length is not known, or a video is too short; all of them in one message.
    """
    whole: dict[str, int | None] = {}
    root = root_of(stream)
    try:
        sources = resolve(stream.benchmark, root, stream.videos)
    except VideoError as error:
        whole = {entry.name: entry.frames for entry in listed_videos(stream.benchmark, stream.videos)}
        if not whole and root is not None and root.is_dir():
            raise  # What it takes are the videos that are here, and with these something is wrong.
        whole = whole or dict.fromkeys(stream.videos)
        if not whole:
            hint = "give stream.root, or stream.videos and stream.frames, to plan a run"
            raise VideoError(f"{error}; {hint}") from error
        sources = []
    faults = Faults()
    for source in sources:
        with faults.collected():
            whole[source.name] = _length(replace(source, allow_truncated=stream.allow_truncated), stream)
    paths = {source.name: str(source.path) for source in sources}
    counts: dict[str, int] = {}
    for name, count in whole.items():
        with faults.collected():
            counts[name] = _remaining(name, count, stream, paths.get(name, "of its benchmark"))
    faults.raise_any()
    return counts


def to_decode(stream: StreamConfig, names: Iterable[str]) -> list[str]:
    """Videos that a run will decode into its cache: all but those that are prepared as it wants them.

    Args:
        stream: the config's.
        names: of its videos.
    """
    try:
        sources = resolve(stream.benchmark, root_of(stream), stream.videos)
    except VideoError:
        return list(names)
    transform = transform_of(stream)
    return [source.name for source in sources if prepared_video(source, transform) is None]


def _remaining(name: str, whole: int | None, stream: StreamConfig, path: str) -> int:
    """Frames that ``start``, ``frames`` and ``stride`` leave of a video, whose length may not be known."""
    if whole is None:
        if stream.frames is None:
            raise VideoError(
                f"{name}: it is not known how many frames it has; give stream.frames, or stream.root to count them"
            )
        return stream.frames
    remaining = -(-(whole - stream.start) // stream.stride)
    if remaining < (stream.frames or 1):
        raise short_video_error(name, stream.start, stream.frames, stream.stride, whole, path)
    return stream.frames or remaining


def _length(source: VideoSource, stream: StreamConfig) -> int | None:
    """Frames of a video that is here; ``None`` where they are neither stated nor needed."""
    if source.path.is_dir() or source.path.suffix.lower() in {".npy", *RAW_SUFFIXES}:
        count = probe(source).frames
        if stream.frames is None and count is not None:
            check_count(source, count)
        return count
    return source.expected_frames or _counted(source, exactly=stream.frames is None)


def _counted(source: VideoSource, exactly: bool) -> int | None:
    """Frames that the header states, or else, where it must be known, packets."""
    probe(source)
    try:
        with ExitStack() as stack:
            container, stream = open_video(source, stack)
            if stream.frames or not exactly:
                return stream.frames or None
            return sum(1 for packet in container.demux(stream) if packet.size)
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"{source.path}: its frames cannot be counted ({error}); give stream.frames") from error
