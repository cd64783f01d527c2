"""Videos of any size for a network of one size: what is larger is scaled down, what is smaller is padded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from vcl.config import StreamConfig
from vcl.config.rules import require
from vcl.datasets.faults import Faults
from vcl.datasets.names import check_names, check_unique
from vcl.datasets.rate import FASTEST, LARGEST_DENOMINATOR, SLOWEST, rate_of_file
from vcl.datasets.user_videos import is_video
from vcl.errors import VideoError
from vcl.video.cache import Clip, cache_folder, load_clip
from vcl.video.probe import probe
from vcl.video.read import check_length
from vcl.video.source import VideoSource, missing_path, raw_from_name
from vcl.video.transform import Transform
from vcl.video.write import RATE


@dataclass(frozen=True, eq=False)
class FittedVideo:
    """A video at the size at which a network holds it.

    Args:
        clip: its frames, not padded.
        rate: frames per second.
    """

    clip: Clip
    rate: Fraction

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, pixels."""
        height, width = self.clip.frames.shape[2:]
        return height, width

    @property
    def pixels(self) -> int:
        """Pixels of all frames together, without padding."""
        return len(self.clip.frames) * self.size[0] * self.size[1]

    def padded(self, size: tuple[int, int]) -> Clip:
        """As the network learns it: the last row and the last column are repeated downwards and to the right.

        Args:
            size: of the network's frame, pixels.
        """
        edges = [(0, whole - own) for whole, own in zip(size, self.size, strict=True)]
        if not any(after for _, after in edges):
            return self.clip
        return replace(self.clip, frames=np.pad(self.clip.frames, ((0, 0), (0, 0), *edges), mode="edge"))


def sources_of(paths: Sequence[Path], allow_truncated: bool = False) -> list[VideoSource]:
    """Videos by their paths, each called after its file or folder.

    Raises:
        ConfigError: there is no path.
        VideoError: a path is no video, its name cannot be a video's, or two have one name.
    """
    require(bool(paths), "videos", "be one or more", "none")
    sources = [_source(path, allow_truncated) for path in paths]
    names = [source.name for source in sources]
    check_names(names, "videos of a library")
    check_unique(names, "videos of a library")
    return sources


def largest_size(sources: Sequence[VideoSource]) -> tuple[int, int]:
    """Height and width that hold every one of some videos, pixels; raises VideoError of all that cannot be read."""
    sizes, faults = [], Faults()
    for source in sources:
        with faults.collected():
            info = probe(source)
            sizes.append((info.height, info.width))
    faults.raise_any()
    return max(height for height, _ in sizes), max(width for _, width in sizes)


def fitted_size(own: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """A video's size in frames of a network: its own where it fits, else the largest of its shape.

    Args:
        own: height and width, pixels.
        size: of the network's frame, pixels.
    """
    (height, width), (most_height, most_width) = own, size
    if height <= most_height and width <= most_width:
        return own
    if height * most_width > width * most_height:
        return most_height, max(1, round(width * most_height / height))
    return max(1, round(height * most_width / width)), most_width


def fitted_videos(sources: Sequence[VideoSource], stream: StreamConfig) -> list[FittedVideo]:
    """Decode videos, each at its own size, or load them from the cache.

    Args:
        sources: the videos.
        stream: size of the network's frames, range of frames and cache.

    Raises:
        VideoError: some cannot be read or are too short, all of them in one message.
    """
    videos, faults = [], Faults()
    for source in sources:
        with faults.collected():
            info = probe(source)
            if info.frames is not None:
                check_length(source, stream.start, stream.frames, stream.stride, info.frames)
            size = fitted_size((info.height, info.width), stream.size)
            transform = Transform(*size, start=stream.start, frames=stream.frames, stride=stream.stride)
            clip = load_clip(source, transform, cache_folder(stream.cache))
            videos.append(FittedVideo(clip, _rate(source, stream.stride)))
    faults.raise_any()
    return videos


def _source(path: Path, allow_truncated: bool) -> VideoSource:
    try:
        if not is_video(path):
            a_file = "a library" if path.suffix == ".vcl" else "a file"
            kind = "a folder without frames" if path.is_dir() else a_file if path.exists() else missing_path(path)
            raise VideoError(f"{path}: a video must be a video file or a folder of PNG or JPEG frames, found {kind}")
        # As it is called: a link may have another name than its target.
        whole = path.resolve() if path.name in ("", "..") else path
        name = whole.stem if path.is_file() else whole.name
    except OSError as error:
        raise VideoError(f"{path}: cannot be read ({error.strerror or error})") from error
    return VideoSource(name, path, raw_from_name(path.name), allow_truncated)


def _rate(source: VideoSource, stride: int) -> Fraction:
    rate = (rate_of_file(source) or RATE) / stride
    return rate.limit_denominator(LARGEST_DENOMINATOR) if SLOWEST <= rate <= FASTEST else RATE
