"""How many frames of each video a page shows, and how many bytes they take, so that it stays small enough to send."""

from __future__ import annotations

from dataclasses import dataclass

from vcl.report.figures.frames import MAX_WIDTH

FRAMES = 40
"""Evenly spaced frames of a video, unless something else is wanted."""

_WORST = 3
"""Frames with the least PSNR that are shown beside them."""

_MOST_PIXELS = 440 * 180 * 320
"""Of the frames of a page: ten videos of 40 and the worst ones at 180x320."""

_MOST_BYTES = 7_000_000
"""Of all pictures. Their text takes a third more: with plotly's 5 MB and the numbers, a page stays below 15 MB."""

_TRUTH, _DECODED, _ERROR = 0.4, 0.25, 0.35
"""Shares of a frame's bytes that its three pictures may take."""


@dataclass(frozen=True)
class Allowance:
    """What each video of a page may take.

    Args:
        frames: evenly spaced ones; 0 for none.
        worst: further ones.
        frame_bytes: of the three pictures of a frame.
    """

    frames: int
    worst: int
    frame_bytes: int

    @property
    def truth_bytes(self) -> int:
        """Of a true frame."""
        return round(_TRUTH * self.frame_bytes)

    @property
    def decoded_bytes(self) -> int:
        """Of a decoded frame, which has less detail."""
        return round(_DECODED * self.frame_bytes)

    @property
    def error_bytes(self) -> int:
        """Of a picture of its errors."""
        return round(_ERROR * self.frame_bytes)


def share_out(videos: int, clips: int, frames: int, size: tuple[int, int]) -> Allowance:
    """Share out a page among its videos.

    Args:
        videos: of all its runs together, 1 or more.
        clips: how many different ones these are; runs share the true frames of a clip, but for the worst.
        frames: evenly spaced ones of each that are wanted.
        size: height and width of the largest frames.

    Returns:
        A frame of each video at least, whatever that takes, unless none is wanted.
    """
    height, width = size
    shown_width = min(width, MAX_WIDTH)
    most = _MOST_PIXELS / (shown_width * shown_width * height / width)
    of_each = _TRUTH * clips + (1 - _TRUTH) * videos  # What one more frame of each video adds, in whole frames.
    worst = min(_WORST, int(most / of_each) // 8)
    frames = min(frames, max(1, int((most - worst * videos) / of_each)))
    if frames == 0:
        return Allowance(0, 0, 0)
    return Allowance(frames, worst, round(_MOST_BYTES / (frames * of_each + worst * videos)))
