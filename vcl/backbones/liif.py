"""LIIF for videos: a grid of latent vectors of each frame, and one network from a vector near a pixel to its colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from vcl.backbones.pixels import PixelBackbone
from vcl.backbones.upsampling import grid_of
from vcl.config import BackboneConfig
from vcl.config.backbones import LiifConfig
from vcl.layers.convnext import ConvNextEncoder
from vcl.layers.head import head_tensors
from vcl.layers.latents import around, read
from vcl.layers.own import SessionTensor
from vcl.query import Query


class Liif(PixelBackbone):
    """A ConvNeXt encoder, which only training sees, and a local implicit function that decodes its map of a frame.

    The colour at a pixel is decoded from each of the four latent vectors around it, with its neighbours and the way
    from it to the pixel, and the four are weighted by area. The map is stored with the session, and is decoded
    at any size.

    Args:
        config: a ``LiifConfig``.
        size: height and width of a frame; multiples of the product of the strides.
        sessions: not used: a frame's map says which video it is of.

    Raises:
        ConfigError: the frame's sides are no multiples of the strides' product.

    Source:
        Chen et al., CVPR 2021, arXiv:2012.09161. Differs: an encoder of one video in the place of EDSR of many; a
        sigmoid behind the head; no size of the pixel as input, as all of a video's have one size in training; the first
        layer, linear, takes each vector with its neighbours once and not once for each pixel.
    """

    training_only: ClassVar = ("encoder",)
    recordable: ClassVar = False  # Reading a grid at drawn places was never recorded on a GPU.

    def __init__(self, config: BackboneConfig, size: tuple[int, int], sessions: int) -> None:
        super().__init__(config, size, sessions)
        assert isinstance(config, LiifConfig)
        self.points, self.config, self.per_pixel = config.points, config, 4 * config.width
        self.grid, width = grid_of(size, config.strides), config.width
        self.encoder = ConvNextEncoder(config.strides, config.encoder_width, config.code_channels)
        self.near = nn.Conv2d(config.code_channels, width, 3, padding=1)
        self.way = nn.Linear(2, width, bias=False)
        layers = [part for _ in range(config.layers - 1) for part in (nn.Linear(width, width), nn.ReLU())]
        self.layers = nn.Sequential(*layers)

    @property
    def session_tensors(self) -> Mapping[str, SessionTensor]:
        """A head with its bias, and the biases of the layers."""
        return {**super().session_tensors, **head_tensors(self.config.width)}

    @property
    def frame_tensors(self) -> Mapping[str, tuple[int, ...]]:
        """The grid of latent vectors."""
        return {"code": (self.config.code_channels, *self.grid)}

    def encode(self, query: Query, frames: Tensor) -> Mapping[str, Tensor]:
        """The encoder's map of each frame."""
        return {"code": self.encoder(frames)}

    def colours(self, coordinates: Tensor, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Tensor:
        """Sigmoids of what the head gives for the four vectors, weighted."""
        near = around(coordinates[..., 1:], self.grid)
        features: Tensor = self.layers(F.relu(read(self.near(frame["code"]), near.cell) + self.way(near.way)))
        colours = (features @ session["head"].mT + session["head_bias"][:, None]).sigmoid()
        weighted = colours * near.weight[..., None]
        return weighted.view(len(weighted), -1, 4, 3).sum(2)
