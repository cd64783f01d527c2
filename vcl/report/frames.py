"""What a run's frames look like: truth, decoded and the error between them.

Frames are decoded from the run folder through ``vcl.render``, as anyone who has the folder could.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from vcl.evaluate import check_same_frames
from vcl.metrics.quality import psnr, to_unit
from vcl.render import Decoder
from vcl.report.style import DIM, bare, styled
from vcl.rundir import RunFolder
from vcl.video.cache import Clip
from vcl.video.pixels import to_uint8
from vcl.video.stream import open_stream

GAINS = (50, 20, 10, 5, 2, 1)
"""How many times an error may be amplified to be seen."""

_WIDEST = 480
"""Width of a frame in a figure, pixels; wider ones are averaged down, which keeps the files small."""

_ROWS = 6
"""Rows of a figure before a second block of columns opens beside them."""


@dataclass(frozen=True)
class Shown:
    """A frame to be shown.

    Args:
        label: what it is.
        truth: ``(3, H, W)`` in [0, 1].
        decoded: of the same shape.
    """

    label: str
    truth: Tensor
    decoded: Tensor

    @property
    def psnr(self) -> float:
        """Quality of this one frame, dB."""
        return psnr(self.decoded[None], self.truth[None]).item()

    @property
    def error(self) -> Tensor:
        """Absolute error, the mean over the channels, ``(H, W)``."""
        return (self.decoded - self.truth).abs().mean(0)


def latest_frames(folder: RunFolder, state: int) -> list[Shown]:
    """Decode the middle frame of every video so far from the state after session ``state``."""
    clips = _stream(folder)[: state + 1]
    decoder = Decoder.of_run(folder, state)
    return [_shown(clip.name, clip.frames, decoder, video) for video, clip in enumerate(clips)]


def frame_of(folder: RunFolder, video: int, state: int, label: str) -> Shown:
    """Decode the middle frame of one video from the state after session ``state``."""
    clip = _stream(folder)[video]
    return _shown(label, clip.frames, Decoder.of_run(folder, state), video)


def first_video(folder: RunFolder, state: int) -> list[Shown]:
    """Decode the first video as it was after its own session, and as it is after session ``state``."""
    names = {0: "after its own session", state: f"after session {state}"}
    return [frame_of(folder, 0, s, name) for s, name in names.items()]


def _stream(folder: RunFolder) -> list[Clip]:
    clips = open_stream(folder.config().stream)
    check_same_frames(folder, clips)
    return clips


def _shown(label: str, frames: NDArray[np.uint8], decoder: Decoder, video: int) -> Shown:
    t = len(frames) // 2
    # A copy, as the stored frames cannot be written to; rounded, as it is the rounded frames that are measured.
    truth = to_unit(torch.from_numpy(np.array(frames[t])))
    return Shown(label, truth, to_unit(to_uint8(decoder.frame(video, t).cpu())))


def gain_for(shown: Sequence[Shown]) -> int:
    """Choose the largest of ``GAINS`` that leaves 99 % of every frame's errors within the scale."""
    # Not torch.quantile, which refuses frames of 16 million pixels and more.
    worst = max(float(np.percentile(frame.error.numpy(), 99)) for frame in shown)
    return next((gain for gain in GAINS if gain * worst <= 1), GAINS[-1])


@styled
def frames_figure(shown: Sequence[Shown], title: str = "", gain: int | None = None) -> Figure:
    """Draw truth, decoded and amplified error, a row a frame.

    Many frames stand in several blocks side by side. The gain is one for the whole figure, so that errors can be
    compared, and the colour bar tells them in levels of 255.

    Args:
        shown: at least one frame, all of one size.
        title: of the run.
        gain: how many times the error is amplified; default what ``gain_for`` chooses.
    """
    gain = gain or gain_for(shown)
    blocks = math.ceil(len(shown) / _ROWS)
    down = math.ceil(len(shown) / blocks)
    ratio = shown[0].truth.shape[-2] / shown[0].truth.shape[-1]
    wide = 2.3 if blocks == 1 else 1.75
    figure = Figure(figsize=(3 * blocks * (wide + 0.06) + 0.25 * (blocks - 1), down * (wide * ratio + 0.22)))
    scale = Normalize(0, 255 / gain)
    strips = figure.subfigures(1, blocks, wspace=0, squeeze=False)[0]
    for block, strip in enumerate(strips):
        grid = strip.subplots(down, 3, squeeze=False)
        edge = 0.25 / strip.get_figure().get_figwidth() * blocks / 2 if blocks > 1 else 0
        strip.subplots_adjust(edge, 0, 1 - edge, 1, wspace=0.03, hspace=0.22 / (wide * ratio))
        for axes in grid.flat:
            axes.set_visible(False)
        for axes_row, frame in zip(grid, shown[block * down : (block + 1) * down], strict=False):
            _row(axes_row, frame, scale)
        for axes, name in zip(grid[0], ("truth", "decoded", f"error × {gain}"), strict=True):
            axes.set_title(f"{name}\n", fontsize=9, pad=6)
    bar = figure.add_axes((0.7, -0.30 / figure.get_figheight(), 0.3, 0.09 / figure.get_figheight()))
    figure.colorbar(ScalarMappable(scale, "inferno"), cax=bar, orientation="horizontal")
    bar.set_xlabel("mean absolute error (levels of 255)", labelpad=2)
    figure.suptitle(title, x=0, y=1 + 0.5 / figure.get_figheight(), ha="left", va="bottom", fontweight="bold")
    return figure


def _row(axes_row: Sequence[Axes], frame: Shown, scale: Normalize) -> None:
    pictures = (_small(frame.truth), _small(frame.decoded), _small(frame.error[None]))
    for axes, picture in zip(axes_row, pictures, strict=True):
        axes.set_visible(True)
        bare(axes)
        height, width = picture.shape[-2:]
        if len(picture) == 3:
            axes.imshow(picture.permute(1, 2, 0).clamp(0, 1).numpy(), interpolation="antialiased")
        else:
            axes.imshow(picture[0].mul(255).numpy(), cmap="inferno", norm=scale, interpolation="antialiased")
        axes.set_xlim(-0.5, width - 0.5)
        axes.set_ylim(height - 0.5, -0.5)
    axes_row[0].text(0, 1.02, frame.label, transform=axes_row[0].transAxes, va="bottom", fontsize=8)
    quality = f"{frame.psnr:.2f} dB"
    axes_row[1].text(1, 1.02, quality, transform=axes_row[1].transAxes, ha="right", va="bottom", fontsize=8, color=DIM)


def _small(picture: Tensor) -> Tensor:
    height, width = picture.shape[-2:]
    if width <= _WIDEST:
        return picture
    return adaptive_avg_pool2d(picture, (max(1, round(height * _WIDEST / width)), _WIDEST))
