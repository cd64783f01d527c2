"""A stream of videos as a config describes it."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np

from vcl.config import StreamConfig
from vcl.video.benchmark import resolve
from vcl.video.cache import Clip, cache_folder, load_clip
from vcl.video.prepared import prepared_clip
from vcl.video.transform import Transform


def open_stream(config: StreamConfig) -> list[Clip]:
    """All clips in the order of their sessions; decoded now unless they are prepared or the cache has them.

    Raises:
        VideoError: a video is missing or cannot be read as asked.
    """
    root = Path(config.root).expanduser() if config.root is not None else None
    transform = transform_of(config)
    sources = resolve(config.benchmark, root, config.videos)
    clips = [
        prepared_clip(source, transform)
        # Asked for here, since a stream that is prepared needs no cache.
        or load_clip(replace(source, allow_truncated=config.allow_truncated), transform, cache_folder(config.cache))
        for source in sources
    ]
    return ordered(clips, config)


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
