"""A stream of videos as a config describes it."""

from dataclasses import replace
from pathlib import Path

from vcl.config import StreamConfig
from vcl.video.benchmark import resolve
from vcl.video.cache import Clip, default_cache_dir, load_clip
from vcl.video.transform import Transform


def open_stream(config: StreamConfig) -> list[Clip]:
    """All clips in the order of their sessions; decoded now unless the cache has them.

    Raises:
        VideoError: a video is missing or cannot be read as asked.
    """
    root = Path(config.root).expanduser() if config.root is not None else None
    cache = Path(config.cache).expanduser() if config.cache is not None else default_cache_dir()
    transform = Transform(*config.size, start=config.start, frames=config.frames, stride=config.stride)
    sources = resolve(config.benchmark, root, config.videos)
    return [load_clip(replace(source, allow_truncated=config.allow_truncated), transform, cache) for source in sources]
