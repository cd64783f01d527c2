"""The MLP of NeRF for videos: octaves of the coordinates of a pixel to its colour."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from torch import Tensor, nn

from vcl.backbones.pixels import PixelBackbone
from vcl.config import BackboneConfig
from vcl.config.backbones import NerfConfig
from vcl.layers.encoding import OctaveEncoding
from vcl.layers.head import head_tensors
from vcl.layers.own import SessionTensor


class NerfMlp(PixelBackbone):
    """Sines and cosines of time, row and column, ReLU layers of one width, and a linear one to the colours.

    Args:
        config: a ``NerfConfig``.
        size: height and width of a frame, pixels; any.
        sessions: not used.

    Source:
        Mildenhall et al., ECCV 2020, arXiv:2003.08934; for videos: Chen et al., NeurIPS 2021, arXiv:2110.13903.
        Differs: no rays, no densities and no shortcut from the coordinates.
    """

    def __init__(self, config: BackboneConfig, size: tuple[int, int], sessions: int) -> None:
        super().__init__(config, size, sessions)
        assert isinstance(config, NerfConfig)
        self.points, self.config, self.per_pixel = config.points, config, max(config.width, 6 * config.octaves)
        self.encoding = OctaveEncoding(config.octaves)
        widths = [6 * config.octaves, *[config.width] * config.layers]
        layers = [part for inputs, outputs in pairwise(widths) for part in (nn.Linear(inputs, outputs), nn.ReLU())]
        self.layers = nn.Sequential(*layers)

    @property
    def session_tensors(self) -> Mapping[str, SessionTensor]:
        """A head with its bias, and the biases of the layers."""
        return {**super().session_tensors, **head_tensors(self.config.width)}

    def colours(self, coordinates: Tensor, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Tensor:
        """The sigmoid of what the head gives."""
        features: Tensor = self.layers(self.encoding(coordinates))
        return (features @ session["head"].mT + session["head_bias"][:, None]).sigmoid()
