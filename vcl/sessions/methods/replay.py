"""Experience replay."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from vcl.config import MethodConfig, ReplayConfig
from vcl.sessions.rehearsal import Buffered, Reservoir
from vcl.sessions.strategy import VideoStrategy
from vcl.subnet.ledger import Ledger


class ReplayPlugin(Reservoir):
    """Trains on true frames of earlier videos, in a balanced buffer or a reservoir."""

    config: ReplayConfig

    def keep(self, owners: list[int], session: int, offered: int) -> list[int]:
        policy = Reservoir if self.config.policy == "reservoir" else Buffered
        return policy.keep(self, owners, session, offered)

    def loss(self, strategy: Any, chosen: Tensor) -> Tensor:
        """The run's loss on frames in the buffer."""
        batch = self.batch(chosen)
        loss: Tensor = strategy.loss_of(strategy.ask(strategy.model, batch.query), batch)
        return self.config.strength * loss


class Replay(VideoStrategy):
    """Frames of earlier videos are trained on beside the session's own.

    Source:
        Chaudhry et al., arXiv:1902.10486. Differs: a step takes ``method.rehearse`` frames, and a session
        makes fewer steps in turn; the buffer changes between sessions only.
    """

    @classmethod
    def own_plugins(cls, config: MethodConfig, ledger: Ledger, seed: int) -> list[Any]:
        """The plugin that keeps the buffer."""
        assert isinstance(config, ReplayConfig)
        return [ReplayPlugin(config, seed)]
