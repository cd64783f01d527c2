"""Sizes of the first weights of plain layers, as ``MaskedWeight.gain`` has them."""

from __future__ import annotations

import math
from typing import TypeVar

from torch import nn

Layer = TypeVar("Layer", bound=nn.Module)
Plain = TypeVar("Plain", nn.Conv2d, nn.Linear)


def unactivated(layer: Layer, scaled: bool, gain: float = 1.0) -> Layer:
    """Have a layer that no activation follows begin with ``gain`` times the size of its input.

    Args:
        layer: whose first weights are drawn.
        scaled: as in ``MaskedWeight.bound``; the published rule knows no gains.
        gain: of what goes through.
    """
    layer.gain = gain / math.sqrt(2) if scaled else None  # type: ignore[assignment]
    return layer


def glorot(layer: Plain, scaled: bool, activated: bool = True) -> Plain:
    """Have a layer begin with the rule of Glorot and Bengio, AISTATS 2010, or with scaled first weights.

    Args:
        layer: square convolution or linear layer.
        scaled: as in ``MaskedWeight.bound``.
        activated: whether an activation follows.
    """
    if scaled:
        return layer if activated else unactivated(layer, scaled)
    outputs, inputs = layer.weight.shape[:2]
    layer.gain = math.sqrt(inputs / (inputs + outputs))  # type: ignore[assignment]
    return layer
