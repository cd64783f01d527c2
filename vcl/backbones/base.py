"""What every backbone has: masked weights by name, and one head a session."""

from abc import ABC, abstractmethod
from collections import Counter

import torch
from torch import Tensor, nn

from vcl.config import BackboneConfig
from vcl.errors import ConfigError
from vcl.layers import init
from vcl.layers.masked import MaskedWeight


class Backbone(nn.Module, ABC):
    """``(B, 2)`` to frames ``(B, 3, H, W)`` in [0, 1].

    The two numbers of an input are the frame's place t / T in [0, 1) and the session's index, in one tensor, so that
    any continual-learning method can call ``network(x)``. Everything but the heads is shared between sessions; a head
    is dense and belongs to one session. Masked weights and heads are all that a session stores: a network with any
    other parameter or persistent buffer is refused by ``check_roles``.

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

    def check_roles(self) -> None:
        """Refuse a network with numbers that no session would store.

        Each parameter must be the value or the score of one masked weight, or one session's head. Anything else would
        train with the network and be missing when a video is decoded; so would a persistent buffer.

        Raises:
            ConfigError: names the first parameter or buffer without a role, or with two.
        """
        roles = Counter(id(weight.value) for weight in self.weights().values())
        roles.update(id(weight.score) for weight in self.weights().values() if weight.score is not None)
        roles.update(id(head) for head in self.heads)
        parameters = dict(self.named_parameters(remove_duplicate=False))
        for name in (*parameters, *(name for name in self.state_dict() if name not in parameters)):
            count = roles[id(parameters[name])] if name in parameters else 0
            if count != 1:
                found = "both" if count else "neither"
                rule = "store every parameter and persistent buffer either as a masked weight or as a session's head"
                raise ConfigError(f"a backbone must {rule}, got {name} of {type(self).__name__}, which is {found}")

    def draw(self, seed: int, *purpose: int | str) -> None:
        """Draw all shared weights and scores anew."""
        for name, weight in self.weights().items():
            weight.reset_values(init.generator(seed, "value", name, *purpose), self.scaled)
            weight.reset_scores(init.generator(seed, "score", name, *purpose))

    def add_head(self, seed: int) -> None:
        """Add the next session's head."""
        head = torch.empty(self.head_shape)
        init.fill_uniform(head, head[0].numel(), init.generator(seed, "head", len(self.heads)))
        self.heads.append(nn.Parameter(head.to(next(self.parameters()).device)))
