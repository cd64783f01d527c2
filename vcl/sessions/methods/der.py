"""Dark experience replay."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from vcl.config import DerConfig, MethodConfig
from vcl.metrics.quality import to_unit
from vcl.query import Query
from vcl.sessions.rehearsal import Reservoir, decoded
from vcl.sessions.strategy import VideoStrategy
from vcl.subnet.ledger import Ledger


class DerPlugin(Reservoir):
    """Buffers the network's outputs at the end of each session, and pulls later networks towards them."""

    config: DerConfig

    @property
    def images(self) -> tuple[str, ...]:
        """Outputs; and true frames if they are trained on as well."""
        return ("frame", "output") if self.config.truth else ("output",)

    def take(self, strategy: Any, times: Tensor) -> dict[str, Tensor]:
        """``query``, and (n, 3, H, W) uint8 for each of ``images``."""
        added = super().take(strategy, times)
        added["output"] = decoded(strategy, strategy.model, Query.of_tensor(added["query"]))
        return {name: added[name] for name in ("query", *self.images)}

    def loss(self, strategy: Any, chosen: Tensor) -> Tensor:
        """Squared distance to the buffered outputs, and the run's loss where true frames are buffered."""
        output = strategy.ask(strategy.model, self.query(chosen))
        loss = self.config.strength * F.mse_loss(output.frames, to_unit(self.buffer["output"][chosen]))
        if self.config.truth:
            loss = loss + self.config.truth * strategy.loss_of(output, self.batch(chosen))
        return loss


class Der(VideoStrategy):
    """The network's own outputs are buffered instead of frames, in as many bytes.

    Source:
        Buzzega et al., NeurIPS 2020, arXiv:2004.07211. Differs: outputs are frames, stored as uint8 and not as logits,
        and taken when a session ends, as those of its first passes would teach blur.
    """

    @classmethod
    def own_plugins(cls, config: MethodConfig, ledger: Ledger, seed: int) -> list[Any]:
        """The plugin that keeps the buffer."""
        assert isinstance(config, DerConfig)
        return [DerPlugin(config, seed)]
