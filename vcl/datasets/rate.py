"""The frame rate of a video of a stream."""

from contextlib import ExitStack
from fractions import Fraction

from vcl.config import StreamConfig
from vcl.datasets.prepared import read_prepared
from vcl.datasets.resolve import listed_videos, resolve
from vcl.datasets.stream import root_of
from vcl.errors import ConfigError, VideoError
from vcl.video.readers.track import open_video
from vcl.video.source import RAW_SUFFIXES, VideoSource

SLOWEST, FASTEST = Fraction(1, 10), Fraction(1000)
"""Frames per second that a video file may be written with."""

LARGEST_DENOMINATOR = 2**16
"""Of the rate of a video of a library."""


def rate_of(config: StreamConfig, name: str) -> Fraction | None:
    """Frames per second of a video in its stream, which shows each frame ``stride`` times as long as the source.

    Args:
        config: the stream.
        name: name of one of its videos; the video itself may be gone.

    Returns:
        The rate of the benchmark, the record of a prepared folder or the file itself; ``None`` where none of them
        states one, or one outside [``SLOWEST``, ``FASTEST``].
    """
    rate: int | Fraction | None = None
    stride = config.stride
    try:
        rate = next((entry.rate for entry in listed_videos(config.benchmark) if entry.name == name), None)
        source = resolve(config.benchmark, root_of(config), [name])[0]
        prepared = read_prepared(source.path.parent) if source.path.suffix == ".npy" else None
        if prepared is not None and name in prepared.videos:
            rate, stride = rate or prepared.videos[name].rate, stride * prepared.transform.stride
        rate = rate or rate_of_file(source)
    except (ConfigError, VideoError):
        pass  # The video is gone; the rate of its benchmark still holds.
    shown_rate = Fraction(rate or 0) / stride
    return shown_rate if SLOWEST <= shown_rate <= FASTEST else None


def rate_of_file(source: VideoSource) -> Fraction | None:
    """Mean frames per second of a video file; ``None`` for raw files, arrays and folders of images.

    Raises:
        VideoError: it cannot be opened.
    """
    if source.path.is_dir() or source.path.suffix.lower() in {".npy", *RAW_SUFFIXES}:
        return None
    with ExitStack() as stack:
        return open_video(source, stack)[1].average_rate
