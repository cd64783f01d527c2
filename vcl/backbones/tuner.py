"""TUNER: sines of frozen frequencies, and a layer of sines whose bounded weights keep their harmonics in a band."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from vcl.backbones.pixels import PixelBackbone
from vcl.config import BackboneConfig
from vcl.config.backbones import TunerConfig
from vcl.layers.own import SessionTensor
from vcl.layers.sine import BoundedSine
from vcl.layers.spectrum import frequencies

_LENGTH = 2
"""Of each axis of the coordinates, from -1 to 1."""


class Tuner(PixelBackbone):
    """Sines of whole frequencies with phases of each session, a layer of bounded weights, and a linear one to colours.

    Whatever the weights are, what it decodes repeats after a period, which is longer than a video is. Its spectrum is
    that of sums of the frequencies, which fall off fast as the bounds are small: the sines reach ``band`` of what the
    pixels of a frame can show, and their harmonics are the rest.

    Args:
        config: a ``TunerConfig``.
        size: height and width of a frame, pixels; any.
        sessions: not used.

    Source:
        Novello et al., CVPR 2025. Differs: made for images; the third axis and its band are ours, as is the form of
        the bounds, see ``BoundedSine``.
    """

    frequency: Tensor

    def __init__(self, config: BackboneConfig, size: tuple[int, int], sessions: int) -> None:
        super().__init__(config, size, sessions)
        assert isinstance(config, TunerConfig)
        self.points, self.config, self.per_pixel = config.points, config, config.width
        highest = [max(1, round(config.band * pixels * config.period / (2 * _LENGTH))) for pixels in size]
        band = (config.time_band, *highest)
        low = (config.time_band, *(min(config.low_band, end) for end in highest))
        turns, is_low = frequencies(config.width, low, band, config.low_share)
        period = torch.tensor([config.time_period, config.period, config.period])
        frequency = torch.from_numpy(turns).to(period) * 2 * math.pi / period
        bound = torch.from_numpy(is_low).to(period.device) * (config.low_bound - config.high_bound) + config.high_bound
        self.register_buffer("frequency", frequency, persistent=False)
        self.hidden = BoundedSine(config.width, config.width, config.omega, bound)

    @property
    def session_tensors(self) -> Mapping[str, SessionTensor]:
        """Phases of the first layer, biases of the second, and a head with its bias."""
        width, omega = self.config.width, self.config.omega
        return {
            "phase": SessionTensor((width,), "uniform", 1 / math.pi**2),
            "hidden_bias": SessionTensor((width,), "uniform", width),
            "head": SessionTensor((3, width), "uniform", width * omega**2 / 6),
            "head_bias": SessionTensor((3,), "zeros"),
        }

    def colours(self, coordinates: Tensor, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Tensor:
        """(What the head gives + 1) / 2, which nothing holds to [0, 1]."""
        with torch.autocast(coordinates.device.type, enabled=False):
            waves = (coordinates @ self.frequency.mT + session["phase"][:, None]).sin()
        features: Tensor = self.hidden(waves, session["hidden_bias"])
        return (features @ session["head"].mT + session["head_bias"][:, None] + 1) / 2
