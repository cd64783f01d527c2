"""Learning without forgetting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from vcl.backbones import Backbone
from vcl.config import LwfConfig, MethodConfig
from vcl.query import Batch, Query
from vcl.sessions.rehearsal import Rehearsal
from vcl.sessions.sealed import teacher_snapshot
from vcl.sessions.strategy import VideoStrategy
from vcl.subnet.ledger import Ledger


class LwfPlugin(Rehearsal):
    """Decodes earlier videos with the network of the previous session, and trains on the result."""

    config: LwfConfig

    def __init__(self, config: LwfConfig, ledger: Ledger, seed: int = 0) -> None:
        super().__init__(config, seed)
        self.ledger = ledger
        self._teacher: Backbone | None = None
        self._queries = torch.empty(0, 3)

    def available(self, session: int, lengths: Sequence[int]) -> int:
        """All frames of earlier videos."""
        return sum(lengths[:session])

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """List the frames of earlier videos, and take a snapshot of the network before the session."""
        if strategy.session:
            earlier = enumerate(strategy.lengths[: strategy.session])
            queries = [Query.of_video(session, range(length), length).tensor() for session, length in earlier]
            self._queries = torch.cat(queries).to(strategy.device)
            self._teacher = teacher_snapshot(strategy.model, self.ledger)

    def loss(self, strategy: Any, chosen: Tensor) -> Tensor:
        """The run's loss, towards decoded frames."""
        query = Query.of_tensor(self._queries[chosen])
        with torch.no_grad():
            taught = strategy.ask(self._teacher, query).frames
        loss: Tensor = strategy.loss_of(strategy.ask(strategy.model, query), Batch(query, taught))
        return self.config.strength * loss


class Lwf(VideoStrategy):
    """Earlier videos are decoded and learned again; no frame is kept.

    Source:
        Li and Hoiem, ECCV 2016, arXiv:1606.09282. Differs: a network that decodes can be asked for its old videos
        themselves, so it is distilled there, and not on new frames with old outputs.
    """

    @classmethod
    def own_plugins(cls, config: MethodConfig, ledger: Ledger, seed: int) -> list[Any]:
        """The plugin that distils."""
        assert isinstance(config, LwfConfig)
        return [LwfPlugin(config, ledger, seed)]
