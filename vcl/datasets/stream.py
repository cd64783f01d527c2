"""The stream of videos that a config describes."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vcl.config import StreamConfig
from vcl.datasets.faults import Faults
from vcl.datasets.prepared import prepared_clip
from vcl.datasets.resolve import ROOT_KEY, resolve
from vcl.user_path import user_path
from vcl.video.cache import Clip, cache_folder, cached_clip, load_clip
from vcl.video.probe import probe
from vcl.video.read import check_length
from vcl.video.transform import Transform


def open_stream(config: StreamConfig, appended: Sequence[StreamConfig] = ()) -> list[Clip]:
    """All clips in the order of their sessions, decoded now unless they are prepared or in the cache.

    All videos are probed before the first is decoded. One that proves damaged or too short while it is decoded does not
    keep the others from the cache.

    Args:
        config: the ``stream`` section of a run's config.
        appended: streams of one video each that the run took later.

    Raises:
        ConfigError: the root or the cache lies in a home that does not exist.
        VideoError: videos are missing, damaged or too short, all of them in one message.
    """
    if config.cache is not None:
        cache_folder(config.cache)  # Refused before a video is read.
    transform = transform_of(config)
    sources = [
        replace(source, allow_truncated=config.allow_truncated)
        for source in resolve(config.benchmark, root_of(config), config.videos)
    ]
    clips: dict[str, Clip] = {}
    faults = Faults()
    for source in sources:
        with faults.collected():
            clip = prepared_clip(source, transform) or cached_clip(source, transform, cache_folder(config.cache))
            if clip:
                clips[source.name] = clip
            elif (frames := probe(source).frames) is not None:
                check_length(source, transform.start, transform.frames, transform.stride, frames)
    faults.raise_any()
    for source in sources:
        if source.name not in clips:
            with faults.collected():
                clips[source.name] = load_clip(source, transform, cache_folder(config.cache))
    faults.raise_any()
    clips_in_order = ordered([clips[source.name] for source in sources], config)
    return [*clips_in_order, *(clip for stream in appended for clip in open_stream(stream))]


def root_of(config: StreamConfig) -> Path | None:
    """The folder that holds the videos of a stream, or ``None`` where the config names none.

    Raises:
        ConfigError: it lies in a home that does not exist.
    """
    return user_path(config.root, ROOT_KEY) if config.root is not None else None


def transform_of(config: StreamConfig) -> Transform:
    """Size and range of the clips of a stream."""
    return Transform(*config.size, start=config.start, frames=config.frames, stride=config.stride)


def ordered(clips: list[Clip], config: StreamConfig) -> list[Clip]:
    """The clips in the order of their sessions, by ``config.order`` and ``config.order_seed``."""
    if config.order == "shuffled":
        # From the order of names, so that the order before does not matter; Python keeps this sequence across versions.
        generator = random.Random(config.order_seed)
        return sorted(sorted(clips, key=lambda clip: clip.name), key=lambda _: generator.random())
    return sorted(clips, key=difficulty) if config.order == "easy_to_hard" else clips


def difficulty(clip: Clip) -> float:
    """Mean absolute difference between adjacent pixels, in space and in time, in levels of 0 to 255.

    A crude measure of how much there is to learn, without training: both fine texture and motion increase it. Reads
    every frame once.
    """
    previous: np.ndarray | None = None
    total = 0.0
    for frame in clip.frames:
        current = frame.astype(np.int16)
        total += float(np.abs(np.diff(current, axis=-1)).mean() + np.abs(np.diff(current, axis=-2)).mean())
        if previous is not None:
            total += float(np.abs(current - previous).mean())
        previous = current
    return total / len(clip.frames)
