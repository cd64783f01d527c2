"""A network with every kind of number that a backbone may have, in layers that know nothing of masks."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from vcl.backbones import Backbone, SessionTensor
from vcl.config.backbones import BackboneConfig
from vcl.query import Output


@dataclass(frozen=True)
class EverythingConfig(BackboneConfig):
    """Knobs of the network below."""

    name: str = "everything"
    width: int = 8


class Everything(Backbone):
    """Codes of frames from an encoder, attention, strided, grouped and transposed convolutions, a norm, and biases."""

    config_class = EverythingConfig
    training_only: ClassVar = ("encoder",)

    def __init__(self, config, size, sessions):
        super().__init__(config, size, sessions)
        width = config.width
        self.encoder = nn.Sequential(nn.Conv2d(3, 4, 8, stride=8), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(6))
        self.encoder(torch.zeros(2, 3, *size))
        self.grid = size[0] // 4, size[1] // 4
        self.stem = nn.Linear(8, width * self.grid[0] * self.grid[1], bias=False)
        self.attention = nn.MultiheadAttention(width, 2, bias=False, batch_first=True)
        self.grouped = nn.Conv2d(width, width, 3, padding=1, groups=2, bias=False)
        self.up = nn.ConvTranspose2d(width, width, 4, stride=4, bias=False)
        self.register_buffer("gain", torch.tensor(0.5), persistent=False)

    @property
    def session_tensors(self):
        width = self.up.out_channels
        return {
            "scale": SessionTensor((width,), "ones"),
            "bias": SessionTensor((width,), "zeros"),
            "head": SessionTensor((3, width)),
        }

    @property
    def frame_tensors(self):
        return {"code": (6,)}

    def encode(self, query, frames):
        return {"code": self.encoder(frames)}

    def decode(self, query, session, frame):
        place = torch.stack((query.fraction, query.session), dim=1).float()
        x = self.stem(torch.cat((place, frame["code"]), dim=1)).view(len(query), -1, *self.grid)
        tokens = F.avg_pool2d(x, 4).flatten(2).mT
        attended = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        x = F.gelu(self.grouped(x) + attended.mean(1)[..., None, None])
        x = self.up(x)
        x = x / x.square().mean(1, keepdim=True).add(1e-6).sqrt()
        x = F.gelu(x * session["scale"][..., None, None] + session["bias"][..., None, None])
        colours = torch.einsum("boc,bchw->bohw", session["head"], x)
        return Output(colours.sigmoid() * self.gain * 2, {"code": frame["code"]})

    def loss_terms(self, output, batch):
        return 1e-3 * output.extras["code"].square().mean()
