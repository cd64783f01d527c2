"""PackNet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vcl.config import MethodConfig, PacknetConfig
from vcl.layers.masked import MaskedWeight
from vcl.layers.masking import entries_kept, top_mask
from vcl.sessions.stateful import StatefulPlugin
from vcl.sessions.strategy import VideoStrategy
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
        self.own: dict[str, Tensor] = {}
        self._others: list[tuple[MaskedWeight, Tensor, Tensor]] = []

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Draw all free weights anew."""
        self.own = {}
        weights = strategy.model.weights()
        for name, weight in weights.items():
            weight.reset_values(self.seed, "value", name, strategy.session, scaled=strategy.model.scaled)
        self._set_others(weights)

    def state_dict(self) -> dict[str, Tensor]:
        """Which weights are the session's own, once they are chosen."""
        return self.own

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.own = dict(state)

    @torch.no_grad()
    def before_training_epoch(self, strategy: Any, **_: Any) -> None:
        """Choose the session's own weights among the free ones, once ``config.prune_at`` of its passes are done."""
        weights = strategy.model.weights()
        if not self.own and strategy.epoch >= max(1, int(self.config.prune_at * strategy.passes)):
            for name, weight in weights.items():
                free = ~self.ledger.sealed(name).to(weight.value.device)
                self.own[name] = free.clone()
                if free.any():
                    self.own[name][free] = top_mask(weight.value[free], self.config.kept)
        self._set_others(weights)

    @torch.no_grad()
    def after_backward(self, strategy: Any, **_: Any) -> None:
        """Zero the gradients of all but the session's own weights."""
        for weight, own, _fixed in self._others:
            if weight.value.grad is not None:
                weight.value.grad.mul_(own)

    @torch.no_grad()
    def after_update(self, strategy: Any, **_: Any) -> None:
        """Restore all but the session's own weights."""
        for weight, own, fixed in self._others:
            weight.value.copy_(torch.where(own, weight.value, fixed))

    @torch.no_grad()
    def _set_others(self, weights: Mapping[str, MaskedWeight]) -> None:
        """Note which weights are the session's own, and what the others stay at: sealed, or zero once pruned."""
        self._others = []
        for name, weight in weights.items():
            device = weight.value.device
            own = self.own[name].to(device) if self.own else ~self.ledger.sealed(name).to(device)
            self._others.append((weight, own, self.ledger.values(name).to(device)))
        self.after_update(None)


class Packnet(VideoStrategy):
    """One network, packed with one video after the other by pruning.

    Source:
        Mallya and Lazebnik, CVPR 2018, arXiv:1711.05769. Avalanche's plugin takes stock layers only.
        Differs: weights that were let go are drawn anew for the next session, where the original leaves them at zero.
    """

    state_kind = "shared_masked"

    @classmethod
    def own_plugins(cls, config: MethodConfig, ledger: Ledger, seed: int) -> list[Any]:
        """The plugin that packs."""
        assert isinstance(config, PacknetConfig)
        return [PackNetPlugin(config, ledger, seed)]

    @classmethod
    def claimed(cls, config: MethodConfig, weight: MaskedWeight, free: float) -> float:
        """The share of the free weights that is kept."""
        assert isinstance(config, PacknetConfig)
        return entries_kept(config.kept, free) if free else 0

    def masks(self) -> dict[str, Tensor]:
        """Everything that is sealed, and what is this session's own: all, if it was ended before it had to choose."""
        own = next(plugin for plugin in self.plugins if isinstance(plugin, PackNetPlugin)).own
        sealed = {name: self.ledger.sealed(name) for name in self.ledger.shapes}
        return {name: own[name].cpu() | mask if own else torch.ones_like(mask) for name, mask in sealed.items()}
