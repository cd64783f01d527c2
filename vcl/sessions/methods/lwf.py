"""Learning without forgetting."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vcl.backbones import Backbone
from vcl.config import LwfConfig, MethodConfig
from vcl.sessions.rehearsal import Rehearsal, places, teacher_snapshot
from vcl.sessions.strategy import VideoStrategy
from vcl.subnet.ledger import Ledger


class LwfPlugin(Rehearsal):
    """Decodes earlier videos with the network as it was when the session before ended, and trains on that."""

    config: LwfConfig

    def __init__(self, config: LwfConfig, ledger: Ledger, seed: int = 0) -> None:
        super().__init__(config, seed)
        self.ledger = ledger
        self._teacher: Backbone | None = None
        self._places = torch.empty(0, 2)

    def available(self, session: int) -> int:
        """All frames of earlier videos."""
        return len(self._places)

    def before_train_dataset_adaptation(self, strategy: Any, **_: Any) -> None:
        """Find out what there is to rehearse, before anyone counts the session's steps."""
        lengths = [len(clip.frames) for clip in strategy.clips[: strategy.session]]
        asked = [places(session, torch.arange(length), length) for session, length in enumerate(lengths)]
        self._places = torch.cat([torch.empty(0, 2), *asked]).to(strategy.device)

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Remember the network as it is now."""
        if strategy.session:
            self._teacher = teacher_snapshot(strategy.model, self.ledger)

    def loss(self, strategy: Any, chosen: Tensor) -> Tensor:
        """The session's own loss, towards decoded frames."""
        asked = self._places[chosen]
        with torch.no_grad():
            before = strategy.decode(self._teacher, asked)
        loss: Tensor = strategy._criterion(strategy.decode(strategy.model, asked), before)
        return self.config.strength * loss


class Lwf(VideoStrategy):
    """Earlier videos are decoded and learned again; no frame is kept.

    Source:
        Li and Hoiem, ECCV 2016, arXiv:1606.09282. Differs: a network that decodes can be asked for its old videos
        themselves, so it is distilled there, and not on new frames with old outputs.
    """

    @classmethod
    def own_plugins(cls, config: MethodConfig, ledger: Ledger, seed: int) -> list[Any]:
        """The distillation."""
        assert isinstance(config, LwfConfig)
        return [LwfPlugin(config, ledger, seed)]
