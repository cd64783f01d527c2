"""D-NeRV: one network for many videos, which sees the key frames around each frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vcl.backbones.base import Backbone
from vcl.backbones.upsampling import check_normed, grid_of, largest_of, up_blocks
from vcl.config import BackboneConfig
from vcl.config.backbones import DivnervConfig
from vcl.layers.encoding import PositionalEncoding, time_position
from vcl.layers.gain import glorot
from vcl.layers.head import session_conv
from vcl.layers.key_flow import FlowHead, KeyEncoder, mixed
from vcl.layers.own import SessionTensor
from vcl.layers.upsample import UpsampleBlock, channels_last
from vcl.query import Output, Query

_MEAN, _DEVIATION = 0.5, 0.25
"""Of the colours that the network takes and gives, about those of any video."""


class Divnerv(Backbone):
    """Features of the time, which at each scale say how what the key frames show has moved, and are changed by it.

    Every ``clip``-th frame of a video and its last are stored as small pictures. An encoder that decodes with the rest
    of the network makes maps of the two around a frame. Before each block the features give a flow from either; the
    maps, moved along them and mixed by the frame's position between the two, scale and shift the features. At the
    full size the pictures themselves are moved, and a head per session makes colours of them and the features.

    Args:
        config: a ``DivnervConfig``.
        size: height and width of a frame; multiples of the product of the strides and of ``key_scale``, and larger
            than one product.
        sessions: not used: key frames say which video a frame is of.

    Raises:
        ConfigError: the network cannot make frames of this size, or its maps are too small for the operator.

    Source:
        He et al., CVPR 2023, arXiv:2303.14124, where it is called D-NeRV, a name that others have too.
        Differs: every frame is decoded alone, so that the layers that mix the 8 frames of a clip at each scale (GTMLP)
        are left out, and features are normalised over one frame's map in the place of 8; key frames are stored as small
        pictures, made larger by linear interpolation, in the place of an image codec that is learned; colours are
        normalised by the same mean and deviation for all videos, and cut to [0, 1] behind the network; heads and biases
        are each session's own. Methods that train on earlier videos again, joint training among them, are refused.
    """

    recordable: ClassVar = False  # Reading maps at learned places was never recorded on a GPU.

    def __init__(self, config: BackboneConfig, size: tuple[int, int], sessions: int) -> None:
        super().__init__(config, size, sessions)
        assert isinstance(config, DivnervConfig)
        self.config, self.grid = config, grid_of(size, config.strides)
        check_normed(self.grid, config)
        self.key_size = grid_of(size, (config.key_scale,), "backbone.key_scale")
        self.encoding = PositionalEncoding(config.levels, config.base)
        self.fc1 = glorot(nn.Linear(2 * config.levels, config.stem_width), self.scaled)
        self.fc2 = glorot(nn.Linear(config.stem_width, config.channels * self.grid[0] * self.grid[1]), self.scaled)
        self.encoder = KeyEncoder(config.strides, config.key_width, self.scaled)
        widths = _widths(config)
        self.flows = nn.ModuleList(FlowHead(width, self.scaled) for width in widths)
        self.scales = nn.ModuleList(
            glorot(nn.Conv2d(config.key_width, 2 * width, 1), self.scaled, activated=False) for width in widths[:-1]
        )
        self.blocks = up_blocks(config, self.grid, widths, [3] * len(config.strides), bias=True)
        for block in self.blocks:
            if (conv := cast("UpsampleBlock", block).conv) is not None:
                glorot(conv, self.scaled)
        self.width = max(1, (widths[-1] + 3) // 4)
        self.narrow = glorot(nn.Conv2d(widths[-1] + 3, self.width, 1), self.scaled)
        self._largest_activation = max(
            largest_of(self.grid, widths, config.strides), max(config.key_width, widths[-1] + 3) * size[0] * size[1]
        )

    @property
    def largest_activation(self) -> int:
        """What a block or the encoder gives, or the last features beside the moved pictures."""
        return self._largest_activation

    @property
    def session_tensors(self) -> Mapping[str, SessionTensor]:
        """A head with its biases, and those of all layers, which begin at 0."""
        biases = {name: replace(tensor, initial="zeros") for name, tensor in super().session_tensors.items()}
        head = SessionTensor((3, self.width, 3, 3), "uniform", 9 * (self.width + 3) / 6)
        return {**biases, "head": head, "head_bias": SessionTensor((3,), "zeros")}

    @property
    def frame_tensors(self) -> Mapping[str, tuple[int, ...]]:
        """The picture of a key frame, each side divided by ``key_scale``."""
        return {"key": (3, *self.key_size)}

    @property
    def key_frames(self) -> Mapping[str, int]:
        """Only key frames have one."""
        return {"key": self.config.clip}

    def frames_seen(self, t: Tensor, frames: int) -> Tensor:
        """The key frames around each frame."""
        rows = Query.of_video(0, t, frames).key_rows(self.config.clip)
        return (self.config.clip * rows).clamp(max=frames - 1)

    def encode(self, query: Query, frames: Tensor) -> Mapping[str, Tensor]:
        """Means of squares of pixels; nothing is learned here."""
        small = F.avg_pool2d(frames.flatten(0, 1), self.config.key_scale)
        return {"key": small.view(*frames.shape[:3], *self.key_size)}

    def decode(self, query: Query, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Output:
        """Stem, encoder, blocks between which the key frames come in, and head."""
        position = key_position(query, self.config.clip)
        pictures = F.interpolate(frame["key"].flatten(1, 2), self.size, mode="bilinear")
        pictures = (pictures - _MEAN) / _DEVIATION
        start, end = (channels_last(picture) for picture in pictures.chunk(2, dim=1))
        of_start, of_end = self.encoder(start), self.encoder(end)
        time = self._stem(query)
        features = F.instance_norm(torch.cat((time, mixed(of_start[0], of_end[0], position).to(time.dtype)), dim=1))
        features = channels_last(features)
        *flows, last = cast("list[FlowHead]", list(self.flows))
        for number, (block, flow, scale) in enumerate(zip(self.blocks, flows, self.scales, strict=True)):
            moved = flow.moved(features, of_start[number], of_end[number], position)
            factor, shift = scale(moved).chunk(2, dim=1)
            features = block(features * (1 + factor) + shift)
        moved = last.moved(features, start, end, position)
        joint = F.gelu(self.narrow(torch.cat((features, moved.to(features.dtype)), dim=1)))
        colours = session_conv(joint, session["head"], session["head_bias"]) * _DEVIATION + _MEAN
        return Output(colours)

    def _stem(self, query: Query) -> Tensor:
        """Features of the time, ``(B, channels, *grid)``."""
        time = self.encoding(time_position(query.t, query.frames, self.config.time))
        return F.gelu(self.fc2(F.gelu(self.fc1(time)))).view(len(query), -1, *self.grid)


def key_position(query: Query, every: int) -> Tensor:
    """Where frames lie between the key frames around them, ``(B,)`` in [0, 1]; 0 at a last one, behind which is none.

    Args:
        query: B frames.
        every: frames from one key frame to the next.
    """
    rows = every * query.key_rows(every)
    start, end = rows[:, 0], torch.minimum(rows[:, 1], query.frames.long() - 1)
    return ((query.t - start) / (end - start).clamp(min=1)).float()


def _widths(config: DivnervConfig) -> list[int]:
    """Channels of what each block takes, and of what the last one gives."""
    widths = [config.channels + config.key_width, 2 * config.channels]
    for stride in config.strides[1:]:
        widths.append(max(round(widths[-1] / stride), config.lower_width))
    return widths
