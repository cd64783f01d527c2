"""What a run's frames look like: truth, decoded and the error between them.

Decoded frames come from the run folder through ``vcl.render``, as anyone who has the folder could decode them; true
ones are those that the run kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from vcl.datasets.stream import open_stream
from vcl.decode import Decoder
from vcl.errors import VideoError
from vcl.evaluate import check_same_frames
from vcl.metrics.quality import psnr, to_unit
from vcl.metrics.registry import PSNR
from vcl.report.figures.style import DIM, bare, styled
from vcl.rundir import RunFolder
from vcl.video.pixels import read_png, to_uint8
from vcl.wording import printable

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
    """Decode the middle frame of every video so far from the state after session ``state``.

    Raises:
        VclError: something in the folder is damaged; or, of a run that kept no true frames, the videos are gone.
    """
    truths, decoder = _truths(folder, state + 1), Decoder.of_run(folder, state)
    return [
        Shown(printable(notes.video), truth, _decoded(decoder, video))
        for video, (notes, truth) in enumerate(zip(decoder.videos, truths, strict=True))
    ]


def kept_frame(folder: RunFolder, session: int, label: str) -> Shown:
    """The middle frame of a session's video as the run kept it when that video was measured for the first time.

    Raises:
        VideoError: the run kept none.
    """
    return Shown(label, _kept(folder, session, "true"), _kept(folder, session, "decoded"))


def first_video(folder: RunFolder, state: int, now: Shown) -> list[Shown]:
    """The first video as it was after its own session, and as it is after session ``state``.

    Args:
        folder: the run.
        state: the latest session.
        now: its frame as it is, from ``latest_frames``.
    """
    if folder.frame_path(0, "decoded").exists():
        was = _kept(folder, 0, "decoded")
    else:
        was = _decoded(Decoder.of_run(folder, 0), 0)
    return [Shown("after its own session", now.truth, was), replace(now, label=f"after session {state}")]


def _truths(folder: RunFolder, count: int) -> list[Tensor]:
    """The true middle frames of the first videos; older runs kept none, so that the stream has to be opened."""
    if all(folder.frame_path(video, "true").exists() for video in range(count)):
        return [_kept(folder, video, "true") for video in range(count)]
    clips = open_stream(folder.config().stream)
    check_same_frames(folder, clips)
    # Copies, as the stored frames cannot be written to.
    return [to_unit(torch.from_numpy(np.array(clip.frames[len(clip.frames) // 2]))) for clip in clips[:count]]


def _kept(folder: RunFolder, session: int, kind: str) -> Tensor:
    path, size = folder.frame_path(session, kind), folder.config().stream.size
    frame = read_png(path)
    if frame.shape[1:] != size:
        raise VideoError(f"{path} must have the size of the run's frames, {size}, got {frame.shape[1:]}")
    return to_unit(torch.from_numpy(frame))


def _decoded(decoder: Decoder, video: int) -> Tensor:
    t = decoder.videos[video].frames // 2
    return to_unit(to_uint8(decoder.frame(video, t).cpu()))  # Rounded, as it is rounded frames that are measured.


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
    quality = PSNR.text(frame.psnr)
    axes_row[1].text(1, 1.02, quality, transform=axes_row[1].transAxes, ha="right", va="bottom", fontsize=8, color=DIM)


def _small(picture: Tensor) -> Tensor:
    height, width = picture.shape[-2:]
    if width <= _WIDEST:
        return picture
    return adaptive_avg_pool2d(picture, (max(1, round(height * _WIDEST / width)), _WIDEST))
