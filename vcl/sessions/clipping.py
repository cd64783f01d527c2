"""Gradients of bounded length."""

from typing import Any, ClassVar

from avalanche.core import SupervisedPlugin
from torch.nn.utils import clip_grad_norm_


class GradientClipping(SupervisedPlugin):  # type: ignore[misc]
    """Shortens the gradient of a step where it is too long, last of all that is done to gradients.

    Args:
        longest: its largest Euclidean norm, over all parameters in training together.
    """

    recordable: ClassVar = True

    def __init__(self, longest: float) -> None:
        super().__init__()
        self.longest = longest

    def before_update(self, strategy: Any, **_: Any) -> None:
        """All gradients by one factor, on the device."""
        clip_grad_norm_([p for group in strategy.optimizer.param_groups for p in group["params"]], self.longest)
