"""SIREN: sine layers from the coordinates of a pixel to its colour."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from vcl.backbones.pixels import PixelBackbone
from vcl.config import BackboneConfig
from vcl.config.backbones import SirenConfig
from vcl.layers.own import SessionTensor
from vcl.layers.sine import SineLayer


class Siren(PixelBackbone):
    """Sine layers of one width and a linear one to the colours.

    Args:
        config: a ``SirenConfig``.
        size: height and width of a frame, pixels; any.
        sessions: not used.

    Source:
        Sitzmann et al., NeurIPS 2020, arXiv:2006.09661. Differs: the bias of the head begins at 0.
    """

    def __init__(self, config: BackboneConfig, size: tuple[int, int], sessions: int) -> None:
        super().__init__(config, size, sessions)
        assert isinstance(config, SirenConfig)
        self.points, self.config, self.per_pixel = config.points, config, config.width
        width = config.width
        hidden = (SineLayer(width, width, config.omega) for _ in range(config.hidden_layers))
        self.layers = nn.Sequential(SineLayer(3, width, config.first_omega, first=True), *hidden)

    @property
    def session_tensors(self) -> Mapping[str, SessionTensor]:
        """A head with its bias, and the biases of the layers."""
        head = SessionTensor((3, self.config.width), "uniform", self.config.width * self.config.omega**2 / 6)
        return {**super().session_tensors, "head": head, "head_bias": SessionTensor((3,), "zeros")}

    def colours(self, coordinates: Tensor, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Tensor:
        """(What the head gives + 1) / 2, which nothing holds to [0, 1]."""
        colours: Tensor = self.layers(coordinates) @ session["head"].mT + session["head_bias"][:, None]
        return (colours + 1) / 2
