"""Plugins of each kind as a user would write them: the text of a file, the name that it registers, settings."""

METHOD = '''
from dataclasses import dataclass

from vcl.config import MethodConfig, register_method
from vcl.sessions.stateful import StatefulPlugin
from vcl.sessions.strategy import VideoStrategy


@dataclass(frozen=True)
class DecayConfig(MethodConfig):
    """Finetuning with a penalty on large weights."""

    name: str = "decay"
    """Name of the method."""
    strength: float = 1e-3
    """Weight of the penalty."""


class DecayPlugin(StatefulPlugin):
    def __init__(self, strength):
        super().__init__()
        self.strength = strength

    def before_backward(self, strategy, **_):
        strategy.loss += self.strength * sum(w.value.square().sum() for w in strategy.model.weights().values())


@register_method
class Decay(VideoStrategy):
    config_class = DecayConfig

    @classmethod
    def own_plugins(cls, config, ledger, seed):
        return [DecayPlugin(config.strength)]
'''

BACKBONE = '''
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
    config_class = MlpConfig

    def __init__(self, config, size, sessions):
        super().__init__(config, size, sessions)
        self.width = config.width
        self.fc1 = nn.Linear(2, config.width, bias=False)
        self.fc2 = nn.Linear(config.width, config.width * size[0] * size[1], bias=False)

    @property
    def session_tensors(self):
        return {"head": SessionTensor((3, self.width))}

    def decode(self, query, session, frame):
        x = torch.stack((query.fraction, query.session), dim=1).float()
        features = self.fc2(self.fc1(x).sin()).view(len(x), self.width, *self.size)
        return Output(torch.einsum("bchw,boc->bohw", features, session["head"]).sigmoid())
'''

BENCHMARK = """
from pathlib import Path

from vcl.config import register_benchmark

register_benchmark(Path(__file__).with_name("birds.yaml"))
"""

MANIFEST = """
about: Two clips of birds
videos:
  - {name: clip1, frames: 4}
  - {name: clip0, frames: 5}
"""

PLUGINS = {
    "method": (METHOD, "decay", ["method.name=decay", "method.strength=0.01"]),
    "backbone": (BACKBONE, "mlp", ["backbone.name=mlp", "backbone.width=4"]),
    "benchmark": (BENCHMARK, "birds", ["stream.benchmark=birds"]),
}
