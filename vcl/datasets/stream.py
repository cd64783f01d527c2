"""A stream of videos as a config describes it."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np

from vcl.config import StreamConfig
from vcl.datasets.faults import Faults
from vcl.datasets.own import is_video, own_settings
from vcl.datasets.prepared import prepared_clip
from vcl.datasets.resolve import resolve
from vcl.errors import VideoError
from vcl.user_path import user_path
from vcl.video.cache import Clip, cache_folder, cached_clip, load_clip
from vcl.video.probe import probe
from vcl.video.read import check_length
from vcl.video.transform import Transform


def open_stream(config: StreamConfig) -> list[Clip]:
    """All clips in the order of their sessions; decoded now unless they are prepared or the cache has them.

    All videos are looked at before the first is decoded, and one that turns out to be damaged or too short while it is
    decoded does not keep the others from the cache.

    Raises:
        ConfigError: the root or the cache lies in a home that does not exist.
        VideoError: videos are missing or cannot be read as asked, all of them in one message.
    """
    root = root_of(config)
    if root is not None:
        _check_folder(root)
    if config.cache is not None:
        cache_folder(config.cache)
    transform = transform_of(config)
    sources = [
        replace(source, allow_truncated=config.allow_truncated)
        for source in resolve(config.benchmark, root, config.videos)
    ]
    clips: dict[str, Clip] = {}
    faults = Faults()
    for source in sources:
        with faults.collected():
            ready = prepared_clip(source, transform) or cached_clip(source, transform, cache_folder(config.cache))
            if ready:
                clips[source.name] = ready
            elif (frames := probe(source).frames) is not None:
                check_length(source, transform.start, transform.frames, transform.stride, frames)
    faults.raise_any()
    for source in sources:
        if source.name not in clips:
            with faults.collected():
                clips[source.name] = load_clip(source, transform, cache_folder(config.cache))
    faults.raise_any()
    return ordered([clips[source.name] for source in sources], config)


def root_of(config: StreamConfig) -> Path | None:
    """Where its videos lie, if it says so; raises ConfigError as ``user_path`` does."""
    return user_path(config.root, "stream.root") if config.root is not None else None


def _check_folder(root: Path) -> None:
    reason = ""
    try:
        there = root.is_dir()
    except OSError as error:
        there, reason = False, f" ({error.strerror})"
    if not there and not reason and root.exists():
        hint = f"; it is taken out of its folder by {own_settings(root)}" if is_video(root) else ""
        raise VideoError(f"stream.root must be a folder, got the file {root}{hint}")
    if not there:
        raise VideoError(f"stream.root must be a folder that exists, got {root}{reason}")


def transform_of(config: StreamConfig) -> Transform:
    """Size and range of its clips."""
    return Transform(*config.size, start=config.start, frames=config.frames, stride=config.stride)


def ordered(clips: list[Clip], config: StreamConfig) -> list[Clip]:
    """The clips in the order that ``config.order`` asks for."""
    if config.order == "shuffled":
        # By name, so that the order of the stream before does not matter; Python keeps this sequence across versions.
        turns = random.Random(config.order_seed)
        return sorted(sorted(clips, key=lambda clip: clip.name), key=lambda _: turns.random())
    return sorted(clips, key=difficulty) if config.order == "easy_to_hard" else clips


def difficulty(clip: Clip) -> float:
    """How much there is to learn: the mean step from a pixel to the next, in space and in time, in grey levels.

    A crude measure that needs no training: both fine texture and motion raise it. Reads every frame once.
    """
    last: np.ndarray | None = None
    steps = 0.0
    for frame in clip.frames:
        now = frame.astype(np.int16)
        steps += float(np.abs(np.diff(now, axis=-1)).mean() + np.abs(np.diff(now, axis=-2)).mean())
        if last is not None:
            steps += float(np.abs(now - last).mean())
        last = now
    return steps / len(clip.frames)
