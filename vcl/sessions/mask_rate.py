"""A price on the bits of a mask, so that scores move where it is worth them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from vcl.sessions.stateful import StatefulPlugin
from vcl.subnet.ledger import Ledger
from vcl.subnet.mask_context import code_lengths, mask_context, score_purpose


class MaskRate(StatefulPlugin):
    """Adds to the gradient of each score what the bits of the mask change with it, straight through the choice.

    The bits are those of the file: each unit given its context, with the shares of the mask of the latest pass.

    Args:
        ledger: of the run.
        rate: loss of one bit per pixel of the session's video.
        seed: draws the scores.
        reinit: whether each session draws its own.
    """

    recordable: ClassVar = True

    def __init__(self, ledger: Ledger, rate: float, seed: int, reinit: bool = True) -> None:
        super().__init__()
        self.ledger, self.rate, self.seed, self.reinit = ledger, rate, seed, reinit
        self._contexts: dict[str, Tensor] = {}
        self._costs: dict[str, Tensor] = {}

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Note the contexts; they do not change within a session."""
        session = strategy.session if self.reinit else 0
        for name, weight in strategy.model.weights().items():
            purpose = score_purpose(self.seed, name, session)
            context = mask_context(self.ledger.sealed(name), weight.mask_shape, weight.rule.signed, *purpose)
            self._contexts[name] = torch.from_numpy(context).long().to(weight.value.device)
            self._costs[name] = torch.zeros_like(weight.score)

    @torch.no_grad()
    def before_training_epoch(self, strategy: Any, **_: Any) -> None:
        """Take the shares of the masks of now; in the middle of a pass those of its beginning stay."""
        if strategy.step % strategy.steps_per_epoch:
            return
        frames, _, height, width = strategy.clips[strategy.session].frames.shape
        for name, weight in strategy.model.weights().items():
            lengths = code_lengths(weight.mask(), self._contexts[name])
            price = lengths[self._contexts[name]].view(weight.score.shape) * (self.rate / (frames * height * width))
            self._costs[name].copy_(price)

    @torch.no_grad()
    def after_backward(self, strategy: Any, **_: Any) -> None:
        """Add the price to the gradients of the scores that are still learned."""
        for name, weight in strategy.model.weights().items():
            if weight.score.grad is not None:
                cost = self._costs[name]
                weight.score.grad.add_(cost if weight.rule.signed else cost * weight.score.sign())

    def state_dict(self) -> dict[str, Tensor]:
        """The prices of the current pass."""
        return {f"cost/{name}": cost for name, cost in self._costs.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        for name, cost in self._costs.items():
            cost.copy_(state[f"cost/{name}"])
