"""Dark experience replay."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from vcl.config import DerConfig, MethodConfig
from vcl.sessions.rehearsal import Reservoir, decoded
from vcl.sessions.strategy import VideoStrategy
from vcl.subnet.ledger import Ledger


class DerPlugin(Reservoir):
    """Keeps what the network made of frames when their session ended, and pulls later networks towards it."""

    config: DerConfig

    def take(self, strategy: Any, times: Tensor) -> dict[str, Tensor]:
        """Outputs, and frames if those are trained on as well."""
        taken = super().take(strategy, times)
        taken["output"] = decoded(strategy, strategy.model, taken["place"])
        return taken if self.config.truth else {name: kept for name, kept in taken.items() if name != "frame"}

    def loss(self, strategy: Any, chosen: Tensor) -> Tensor:
        """Squared distance to the kept outputs, and the session's own loss where frames are kept."""
        made = strategy.decode(strategy.model, self.held["place"][chosen])
        loss = self.config.strength * F.mse_loss(made, self.held["output"][chosen].float().div_(255))
        if self.config.truth:
            loss = loss + self.config.truth * strategy._criterion(made, self.truth(chosen))
        return loss


class Der(VideoStrategy):
    """The network's own outputs are kept in the place of frames, in as many bytes.

    Source:
        Buzzega et al., NeurIPS 2020, arXiv:2004.07211. Differs: outputs are frames, kept as uint8 and not as logits,
        and taken when a session ends, as those of its first passes would teach blur.
    """

    @classmethod
    def own_plugins(cls, config: MethodConfig, ledger: Ledger, seed: int) -> list[Any]:
        """The buffer."""
        assert isinstance(config, DerConfig)
        return [DerPlugin(config, seed)]
