"""The learning rate as a function of a session's progress."""

import math
from typing import Any, ClassVar

from avalanche.core import SupervisedPlugin

from vcl.sessions.adam import set_rate


def share_of_rate(progress: float, warmup: float, warmup_from: float) -> float:
    """A linear rise, then half a cosine to 0.

    Args:
        progress: steps done as a share of the session's, in [0, 1).
        warmup: share of the session that rises, in [0, 1).
        warmup_from: where the rise starts, in (0, 1].

    Returns:
        Share of the highest learning rate.
    """
    if progress < warmup:
        return warmup_from + (1 - warmup_from) * progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


class WarmupCosine(SupervisedPlugin):  # type: ignore[misc]
    """Sets the learning rate before every step.

    A group of parameters that has a ``share`` gets that much of the rate.

    Args:
        lr: highest rate.
        warmup: as in ``share_of_rate``.
        warmup_from: as in ``share_of_rate``.
    """

    recordable: ClassVar = True  # The rate of a recorded step is a tensor, which is set before each replay.

    def __init__(self, lr: float, warmup: float, warmup_from: float) -> None:
        super().__init__()
        self.lr, self.warmup, self.warmup_from = lr, warmup, warmup_from

    def before_training_iteration(self, strategy: Any, **_: Any) -> None:
        """Set the rate of each group of parameters."""
        progress = strategy.step / strategy.steps
        for group in strategy.optimizer.param_groups:
            share = group.get("share", 1.0)
            set_rate(group, self.lr * share * share_of_rate(progress, self.warmup, self.warmup_from))
