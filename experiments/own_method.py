"""A method of your own, as a plugin: ``vcl run CONFIG.yaml --plugin own_method.py method.name=anchor``."""

from dataclasses import dataclass

from vcl.config import MethodConfig, register_method
from vcl.sessions.stateful import StatefulPlugin
from vcl.sessions.strategy import VideoStrategy


@dataclass(frozen=True)
class AnchorConfig(MethodConfig):
    """L2 penalty on the distance to the weights after the previous session."""

    name: str = "anchor"
    """Name of the method."""
    strength: float = 1e-2
    """Weight of the penalty."""


class AnchorPlugin(StatefulPlugin):
    """Any hook of an Avalanche plugin works here."""

    def __init__(self, strength):
        super().__init__()
        self.strength, self.anchor = strength, {}

    def before_backward(self, strategy, **_):
        for name, value in self.anchor.items():
            weight = strategy.model.weights()[name].value
            strategy.loss += self.strength * (weight - value.to(weight.device)).square().sum()

    def after_training_exp(self, strategy, **_):
        self.anchor = {name: weight.value.detach().clone() for name, weight in strategy.model.weights().items()}

    def session_state(self):  # Stored with the session, and counted in its bytes.
        return self.anchor

    def load_session_state(self, state, session):  # Called when a stopped run goes on in a new process.
        self.anchor = dict(state)


@register_method
class Anchor(VideoStrategy):
    """Finetuning with the penalty."""

    config_class = AnchorConfig

    @classmethod
    def own_plugins(cls, config, ledger, seed):
        return [AnchorPlugin(config.strength)]
