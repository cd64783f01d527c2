"""Gradient episodic memory, by Avalanche's plugins over our buffer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from avalanche.training.plugins.agem import AGEMPlugin
from avalanche.training.plugins.gem import GEMPlugin
from torch import Tensor

from vcl.config import AgemConfig, GemConfig, MethodConfig
from vcl.layers import init
from vcl.sessions.rehearsal import Buffered
from vcl.sessions.strategy import VideoStrategy
from vcl.subnet.ledger import Ledger


class AgemPlugin(Buffered, AGEMPlugin):  # type: ignore[misc]
    """Removes from a gradient what would raise the loss on some buffered frames.

    Avalanche takes the gradient on those: of the run's loss alone, without ``Backbone.loss_terms``.
    """

    def __init__(self, config: AgemConfig, seed: int = 0) -> None:
        super().__init__(config, seed, patterns_per_experience=config.buffer, sample_size=config.rehearse)
        self._sample: tuple[Tensor, ...] = ()

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Tell Avalanche whether the buffer holds anything."""
        super().before_training_exp(strategy, **kwargs)
        self.buffers = [self.buffer] if self.buffer else []

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        """Compute the gradient on buffered frames."""
        if self.buffers:
            chosen = self.choose(strategy)
            self._sample = self.buffer["query"][chosen], self.truth(chosen), chosen
        AGEMPlugin.before_training_iteration(self, strategy, **kwargs)

    def before_backward(self, strategy: Any, **_: Any) -> None:
        """Add nothing: buffered frames limit the gradient and are not trained on."""

    def sample_from_memory(self) -> tuple[Tensor, ...]:
        """Queries, frames and, where Avalanche expects tasks, the indices."""
        return self._sample


class GemPlugin(Buffered, GEMPlugin):  # type: ignore[misc]
    """Removes from a gradient what would raise the loss on buffered frames of any earlier video."""

    def __init__(self, config: GemConfig, seed: int = 0) -> None:
        super().__init__(config, seed, patterns_per_experience=config.buffer, memory_strength=config.strength)

    def rehearsed(self, session: int, lengths: Sequence[int]) -> int:
        """As many of every earlier video."""
        return sum(min(self.config.rehearse, len(self._of(earlier))) for earlier in range(session))

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        """Compute a gradient for each earlier video."""
        for earlier in range(strategy.session):
            own = self._of(earlier)
            source = init.generator(self.seed, "rehearse", strategy.session, strategy.step, earlier)
            chosen = own[
                torch.randperm(len(own), generator=source)[: self.config.rehearse].to(own.device, non_blocking=True)
            ]
            self.memory_x[earlier], self.memory_y[earlier] = self.buffer["query"][chosen], self.truth(chosen)
            self.memory_tid[earlier] = chosen
        GEMPlugin.before_training_iteration(self, strategy, **kwargs)

    def before_backward(self, strategy: Any, **_: Any) -> None:
        """Add nothing: buffered frames limit the gradient and are not trained on."""

    def _of(self, session: int) -> Tensor:
        return torch.nonzero(self.buffer["query"][:, 0] == session).flatten()


class Agem(VideoStrategy):
    """No step may raise the mean loss on buffered frames, to first order.

    Source:
        Chaudhry et al., ICLR 2019, arXiv:1812.00420, by Avalanche; the buffer is ours. The optimiser is Adam, whose
        steps do not quite follow the gradient that was corrected.
    """

    @classmethod
    def own_plugins(cls, config: MethodConfig, ledger: Ledger, seed: int) -> list[Any]:
        """The plugin that corrects gradients."""
        assert isinstance(config, AgemConfig)
        return [AgemPlugin(config, seed)]


class Gem(VideoStrategy):
    """No step may raise the loss on buffered frames of any earlier video, to first order; its work grows with them.

    Source:
        Lopez-Paz and Ranzato, NeurIPS 2017, arXiv:1706.08840, by Avalanche; the buffer is ours, and a step looks at
        ``method.rehearse`` buffered frames of each earlier video, not at all of them. Avalanche adds 1e-3 to the
        diagonal of the gradients' products, which are small: with ``method.strength`` 0 part of a conflict is left.
    """

    @classmethod
    def own_plugins(cls, config: MethodConfig, ledger: Ledger, seed: int) -> list[Any]:
        """The plugin that corrects gradients."""
        assert isinstance(config, GemConfig)
        return [GemPlugin(config, seed)]
