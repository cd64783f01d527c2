"""How fast a video of a stream plays."""

from contextlib import ExitStack
from fractions import Fraction

from vcl.config import StreamConfig
from vcl.datasets.prepared import read_prepared
from vcl.datasets.resolve import listed, resolve
from vcl.datasets.stream import root_of
from vcl.errors import ConfigError, VideoError
from vcl.video.readers.track import open_video
from vcl.video.source import RAW_SUFFIXES, VideoSource

SLOWEST, FASTEST = Fraction(1, 10), Fraction(1000)
"""Frames a second that a video file is given."""


def rate_of(config: StreamConfig, name: str) -> Fraction | None:
    """Frames a second of a video as its stream has it: every ``stride``-th frame plays that much longer.

    Args:
        config: the stream.
        name: of one of its videos, which need not be where it was any more.

    Returns:
        What the benchmark, the record of a prepared folder or the file itself says; ``None`` where nobody does.
    """
    rate: int | Fraction | None = None
    stride = config.stride
    try:
        rate = next((entry.rate for entry in listed(config.benchmark) if entry.name == name), None)
        source = resolve(config.benchmark, root_of(config), [name])[0]
        prepared = read_prepared(source.path.parent) if source.path.suffix == ".npy" else None
        if prepared is not None and name in prepared.videos:
            rate, stride = rate or prepared.videos[name].rate, stride * prepared.transform.stride
        rate = rate or rate_of_file(source)
    except (ConfigError, VideoError):
        pass  # The video has gone; what its benchmark says still holds.
    found = Fraction(rate or 0) / stride
    return found if SLOWEST <= found <= FASTEST else None


def rate_of_file(source: VideoSource) -> Fraction | None:
    """The mean rate of a video file; files without a header, arrays and folders of images have none.

    Raises:
        VideoError: it cannot be opened.
    """
    if source.path.is_dir() or source.path.suffix.lower() in {".npy", *RAW_SUFFIXES}:
        return None
    with ExitStack() as stack:
        return open_video(source, stack)[1].average_rate
