"""FFNeRV: learned maps over time, and frames that are blended with their neighbours, moved by flows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from vcl.backbones.base import Backbone
from vcl.backbones.upsampling import grid_of, largest_of, up_blocks
from vcl.config import BackboneConfig
from vcl.config.backbones import FfnervConfig
from vcl.errors import ConfigError
from vcl.layers.encoding import time_position
from vcl.layers.flow import enlarged, warped
from vcl.layers.gain import unactivated
from vcl.layers.head import head_tensors, session_conv
from vcl.layers.own import SessionTensor
from vcl.layers.time_grid import TimeGrids
from vcl.layers.upsample import channels_last
from vcl.metrics.loss import l1_ssim
from vcl.query import Batch, Output, Query

_LEAST_SIDE = 11
"""Of a frame, pixels: the window of SSIM."""

_FLOW_GAIN = 0.1
"""Of the flows' convolution with scaled first weights, so that nothing moves far at first."""

_NEVER = -1e4
"""Weight of a neighbour that there is not, before softmax."""


class Ffnerv(Backbone):
    """Grids of maps over time, up-sampling blocks, and a head per session for colours and two blending weights.

    That makes a frame by itself, ``independent``. A 1×1 convolution of an earlier map gives a flow and a weight for
    each neighbour, whose independent frames the same network makes, without gradients; moved by the flows and averaged
    by softmax of the weights they are ``aggregated``. The frame is the blend of both. Neighbours beyond the ends of
    the video are left out; a frame that has none is its independent one.

    The grids know time alone: all sessions share them, and what tells videos apart is what each session has for
    itself, its masks, biases and head. Sessions that share dense weights have biases and head only.

    Args:
        config: an ``FfnervConfig``.
        size: height and width of a frame; multiples of the product of the strides, 11 or more.
        sessions: not used.

    Raises:
        ConfigError: the frame's sides are no multiples of the strides' product, or too small for the loss of the parts
            or for the operator.

    Source:
        Lee, Rho, Ko and Park, ACM MM 2023, arXiv:2212.12294. Differs: neighbours are made with the weights of the step,
        where its code takes what earlier steps have left in a buffer.
    """

    recordable: ClassVar = True

    def __init__(self, config: BackboneConfig, size: tuple[int, int], sessions: int) -> None:
        super().__init__(config, size, sessions)
        assert isinstance(config, FfnervConfig)
        self.config, self.grid = config, grid_of(size, config.strides)
        if min(size) < _LEAST_SIDE:
            rule = f"be {_LEAST_SIDE} or more, for the loss of the parts of a frame"
            raise ConfigError(f"stream.size must {rule}, got {list(size)}")
        self.grids = TimeGrids(config.grid_lengths, config.channels, self.grid)
        widths = [config.channels, int(config.channels * config.expansion)]
        for _ in config.strides[1:]:
            widths.append(max(widths[-1] // config.reduction, config.lower_width))
        self.blocks = up_blocks(config, self.grid, widths, [3] * len(config.strides), bias=True)
        self.motion = nn.Conv2d(widths[config.flow_block], 3 * len(config.neighbours), 1)
        unactivated(self.motion, self.scaled, _FLOW_GAIN)
        self.width = widths[-1]
        self._largest_activation = largest_of(self.grid, widths, config.strides)

    @property
    def largest_activation(self) -> int:
        """What a block gives, or flows and weights of all neighbours."""
        motion = 3 * len(self.config.neighbours) * self.size[0] * self.size[1]
        return max(self._largest_activation, motion)

    @property
    def session_tensors(self) -> Mapping[str, SessionTensor]:
        """A head, RGB and two blending weights, with its biases, and those of all layers."""
        return {**super().session_tensors, **head_tensors(self.width, outputs=5)}

    def decode(self, query: Query, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Output:
        """The blend; its parts, ``independent`` and ``aggregated``, are extras."""
        offsets = torch.cat([torch.full_like(query.t, offset)[:, None] for offset in (0, *self.config.neighbours)], 1)
        t, ends = query.t[:, None] + offsets, query.frames[:, None] - 1
        known = (t >= 0) & (t <= ends)
        position = time_position(t.clamp(min=0).minimum(ends), query.frames[:, None], self.config.time)
        of_frame, *of_neighbours = self.grids(position).unbind(1)
        # First, so that autocast keeps what it casts with gradients.
        independent, blending, motion = self._alone(of_frame, session)
        with torch.no_grad():
            neighbours = [self._alone(maps, session)[0] for maps in of_neighbours]
        aggregated = self._aggregated(neighbours, motion, known[:, 1:])
        alone = ~known[:, 1:].any(1)[:, None, None, None]
        aggregated = torch.where(alone, independent, aggregated)
        frames = independent.lerp(aggregated, blending.softmax(1)[:, 1:])
        return Output(frames, {"independent": independent, "aggregated": aggregated})

    def loss_terms(self, output: Output, batch: Batch) -> Tensor | None:
        """The loss of the two parts of which a frame is blended."""
        losses = [l1_ssim(part.contiguous(), batch.target) for part in output.extras.values()]
        return self.config.part_loss * torch.stack(losses).sum()

    def _alone(self, maps: Tensor, session: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Independent frames, blending weights ``(B, 2, H, W)``, and the features of the flows."""
        features, motion = channels_last(maps), maps
        for number, block in enumerate(self.blocks, 1):
            features = block(features)
            if number == self.config.flow_block:
                motion = features
        raw = session_conv(features, session["head"][..., None, None], session["head_bias"]).float()
        return (raw[:, :3].tanh() + 1) / 2, raw[:, 3:], motion

    def _aggregated(self, neighbours: list[Tensor], features: Tensor, known: Tensor) -> Tensor:
        """The average of neighbours that are moved.

        Args:
            neighbours: N of ``(B, 3, H, W)``.
            features: of the frame, of which flows and weights are made.
            known: ``(B, N)``, which neighbours there are.
        """
        scale = math.prod(self.config.strides[self.config.flow_block :])
        motion = enlarged(self.motion(features).float(), scale).view(len(features), -1, 3, *self.size)
        # A flow is in pixels of the map that it is made of.
        flows, weights = scale * motion[:, :, :2], motion[:, :, 2]
        shares = weights.masked_fill(~known[..., None, None], _NEVER).softmax(1)
        return sum(
            (warped(frame, flows[:, n]) * shares[:, n, None] for n, frame in enumerate(neighbours)),
            start=torch.zeros_like(neighbours[0]),
        )
