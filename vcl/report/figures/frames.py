"""Frames of a run: truth, decoded and the error between them.

Decoded frames come from the run folder through ``vcl.decode``, as for anyone who has the folder; true ones are those
that the run saved.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
from vcl.video.pixels import read_png, stored_frames, to_uint8
from vcl.wording import printable

GAINS = (50, 20, 10, 5, 2, 1)
"""Factors by which errors may be amplified to be visible."""

MAX_WIDTH = 480
"""Width of a frame in a figure, pixels; wider ones are averaged down, which keeps the files small."""

_MAX_ROWS = 6
"""Rows of a figure; further frames go into another block of columns to the right."""


@dataclass(frozen=True)
class FramePanel:
    """One row of a figure of frames.

    Args:
        label: text above the row.
        truth: ``(3, H, W)`` in [0, 1].
        decoded: of the same shape.
    """

    label: str
    truth: Tensor
    decoded: Tensor

    @property
    def psnr(self) -> float:
        """PSNR of this frame, dB."""
        return psnr(self.decoded[None], self.truth[None]).item()

    @property
    def error(self) -> Tensor:
        """Absolute error, the mean over the channels, ``(H, W)``."""
        return (self.decoded - self.truth).abs().mean(0)


def latest_frames(folder: RunFolder, state: int) -> list[FramePanel]:
    """Decode the middle frame of every video so far from the state after session ``state``.

    Raises:
        VclError: the folder is damaged; or the run saved no true frames and its videos are gone.
    """
    truths, decoder = _truths(folder, state + 1), Decoder.of_run(folder, state)
    return [
        FramePanel(printable(notes.video), truth, _decoded(decoder, video))
        for video, (notes, truth) in enumerate(zip(decoder.videos, truths, strict=True))
    ]


def saved_frame(folder: RunFolder, session: int, label: str) -> FramePanel:
    """The middle frame of a session's video, which the run saved when it measured the video for the first time.

    Raises:
        VideoError: the run saved none.
    """
    return FramePanel(label, _saved(folder, session, "true"), _saved(folder, session, "decoded"))


def first_video(folder: RunFolder, state: int, latest: FramePanel) -> list[FramePanel]:
    """The first video after its own session, and after session ``state``.

    Args:
        folder: the run.
        state: the latest session.
        latest: its panel of ``latest_frames``.
    """
    if folder.frame_path(0, "decoded").exists():
        first = _saved(folder, 0, "decoded")
    else:
        first = _decoded(Decoder.of_run(folder, 0), 0)
    return [FramePanel("after its own session", latest.truth, first), replace(latest, label=f"after session {state}")]


def _truths(folder: RunFolder, count: int) -> list[Tensor]:
    """The true middle frames of the first videos; older runs saved none, so that the stream has to be opened."""
    if all(folder.frame_path(video, "true").exists() for video in range(count)):
        return [_saved(folder, video, "true") for video in range(count)]
    clips = open_stream(folder.own_stream(folder.config().stream), folder.appended())
    check_same_frames(folder, clips)
    return [to_unit(stored_frames(clip.frames, len(clip.frames) // 2)) for clip in clips[:count]]


def _saved(folder: RunFolder, session: int, kind: str) -> Tensor:
    path, size = folder.frame_path(session, kind), folder.config().stream.size
    frame = read_png(path)
    if frame.shape[1:] != size:
        raise VideoError(f"{path} must have the size of the run's frames, {size}, got {frame.shape[1:]}")
    return to_unit(torch.from_numpy(frame))


def _decoded(decoder: Decoder, video: int) -> Tensor:
    t = decoder.videos[video].frames // 2
    return to_unit(to_uint8(decoder.frame(video, t).cpu()))  # Rounded, as measured frames are.


def gain_for(panels: Sequence[FramePanel]) -> int:
    """Choose the largest of ``GAINS`` that keeps 99 % of every frame's errors within the colour scale."""
    return gain_of(max(typical_worst(panel.error) for panel in panels))


def typical_worst(error: Tensor) -> float:
    """What 99 % of a frame's absolute errors do not exceed, ``(H, W)`` in [0, 1]."""
    # torch.quantile refuses frames of 16 million pixels and more.
    return float(np.percentile(error.numpy(), 99))


def gain_of(worst: float) -> int:
    """The largest of ``GAINS`` that keeps an error, in [0, 1], within the colour scale."""
    return next((gain for gain in GAINS if gain * worst <= 1), GAINS[-1])


@styled
def frames_figure(panels: Sequence[FramePanel], title: str = "", gain: int | None = None) -> Figure:
    """Draw truth, decoded and amplified error, one row per frame.

    Many frames are laid out in several blocks from left to right. All errors of a figure have the same gain, so that
    they can be compared; the colour bar gives them in levels of 255.

    Args:
        panels: at least one, all of one frame size.
        title: of the run.
        gain: factor by which errors are amplified; default what ``gain_for`` chooses.
    """
    gain = gain or gain_for(panels)
    blocks = math.ceil(len(panels) / _MAX_ROWS)
    rows = math.ceil(len(panels) / blocks)
    ratio = panels[0].truth.shape[-2] / panels[0].truth.shape[-1]
    width = 2.3 if blocks == 1 else 1.75
    figure = Figure(figsize=(3 * blocks * (width + 0.06) + 0.25 * (blocks - 1), rows * (width * ratio + 0.22)))
    scale = Normalize(0, 255 / gain)
    strips = figure.subfigures(1, blocks, wspace=0, squeeze=False)[0]
    for block, strip in enumerate(strips):
        grid = strip.subplots(rows, 3, squeeze=False)
        edge = 0.25 / strip.get_figure().get_figwidth() * blocks / 2 if blocks > 1 else 0
        strip.subplots_adjust(edge, 0, 1 - edge, 1, wspace=0.03, hspace=0.22 / (width * ratio))
        for axes in grid.flat:
            axes.set_visible(False)
        for axes_row, panel in zip(grid, panels[block * rows : (block + 1) * rows], strict=False):
            _draw_row(axes_row, panel, scale)
        for axes, name in zip(grid[0], ("truth", "decoded", f"error × {gain}"), strict=True):
            axes.set_title(f"{name}\n", fontsize=9, pad=6)
    bar = figure.add_axes((0.7, -0.30 / figure.get_figheight(), 0.3, 0.09 / figure.get_figheight()))
    figure.colorbar(ScalarMappable(scale, "inferno"), cax=bar, orientation="horizontal")
    bar.set_xlabel("mean absolute error (levels of 255)", labelpad=2)
    figure.suptitle(title, x=0, y=1 + 0.5 / figure.get_figheight(), ha="left", va="bottom", fontweight="bold")
    return figure


@styled
def side_by_side_figure(runs: Mapping[str, Sequence[FramePanel]]) -> Figure:
    """Draw what several runs hold of the same videos: a row a video, the truth first, then a column a run.

    Args:
        runs: by name, the panels of the same videos in the same order; the first six are drawn.
    """
    rows = list(zip(*runs.values(), strict=True))[:_MAX_ROWS]
    height, width = rows[0][0].truth.shape[-2:]
    columns, side = len(runs) + 1, 1.75
    figure = Figure(figsize=(columns * (side + 0.04), len(rows) * (side * height / width + 0.2)))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    figure.subplots_adjust(0, 0, 1, 1, wspace=0.03, hspace=0.2 / (side * height / width))
    for axes, name in zip(grid[0], ("truth", *runs), strict=True):
        axes.set_title(f"{name}\n", fontsize=8.5, pad=6)
    for axes_row, panels in zip(grid, rows, strict=True):
        pictures = (panels[0].truth, *(panel.decoded for panel in panels))
        texts = (panels[0].label, *(PSNR.text(panel.psnr) for panel in panels))
        for axes, picture, text in zip(axes_row, pictures, texts, strict=True):
            bare(axes)
            axes.imshow(shrunk(picture).permute(1, 2, 0).clamp(0, 1).numpy(), interpolation="antialiased")
            axes.text(0, 1.02, text, transform=axes.transAxes, va="bottom", fontsize=7.5)
    return figure


def _draw_row(axes_row: Sequence[Axes], panel: FramePanel, scale: Normalize) -> None:
    pictures = (shrunk(panel.truth), shrunk(panel.decoded), shrunk(panel.error[None]))
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
    axes_row[0].text(0, 1.02, panel.label, transform=axes_row[0].transAxes, va="bottom", fontsize=8)
    quality = PSNR.text(panel.psnr)
    axes_row[1].text(1, 1.02, quality, transform=axes_row[1].transAxes, ha="right", va="bottom", fontsize=8, color=DIM)


def shrunk(picture: Tensor, most: int = MAX_WIDTH) -> Tensor:
    """Average a picture down, ``(C, H, W)``, unless its width is at most that many pixels."""
    height, width = picture.shape[-2:]
    if width <= most:
        return picture
    return adaptive_avg_pool2d(picture, (max(1, round(height * most / width)), most))
