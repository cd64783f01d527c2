"""Plugins for what a session trains: its own subnetwork, or a new network."""

from typing import Any, ClassVar

from avalanche.core import SupervisedPlugin

from vcl.subnet.gate import Gate
from vcl.subnet.ledger import Ledger
from vcl.subnet.mask_context import score_purpose


class Subnetworks(SupervisedPlugin):  # type: ignore[misc]
    """Each session learns which weights it uses; weights that closed sessions use do not change.

    Fits any strategy whose model is a ``Backbone`` with a capacity. Closing a session, by ``ledger.seal``, is up to
    the strategy: ours does it; in a script of your own it is the line after ``train``.

    Args:
        ledger: records of closed sessions.
        reinit: draw the scores anew at the start of each session.
        seed: draws them.

    Source:
        Kang et al., ICLR 2024, arXiv:2306.11305, algorithm 1, which zeroes the gradients of sealed weights. We put
        those weights back after each step instead, which holds under every optimiser.
    """

    recordable: ClassVar = True

    def __init__(self, ledger: Ledger, reinit: bool = True, seed: int = 0) -> None:
        super().__init__()
        self.ledger, self.reinit, self.seed = ledger, reinit, seed
        self._gate: Gate | None = None

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Draw the scores, and set the gate on sealed weights."""
        weights = strategy.model.weights()
        session = strategy.experience.current_experience
        if self.reinit and session > 0:
            for name, weight in weights.items():
                weight.reset_scores(*score_purpose(self.seed, name, session))
        self._gate = Gate(weights, self.ledger)

    def after_update(self, strategy: Any, **_: Any) -> None:
        assert self._gate is not None
        self._gate.restore()


class FreshNetwork(SupervisedPlugin):  # type: ignore[misc]
    """Draws all weights anew at the start of each session, so that every video has a network of its own."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Draw all weights anew."""
        strategy.model.reset_parameters(self.seed, strategy.experience.current_experience)
