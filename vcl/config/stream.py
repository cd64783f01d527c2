"""The config of the stream of videos."""

from dataclasses import dataclass
from typing import Literal

from vcl.config.rules import require


@dataclass(frozen=True)
class StreamConfig:
    """The videos and the order in which they arrive."""

    benchmark: str = "samples"
    """Name of a benchmark (`vcl list benchmarks` shows them), or the path of a manifest of your own."""
    root: str | None = None
    """Folder of the videos, or a prepared folder; needed unless an installed package holds the benchmark's videos."""
    videos: tuple[str, ...] = ()
    """Videos to use, by name and in this order; empty means all of the benchmark."""
    order: Literal["given", "shuffled", "easy_to_hard"] = "given"
    """Order of the sessions: as in ``videos``, shuffled with ``order_seed``, or from the video that varies least over
    space and time to the one that varies most."""
    order_seed: int = 0
    """Seed that shuffles the sessions."""
    size: tuple[int, int] = (720, 1280)
    """Height and width of every frame in pixels; the source is cropped to this aspect ratio and resized."""
    start: int = 0
    """First source frame."""
    frames: int | None = None
    """Frames per video; null means all of them."""
    stride: int = 1
    """Use every stride-th source frame."""
    allow_truncated: bool = False
    """Use the readable part of a truncated file instead of refusing it."""
    cache: str | None = None
    """Folder that decoded frames are cached in; null means $VCL_CACHE or ~/.cache/vcl."""

    def __post_init__(self) -> None:
        for key in ("root", "cache"):
            require(getattr(self, key) != "", f"stream.{key}", "be the path of a folder, or null", "")
        require(min(self.size) >= 16, "stream.size", "be at least 16 pixels on each side", list(self.size))
        require(max(self.size) <= 65536, "stream.size", "be at most 65536 pixels on each side", list(self.size))
        require(self.start >= 0, "stream.start", "be 0 or more", self.start)
        require(self.frames is None or self.frames >= 1, "stream.frames", "be 1 or more, or null", self.frames)
        require(self.stride >= 1, "stream.stride", "be 1 or more", self.stride)
