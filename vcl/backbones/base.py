"""What every backbone has: masked weights by name, and one head a session."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from vcl.config import BackboneConfig
from vcl.layers import draw
from vcl.layers.masked import MaskedWeight


class Backbone(nn.Module, ABC):
    """``(B, 2)`` to frames ``(B, 3, H, W)`` in [0, 1].

    The two numbers of an input are the frame's place t / T in [0, 1) and the session's index, in one tensor, so that
    any continual-learning method can call ``network(x)``. Everything but the heads is shared between sessions; a head
    is dense and belongs to one session.

    A subclass makes ``heads`` last: stock plugins expect parameters that are new to be the last ones.
    """

    heads: nn.ParameterList

    def __init__(
        self,
        config: BackboneConfig,
        size: tuple[int, int],
        sessions: int,
        capacity: float | None = None,
        signed_operator_scores: bool = False,
    ) -> None:
        super().__init__()
        self.size = size
        self.scaled = config.initial == "scaled"

    @property
    @abstractmethod
    def head_shape(self) -> tuple[int, ...]:
        """Shape of one session's head."""

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """``(B, 2)`` to what the heads read."""

    @abstractmethod
    def finish(self, features: Tensor, head: Tensor) -> Tensor:
        """Features and a head for each of them, ``(B, *head_shape)``, to frames."""

    def forward(self, x: Tensor, head: Tensor | None = None) -> Tensor:
        """Make frames.

        Args:
            x: ``(B, 2)``, place and session; sessions may be mixed.
            head: use this head for every frame, instead of the one of each frame's session.
        """
        features = self.features(x)
        if head is None:
            # One small gather serves any mixture of sessions without asking the device which they are.
            return self.finish(features, torch.stack(tuple(self.heads))[x[:, 1].long()])
        return self.finish(features, head.expand(len(x), *head.shape))

    def weights(self) -> dict[str, MaskedWeight]:
        """The shared weights by name, in the order of the layers."""
        return {name: module for name, module in self.named_modules() if isinstance(module, MaskedWeight)}

    def shapes(self) -> dict[str, torch.Size]:
        """Shapes of the shared weights by name."""
        return {name: weight.value.shape for name, weight in self.weights().items()}

    def draw(self, seed: int, *purpose: int | str) -> None:
        """Draw all shared weights and scores anew."""
        for name, weight in self.weights().items():
            weight.draw_values(draw.generator(seed, "value", name, *purpose), self.scaled)
            weight.draw_scores(draw.generator(seed, "score", name, *purpose))

    def add_head(self, seed: int) -> None:
        """Add the next session's head."""
        head = torch.empty(self.head_shape)
        draw.fill_uniform(head, head[0].numel(), draw.generator(seed, "head", len(self.heads)))
        self.heads.append(nn.Parameter(head.to(next(self.parameters()).device)))
