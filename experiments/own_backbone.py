"""A backbone of your own in one file, for ``vcl ... --plugin own_backbone.py backbone.name=mlp``."""

from dataclasses import dataclass

import torch
from torch import nn

from vcl.backbones import Backbone, SessionTensor
from vcl.config import BackboneConfig, register_backbone
from vcl.query import Output


@dataclass(frozen=True)
class MlpConfig(BackboneConfig):
    """Two linear layers, whose output is the frame's features."""

    widths = ("width",)
    name: str = "mlp"
    """Name of the backbone."""
    width: int = 8
    """Channels of both layers."""


@register_backbone
class Mlp(Backbone):
    """Plain PyTorch: every weight is shared by the sessions, under the mask of each where the method has masks."""

    config_class = MlpConfig
    recordable = True  # Its work is the same in every step, so that a GPU may replay it.

    def __init__(self, config, size, sessions):
        super().__init__(config, size, sessions)
        self.width = config.width
        self.fc1 = nn.Linear(2, config.width)  # Each session has a bias of its own, and the layer adds the right one.
        self.fc2 = nn.Linear(config.width, config.width * size[0] * size[1], bias=False)

    @property
    def session_tensors(self):
        """What each session has for itself: biases of layers, and a head."""
        return {**super().session_tensors, "head": SessionTensor((3, self.width))}

    def decode(self, query, session, frame):
        """Frames of a query: ``session`` has the tensors of each frame's session."""
        x = torch.stack((query.fraction, query.session), dim=1).float()
        features = self.fc2(self.fc1(x).sin()).view(len(query), self.width, *self.size)
        return Output(torch.einsum("bchw,boc->bohw", features, session["head"]).sigmoid())
