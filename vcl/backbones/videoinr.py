"""VideoINR for one video: latent vectors of the time from each frame to the next, decoded at any place and moment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vcl.backbones.pixels import PixelBackbone
from vcl.backbones.upsampling import grid_of
from vcl.config import BackboneConfig
from vcl.config.backbones import VideoInrConfig
from vcl.layers.convnext import ConvNextEncoder
from vcl.layers.latents import around, read
from vcl.layers.own import SessionTensor
from vcl.layers.sine import SineLayer
from vcl.query import Batch, Output, Query


class VideoInr(PixelBackbone):
    """Features of a place, ways from it back to a frame and ahead to the next, and colours of what lies there.

    An encoder, which only training sees, makes one map of a frame and the next. It is stored with the frame, and is
    decoded at any moment from the one frame to the other: the frame itself at 0, the next at 1, and between them both,
    each where its way leads, mixed by the moment. Training asks for the next frame too, and for either by the other.

    Args:
        config: a ``VideoInrConfig``.
        size: height and width of a frame; multiples of the product of the strides.
        sessions: not used: a frame's map says which video it is of.

    Raises:
        ConfigError: the frame's sides are no multiples of the strides' product.

    Source:
        Chen et al., CVPR 2022, arXiv:2206.04647. Differs: learnt from one video, without the frames between that it is
        trained on; an encoder of frames one by one in the place of deformable convolutions; one map and not three;
        widths of our own; L1 in the place of Charbonnier's loss; the first layer reads the four vectors around a place,
        weighted by area.
    """

    training_only: ClassVar = ("encoder", "joined")
    moments: ClassVar = True
    recordable: ClassVar = False  # Reading a grid at drawn places was never recorded on a GPU.

    def __init__(self, config: BackboneConfig, size: tuple[int, int], sessions: int) -> None:
        super().__init__(config, size, sessions)
        assert isinstance(config, VideoInrConfig)
        self.points, self.config, self.per_pixel = config.points, config, 4 * config.width
        self.grid, width, omega = grid_of(size, config.strides), config.width, config.omega
        self.encoder = ConvNextEncoder(config.strides, config.encoder_width, config.encoder_width)
        self.joined = nn.Conv2d(2 * config.encoder_width, config.code_channels, 1)
        self.near = nn.Conv2d(config.code_channels, width, 3, padding=1)
        self.way = nn.Linear(2, width, bias=False)
        self.motion = SineLayer(width + 1, width, omega)
        self.ways = nn.Linear(width, 4)
        self.near.gain = self.ways.gain = 1 / omega  # type: ignore[assignment]
        self.way.gain = 1 / math.sqrt(12)  # type: ignore[assignment]
        self.colour = nn.Sequential(SineLayer(width + 1, width, omega), SineLayer(width, width, omega))

    @property
    def session_tensors(self) -> Mapping[str, SessionTensor]:
        """A head with its bias, and the biases of the layers."""
        width, omega = self.config.width, self.config.omega
        head = SessionTensor((3, width), "uniform", width * omega**2 / 6)
        return {**super().session_tensors, "head": head, "head_bias": SessionTensor((3,), "zeros")}

    @property
    def frame_tensors(self) -> Mapping[str, tuple[int, ...]]:
        """The grid of latent vectors."""
        return {"code": (self.config.code_channels, *self.grid)}

    def frames_seen(self, t: Tensor, frames: int) -> Tensor:
        """The frame and the next, which of the last is itself."""
        return torch.stack((t, (t + 1).clamp(max=frames - 1)), dim=1)

    def encode(self, query: Query, frames: Tensor) -> Mapping[str, Tensor]:
        """One map of the two."""
        maps = torch.cat([self.encoder(frames[:, number]) for number in range(2)], dim=1)
        return {"code": self.joined(maps)}

    def decode(self, query: Query, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Output:
        """The moments that the query names; of points in training, at frames, also what ``loss_terms`` compares."""
        if self.training and query.points is not None:
            return self._both_frames(self.coordinates(query, query.points)[..., 1:], session, frame)
        return super().decode(query, session, {**frame, "moment": (query.t.double() % 1).float()})

    def loss_terms(self, output: Output, batch: Batch) -> Tensor | None:
        """Mean absolute errors of the next frame, and of either frame as the way to it leads from the other."""
        if not output.extras or batch.seen is None or batch.query.points is None:
            return None
        row, column = batch.query.points.long().unbind(-1)
        pixel = (row * self.size[1] + column)[:, None].expand(-1, 3, -1)
        after = batch.seen[:, 1].flatten(2).gather(2, pixel)
        truth = {"next": after, "by_next": batch.target, "next_by_this": after}
        return torch.stack([F.l1_loss(output.extras[name], pixels) for name, pixels in truth.items()]).sum()

    def colours(self, coordinates: Tensor, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Tensor:
        """(What the head gives + 1) / 2 of both frames where the ways lead, mixed; nothing holds it to [0, 1]."""
        places, latents = coordinates[..., 1:], self.near(frame["code"])
        here = self._features(latents, places)
        if not bool(frame["moment"].any()):
            return self._seen(here, 0, session)
        moment = frame["moment"][:, None, None].expand(-1, places.shape[1], 1)
        back, ahead = self._ways(here, moment)
        start = self._seen(self._features(latents, places + back * moment), 0, session)
        end = self._seen(self._features(latents, places + ahead * (1 - moment)), 1, session)
        return (1 - moment) * start + moment * end

    def _both_frames(self, places: Tensor, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Output:
        """Colours of the frame; and, as extras, of the next, and of either as the way to it leads from the other."""
        latents = self.near(frame["code"])
        here = self._features(latents, places)
        start = torch.zeros_like(places[..., :1])
        ahead, back = self._ways(here, start)[1], self._ways(here, start + 1)[0]
        extras = {
            "next": self._seen(here, 1, session),
            "by_next": self._seen(self._features(latents, places + ahead), 1, session),
            "next_by_this": self._seen(self._features(latents, places + back), 0, session),
        }
        return Output(self._seen(here, 0, session).mT, {name: colours.mT for name, colours in extras.items()})

    def _ways(self, features: Tensor, moment: Tensor) -> tuple[Tensor, Tensor]:
        """Back to the frame and ahead to the next, ``(B, N, 2)`` each, of a moment ``(B, N, 1)``."""
        ways: Tensor = self.ways(self.motion(torch.cat((features, moment), dim=2))).float()
        return ways[..., :2], ways[..., 2:]

    def _seen(self, features: Tensor, number: int, session: Mapping[str, Tensor]) -> Tensor:
        """Colours ``(B, N, 3)`` in the frame, 0, or in the next, 1."""
        features = self.colour(torch.cat((features, torch.full_like(features[..., :1], number)), dim=2))
        return (features @ session["head"].mT + session["head_bias"][:, None] + 1) / 2

    def _features(self, latents: Tensor, places: Tensor) -> Tensor:
        """Of places ``(B, N, 2)``, also beyond the frame: ``(B, N, width)``."""
        near = around(places.clamp(-1, 1), self.grid)
        waves: Tensor = (self.config.omega * (read(latents, near.cell) + self.way(near.way))).sin()
        return (waves * near.weight[..., None]).view(len(places), -1, 4, waves.shape[-1]).sum(2)
