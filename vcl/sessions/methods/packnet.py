"""PackNet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vcl.config import MethodConfig, PacknetConfig
from vcl.layers import init
from vcl.layers.masked import MaskedWeight
from vcl.layers.masking import top_mask
from vcl.sessions.strategy import StatefulPlugin, VideoStrategy
from vcl.subnet.ledger import Ledger


class PackNetPlugin(StatefulPlugin):
    """Lets a session train all free weights, then keeps the largest of them and trains those on.

    Args:
        config: how many to keep, and when.
        ledger: sealed weights of closed sessions, which do not move.
        seed: draws free weights anew.
    """

    def __init__(self, config: PacknetConfig, ledger: Ledger, seed: int = 0) -> None:
        super().__init__()
        self.config, self.ledger, self.seed = config, ledger, seed
        self.kept: dict[str, Tensor] = {}
        self._held: list[tuple[MaskedWeight, Tensor, Tensor]] = []

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Begin with sealed weights and new ones."""
        self.kept = {}
        weights = strategy.model.weights()
        for name, weight in weights.items():
            weight.reset_values(init.generator(self.seed, "value", name, strategy.session), strategy.model.scaled)
        self._hold(weights)

    def state(self) -> dict[str, Tensor]:
        """What is kept, once that is known."""
        return self.kept

    def resume(self, state: Mapping[str, Tensor]) -> None:
        """Take it."""
        self.kept = dict(state)

    @torch.no_grad()
    def before_training_epoch(self, strategy: Any, **_: Any) -> None:
        """Choose, when it is time, and let the others go."""
        weights = strategy.model.weights()
        if not self.kept and strategy.epoch >= max(1, int(self.config.prune_at * strategy.passes)):
            for name, weight in weights.items():
                free = ~self.ledger.sealed(name).to(weight.value.device)
                self.kept[name] = free.clone()
                if free.any():
                    self.kept[name][free] = top_mask(weight.value[free], self.config.kept)
        self._hold(weights)

    @torch.no_grad()
    def after_backward(self, strategy: Any, **_: Any) -> None:
        """No gradient reaches a weight that is not the session's own."""
        for weight, own, _held in self._held:
            if weight.value.grad is not None:
                weight.value.grad.mul_(own)

    @torch.no_grad()
    def after_update(self, strategy: Any, **_: Any) -> None:
        """Nothing else moves one either."""
        for weight, own, held in self._held:
            weight.value.copy_(torch.where(own, weight.value, held))

    @torch.no_grad()
    def _hold(self, weights: Mapping[str, MaskedWeight]) -> None:
        """Weights, which of them are the session's own, and what the others stay at: sealed, or zero once let go."""
        self._held = []
        for name, weight in weights.items():
            device = weight.value.device
            own = self.kept[name].to(device) if self.kept else ~self.ledger.sealed(name).to(device)
            self._held.append((weight, own, self.ledger.values(name).to(device)))
        self.after_update(None)


class Packnet(VideoStrategy):
    """One network, packed with one video after the other by pruning.

    Source:
        Mallya and Lazebnik, CVPR 2018, arXiv:1711.05769. Avalanche's plugin takes stock layers only.
        Differs: weights that were let go are drawn anew for the next session, where the original leaves them at zero.
    """

    keeps = "masks"

    @classmethod
    def own_plugins(cls, config: MethodConfig, ledger: Ledger, seed: int) -> list[Any]:
        """The packing."""
        assert isinstance(config, PacknetConfig)
        return [PackNetPlugin(config, ledger, seed)]

    def masks(self) -> dict[str, Tensor]:
        """Everything that is sealed, and what this session kept: all, if it was ended before it had to choose."""
        own = next(plugin for plugin in self.plugins if isinstance(plugin, PackNetPlugin)).kept
        sealed = {name: self.ledger.sealed(name) for name in self.ledger.shapes}
        return {name: own[name].cpu() | mask if own else torch.ones_like(mask) for name, mask in sealed.items()}
