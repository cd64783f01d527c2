"""A method of one's own in one file: an L2 penalty on how far the weights move from those of the session before.

This file is the ``vcl`` command with one method more: ``python own_method.py run CONFIG.yaml method.name=anchor``. To
have it in ``vcl`` itself, a package names it: ``[project.entry-points."vcl.methods"]``, ``anchor = "package:Anchor"``.
"""

from dataclasses import dataclass

from vcl.cli import main
from vcl.config import MethodConfig, register_method
from vcl.sessions.strategy import StatefulPlugin, VideoStrategy


@dataclass(frozen=True)
class AnchorConfig(MethodConfig):
    """L2 penalty on the distance to the weights of the session before."""

    name: str = "anchor"
    """Name of the method."""
    strength: float = 1e-2
    """Weight of the penalty."""


class AnchorPlugin(StatefulPlugin):
    """Any hook of an Avalanche plugin works here; ``memory`` and ``recall`` carry something from session to session."""

    def __init__(self, strength):
        super().__init__()
        self.strength, self.anchor = strength, {}

    def before_training_exp(self, strategy, **_):
        self.anchor = {name: value.to(strategy.device) for name, value in self.anchor.items()}

    def before_backward(self, strategy, **_):
        for name, weight in strategy.model.weights().items():
            if name in self.anchor:
                strategy.loss += self.strength * (weight.value - self.anchor[name]).square().sum()

    def after_training_exp(self, strategy, **_):
        self.anchor = {name: weight.value.detach().clone() for name, weight in strategy.model.weights().items()}

    def memory(self):  # Stored with the session, and counted in its bytes.
        return self.anchor

    def recall(self, memory, session):  # A run that goes on in a new process.
        self.anchor = dict(memory)


@register_method
class Anchor(VideoStrategy):
    """Finetuning with the penalty."""

    config_class = AnchorConfig

    @classmethod
    def own_plugins(cls, config, ledger, seed):
        """The plugins that make the method what it is."""
        return [AnchorPlugin(config.strength)]


if __name__ == "__main__":
    raise SystemExit(main())
