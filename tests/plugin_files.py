"""Plugins of each kind as a user would write them: the text of a file, the name that it registers, settings."""

from pathlib import Path

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

BACKBONE = (Path(__file__).parents[1] / "experiments" / "own_backbone.py").read_text()

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
