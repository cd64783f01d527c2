"""What networks of wavelet bands have in common: the bands, what makes a frame of them, and their loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from vcl.backbones.base import Backbone
from vcl.backbones.upsampling import grid_of, largest_of
from vcl.config import BackboneConfig
from vcl.config.backbones import SnervConfig
from vcl.errors import ConfigError
from vcl.layers.activation import ACTIVATIONS
from vcl.layers.convnext import ConvNextEncoder
from vcl.layers.fusion import ScaleFusion, leaky
from vcl.layers.head import head_tensors, session_conv
from vcl.layers.own import SessionTensor
from vcl.layers.upsample import channels_last
from vcl.layers.wavelet import haar, inverse_haar
from vcl.metrics.loss import l1_ssim
from vcl.query import Batch, Output

_LEAST_SIDE = 22
"""Of a frame, pixels: SSIM of bands of half its size has a window of 11."""

_LEAST_SPAN = 1e-3
"""Of the low band of a frame: less than 8-bit colours can differ by, which is 1/510; frames of one colour have 0."""


class BandsBackbone(Backbone):
    """A network that makes the four Haar bands of a frame; the low one within bounds that are stored with the frame.

    ``bands`` mixes the features of the last three blocks to one map. A 3×3 head makes the low band of it, within the
    frame's bounds; for each of the other three there are a 1×1 convolution, a leaky ReLU and a 3×3 head, unbounded.
    Heads are the session's own. Nothing holds the frame that these bands make to [0, 1].

    Args:
        config: a ``SnervConfig``.
        size: height and width of a frame; multiples of twice the product of the strides, 22 or more.
        sessions: not used: a frame's numbers say which video it is of.

    Raises:
        ConfigError: the network cannot make frames of this size.
    """

    training_only: ClassVar[tuple[str, ...]] = ("encoder",)

    def __init__(self, config: BackboneConfig, size: tuple[int, int], sessions: int) -> None:
        super().__init__(config, size, sessions)
        assert isinstance(config, SnervConfig)
        self.grid = grid_of(size, config.strides, halved=True)
        if min(size) < _LEAST_SIDE:
            raise ConfigError(f"stream.size must be {_LEAST_SIDE} or more, for the loss of the bands, got {list(size)}")
        self.code_channels, self.strides, self.band_loss = config.code_channels, config.strides, config.band_loss
        self.activate = ACTIVATIONS[config.activation]
        self.encoder = ConvNextEncoder(config.strides, config.encoder_width, config.code_channels)
        self.channels = [config.channels]
        for _ in config.strides:
            self.channels.append(max(round(self.channels[-1] / config.reduction), config.lower_width))
        self.channels[0] += config.stem_extra
        self.stem = nn.Conv2d(config.code_channels, self.channels[0], 1)
        coarse, middle, self.width = self.channels[-3:]
        scales = config.strides[-2], config.strides[-1]
        self.fusion = ScaleFusion((coarse, middle, self.width), scales, config.residual_blocks, self.scaled)
        self.details = nn.Conv2d(self.width, 3 * self.width, 1)

    @property
    def largest_activation(self) -> int:
        """What a block gives, what the last features are mixed with, or what the details are made of."""
        last = max(3 * self.width, self.width + self.channels[-2]) * self.size[0] * self.size[1] // 4
        return max(largest_of(self.grid, self.channels, self.strides), last, super().largest_activation)

    @property
    def session_tensors(self) -> Mapping[str, SessionTensor]:
        """A head of each band with its biases, and the biases of all layers."""
        fan_in = 9 * self.width
        heads = {
            **head_tensors(self.width, kernel=3),
            "detail_heads": SessionTensor((3, 3, self.width, 3, 3), "uniform", fan_in),
            "detail_biases": SessionTensor((3, 3), "uniform", fan_in),
        }
        return {**super().session_tensors, **heads}

    @property
    def frame_tensors(self) -> Mapping[str, tuple[int, ...]]:
        """The map that the decoder begins with; and the least and the largest number of the low band.

        Under ``method.bits`` they are rounded as all are, to half a grey level of a whole frame and more.
        """
        return {"code": (self.code_channels, *self.grid), "bounds": (2,)}

    def first_features(self, code: Tensor) -> Tensor:
        """What the first block takes, of frames' maps."""
        return channels_last(self.activate(self.stem(code)))

    def bands(self, scales: Sequence[Tensor], session: Mapping[str, Tensor], bounds: Tensor) -> Output:
        """Frames, and their bands as extras: ``low``, scaled to [0, 1] by the bounds, and ``details``.

        Args:
            scales: what the last three blocks give.
            session: as of ``decode``.
            bounds: ``(B, 2)`` of the low band.
        """
        fused = self.fusion(*scales)
        low = (session_conv(fused, session["head"], session["head_bias"]).tanh().float() + 1) / 2
        # A session has one head for each of three groups of channels: three rows of a convolution.
        groups = leaky(self.details(fused))
        groups = groups.reshape(-1, self.width, *groups.shape[2:])
        heads, biases = session["detail_heads"].flatten(0, 1), session["detail_biases"].flatten(0, 1)
        details = session_conv(groups, heads, biases).float().view(-1, 3, *low.shape[1:])
        frames = inverse_haar(_within(low, bounds), details.transpose(1, 2))
        return Output(frames, {"low": low, "details": details, "bounds": bounds})

    def loss_terms(self, output: Output, batch: Batch) -> Tensor | None:
        """The loss of the low band, scaled to [0, 1] by the bounds, and of the other three."""
        low, details = haar(batch.target)
        target = normalised(low, self.loss_bounds(output, low))
        true_details = details.transpose(1, 2).flatten(1, 2)
        bands = l1_ssim(output.extras["details"].flatten(1, 2).contiguous(), true_details)
        return self.band_loss * (l1_ssim(output.extras["low"].contiguous(), target) + bands)

    def loss_bounds(self, output: Output, low: Tensor) -> Tensor:
        """Those, ``(B, 2)``, by which the loss scales the true low band ``(B, 3, H/2, W/2)``: the frame's own."""
        return output.extras["bounds"]


def bounds_of(low: Tensor) -> Tensor:
    """The least and the largest number of each row ``(B, ...)``: ``(B, 2)``."""
    return torch.stack((low.flatten(1).amin(1), low.flatten(1).amax(1)), dim=1)


def normalised(low: Tensor, bounds: Tensor) -> Tensor:
    """Rows ``(B, ...)`` scaled so that bounds ``(B, 2)`` become 0 and 1; rows of one number become 0."""
    least, largest = (bound.view(-1, *[1] * (low.dim() - 1)) for bound in bounds.unbind(1))
    return (low - least) / (largest - least).clamp(min=_LEAST_SPAN)


def _within(low: Tensor, bounds: Tensor) -> Tensor:
    """The inverse of ``normalised``, but for rows of one number, which it gives whatever the network says."""
    least, largest = (bound.view(-1, 1, 1, 1) for bound in bounds.unbind(1))
    return least + (largest - least) * low
