"""Linear and convolution layers whose weights can carry scores.

A layer without a capacity is dense and has no scores. That is also how a subnetwork is decoded: its effective weights
are loaded into a dense network, so nothing is ranked or multiplied a second time.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vcl.layers import init
from vcl.layers.masking import masked_weight, top_mask


class MaskedWeight(nn.Module):
    """A weight tensor, with scores of the same shape where a session learns which share of it to use.

    Args:
        shape: of the weights.
        fan_in: inputs that feed one output; sets the range of first values.
        capacity: share of the weights in a session's mask, in (0, 1]; None for a dense weight.
        signed: rank scores by value instead of by magnitude.
        terms: products that are summed into one output, where that is not ``fan_in``.
    """

    def __init__(
        self,
        shape: Sequence[int],
        fan_in: int,
        capacity: float | None = None,
        signed: bool = False,
        terms: int | None = None,
    ) -> None:
        super().__init__()
        self.fan_in = fan_in
        self.terms = terms or fan_in
        self.capacity = capacity
        self.signed = signed
        self.value = nn.Parameter(torch.empty(*shape))
        self.score = nn.Parameter(torch.empty(*shape)) if capacity is not None else None

    def forward(self) -> Tensor:
        """Effective weights, the shape of ``value``."""
        if self.score is None or self.capacity is None:
            return self.value
        return masked_weight(self.value, self.score, self.capacity, self.signed)

    def mask(self) -> Tensor:
        """Boolean, the shape of ``value``: the weights in use."""
        if self.score is None or self.capacity is None:
            return torch.ones_like(self.value, dtype=torch.bool)
        return top_mask(self.score, self.capacity, self.signed)

    def reset_values(self, source: torch.Generator, scaled: bool = False) -> None:
        """Draw the weights anew.

        Args:
            source: of the numbers.
            scaled: with the variance 2 / (products in use), so that a signal keeps its size through a layer and its
                activation (He et al., ICCV 2015) although the mask lets only a share of the products through; by
                default the published rule, under which it shrinks.
        """
        if scaled:
            init.fill_uniform(self.value, self.terms * (self.capacity or 1), source, gain=2)
        else:
            init.fill_uniform(self.value, self.fan_in, source)

    def reset_scores(self, source: torch.Generator) -> None:
        """Draw the scores anew; a dense weight has none."""
        if self.score is not None:
            init.fill_uniform(self.score, self.fan_in, source)


class MaskedLinear(nn.Module):
    """``(B, inputs)`` to ``(B, outputs)``, without a bias.

    Args:
        inputs: features in.
        outputs: features out.
        capacity: as in ``MaskedWeight``.
    """

    def __init__(self, inputs: int, outputs: int, capacity: float | None = None) -> None:
        super().__init__()
        self.weight = MaskedWeight((outputs, inputs), inputs, capacity)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return F.linear(x, self.weight())


class MaskedConv2d(nn.Module):
    """``(B, inputs, H, W)`` to ``(B, outputs, H, W)``, stride 1, zero padding, without a bias.

    Args:
        inputs: channels in.
        outputs: channels out.
        kernel: odd side of the square kernel.
        capacity: as in ``MaskedWeight``.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, capacity: float | None = None) -> None:
        super().__init__()
        self.padding = kernel // 2
        shape = (outputs, inputs, kernel, kernel)
        self.weight = MaskedWeight(shape, math.prod(shape[1:]), capacity)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return F.conv2d(x, self.weight(), padding=self.padding)
