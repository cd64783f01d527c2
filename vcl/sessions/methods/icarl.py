"""Incremental classifier and representation learning, carried from classes to frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vcl.backbones import Backbone
from vcl.config import IcarlConfig, MethodConfig
from vcl.query import Batch, Query
from vcl.sessions.rehearsal import Buffered, decoded
from vcl.sessions.sealed import teacher_snapshot
from vcl.sessions.strategy import VideoStrategy
from vcl.subnet.ledger import Ledger


class IcarlPlugin(Buffered):
    """Buffers frames whose decoded mean is closest to the video's, and distils the earlier network on them."""

    config: IcarlConfig
    video_copies = 2

    def __init__(self, config: IcarlConfig, ledger: Ledger, seed: int = 0) -> None:
        super().__init__(config, seed)
        self.ledger = ledger
        self._teacher: Backbone | None = None

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Take a snapshot of the network before the session."""
        super().before_training_exp(strategy, **kwargs)
        if strategy.session:
            self._teacher = teacher_snapshot(strategy.model, self.ledger)

    def offered(self, strategy: Any) -> Tensor:
        """In the order of herding."""
        frames = len(strategy.clips[strategy.session].frames)
        query = Query.of_video(strategy.session, range(frames), frames, strategy.device)
        outputs = decoded(strategy, strategy.model, query).flatten(1)
        return herded(outputs, self.config.buffer)

    def loss(self, strategy: Any, chosen: Tensor) -> Tensor:
        """The run's loss towards the exemplars, and towards the outputs of the earlier network."""
        batch, share = self.batch(chosen), self.config.distill
        output = strategy.ask(strategy.model, batch.query)
        with torch.no_grad():
            taught = strategy.ask(self._teacher, batch.query).frames
        loss: Tensor = (1 - share) * strategy.loss_of(output, batch)
        loss = loss + share * strategy.loss_of(output, Batch(batch.query, taught))
        return loss


def herded(outputs: Tensor, most: int) -> Tensor:
    """Choose rows one by one so that the mean of those chosen stays as close as can be to the mean of all.

    Args:
        outputs: ``(n, features)`` uint8.
        most: how many to choose.

    Returns:
        Numbers of rows, in the order in which they were chosen; all rows where there are fewer.

    Source:
        Rebuffi et al., CVPR 2017, arXiv:1611.07725, algorithm 4, on decoded frames in the place of features.
    """
    products = _products(outputs)
    towards_mean, chosen = products.mean(axis=1), list[int]()
    to_chosen = np.zeros(len(products))
    for count in range(1, min(most, len(products)) + 1):
        # |mean - (row + chosen) / count|² without the parts that are the same for every row.
        distance = (2 * to_chosen + products.diagonal()) / count**2 - 2 * towards_mean / count
        distance[chosen] = np.inf
        chosen.append(int(distance.argmin()))
        to_chosen += products[chosen[-1]]
    return torch.tensor(chosen)


def _products(rows: Tensor) -> np.ndarray:
    """Inner products of all pairs, by blocks, so that few rows at a time are float."""
    blocks = [
        torch.cat([one.float().div_(255) @ other.float().div_(255).mT for other in torch.split(rows, 16)], dim=1)
        for one in torch.split(rows, 16)
    ]
    return torch.cat(blocks).double().cpu().numpy()


class Icarl(VideoStrategy):
    """Exemplars of earlier videos, and distillation.

    Source:
        Rebuffi et al., CVPR 2017, arXiv:1611.07725. It is a method for classifiers; of its parts, herding works on
        decoded frames in the place of normalised features, distillation goes towards the earlier network's frame in the
        place of its class scores, and classification by the nearest mean of exemplars has no meaning here: a video is
        decoded as it always is. The original distils new images too, on outputs for old classes; here a new frame has
        no output in an old session. Exemplars are also trained on as frames; ``distill: 1`` leaves that out.
    """

    @classmethod
    def own_plugins(cls, config: MethodConfig, ledger: Ledger, seed: int) -> list[Any]:
        """The plugin that keeps the exemplars."""
        assert isinstance(config, IcarlConfig)
        return [IcarlPlugin(config, ledger, seed)]
