"""Weights that carry scores, in modules that know nothing of it.

Layers are written in plain PyTorch; ``mask_weights`` then puts a ``MaskedWeight`` in the place of each of their
weights. A weight without a capacity is dense and has no scores. That is also how a subnetwork is decoded: its effective
weights are loaded into a dense network, so nothing is ranked or multiplied a second time.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vcl.layers import init
from vcl.layers.masking import masked_weight, top_mask
from vcl.layers.quantise import Quantised

Unit = Literal["weight", "kernel", "row", "dense"]


@dataclass(frozen=True)
class WeightRule:
    """How a session chooses its share of a weight tensor.

    Args:
        capacity: share of the units in a session's mask, in (0, 1]; None for a dense weight.
        unit: what one score ranks: a single weight, a kernel (all weights between one input and one output channel), a
            row (all weights of one output channel), or nothing: with ``dense`` every session uses the whole tensor.
        signed: rank scores by value instead of by magnitude.
    """

    capacity: float | None = None
    unit: Unit = "weight"
    signed: bool = False

    def mask_shape(self, shape: torch.Size, channels: tuple[int, int] = (0, 1)) -> torch.Size:
        """Shape of the scores and the mask of a weight; it broadcasts to that of the weight.

        Args:
            shape: of the weight.
            channels: its dimensions of output and of input channels.
        """
        ranked = {"weight": range(len(shape)), "kernel": channels, "row": channels[:1], "dense": ()}[self.unit]
        return torch.Size(size if dim in ranked else 1 for dim, size in enumerate(shape))


class MaskedWeight(nn.Module):
    """A weight tensor, with scores where a session learns which share of it to use.

    Args:
        value: the weights; their content is drawn by ``reset_values``.
        rule: which share.
        fan_in: inputs that feed one output; sets the range of first values. Default as PyTorch computes it.
        terms: products that are summed into one output, where that is not ``fan_in``.
        channels: dimensions of output and of input channels.
        gain: of first values whose range neither rule below gives: within ±``gain`` · √(6 / products in use).
    """

    def __init__(
        self,
        value: nn.Parameter,
        rule: WeightRule = WeightRule(),
        fan_in: int | None = None,
        terms: int | None = None,
        channels: tuple[int, int] = (0, 1),
        gain: float | None = None,
    ) -> None:
        super().__init__()
        self.gain = gain
        self.fan_in = fan_in or math.prod(value.shape[1:])
        self.terms = terms or self.fan_in
        self.rule = rule
        self.value = value
        self.channels = channels
        self.quantised: Quantised | None = None
        dense = rule.capacity is None
        self.mask_shape = rule.mask_shape(value.shape, channels)
        self.score = None if dense else nn.Parameter(value.new_empty(self.mask_shape))

    def forward(self) -> Tensor:
        """Effective weights, the shape of ``value``."""
        if self.quantised is not None:
            return self.quantised.effective(self.value)
        if self.score is None or self.rule.capacity is None:
            return self.value
        return masked_weight(self.value, self.score, self.rule.capacity, self.rule.signed)

    def mask(self) -> Tensor:
        """Boolean, the shape of the scores: the units in use; once they are quantised, no score changes that."""
        if self.quantised is not None:
            return self.quantised.mask
        if self.score is None or self.rule.capacity is None:
            return torch.ones_like(self.value, dtype=torch.bool)
        return top_mask(self.score, self.rule.capacity, self.rule.signed)

    @property
    def _share(self) -> float:
        """Of the weights, those in a mask."""
        if self.score is None or self.rule.capacity is None:
            return 1
        # The only score of a tensor is always kept.
        return self.rule.capacity if self.score.numel() > 1 else 1

    def bound(self, scaled: bool = False) -> float:
        """The largest first weight.

        Args:
            scaled: with the variance 2 / (products in use), so that a signal keeps its size through a layer and its
                activation (He et al., ICCV 2015) although the mask lets only a share of the products through; by
                default the published rule, under which it shrinks.
        """
        if self.gain is not None:
            return self.gain * math.sqrt(6 / (self.terms * self._share))
        return math.sqrt(6 / (self.terms * self._share)) if scaled else 1 / math.sqrt(self.fan_in)

    def reset_values(self, *purpose: int | str, scaled: bool = False) -> None:
        """Draw the weights anew, evenly within ±``bound``.

        Args:
            purpose: of the draw, as in ``init.drawn_integers``.
            scaled: as in ``bound``.
        """
        _draw(self.value, self.bound(scaled), *purpose)

    def reset_scores(self, *purpose: int | str) -> None:
        """Draw the scores anew, evenly within ±1/√fan_in; a dense weight has none.

        Args:
            purpose: of the draw, as in ``init.drawn_integers``.
        """
        if self.score is not None:
            _draw(self.score, 1 / math.sqrt(self.fan_in), *purpose)


@torch.no_grad()
def _draw(parameter: nn.Parameter, bound: float, *purpose: int | str) -> None:
    drawn = init.drawn_values(parameter.numel(), bound, *purpose)
    parameter.copy_(torch.from_numpy(drawn).view(parameter.shape))


def mask_weights(network: nn.Module, rule: Callable[[str], WeightRule], but: tuple[str, ...] = ()) -> None:
    """Put a ``MaskedWeight`` in the place of every weight of a network: each parameter of two dimensions or more.

    Layers keep their code: ``layer.weight`` reads as the effective weights, whatever layer it is of; ``weights_of``
    gives the ``MaskedWeight`` itself. Parameters of one dimension, such as biases, stay as they are.

    Args:
        network: of any modules.
        rule: the name of a weight to its rule.
        but: children of the network that are left as they are.
    """
    for path, module in list(network.named_modules()):
        if isinstance(module, MaskedWeight) or path.split(".")[0] in but:
            continue
        for name, parameter in list(module.named_parameters(recurse=False)):
            if parameter.dim() >= 2:
                weight_path = f"{path}.{name}" if path else name
                del module._parameters[name]
                gain, fans, channels = getattr(module, "gain", None), _fans(module, parameter), _channels(module)
                module.add_module(name, MaskedWeight(parameter, rule(weight_path), *fans, channels, gain))
                module.__class__ = _reading_masked(type(module), name)  # type: ignore[arg-type]


def weights_of(network: nn.Module) -> dict[str, MaskedWeight]:
    """The masked weights of a network by name, such as ``layer.weight``, in the order of its layers."""
    return {name: module for name, module in network.named_modules() if isinstance(module, MaskedWeight)}


@cache
def _reading_masked(kind: type[nn.Module], name: str) -> type[nn.Module]:
    """The class of a module whose weight has become a ``MaskedWeight``: its code reads effective weights."""

    def effective(self: Any) -> Tensor:
        weight: Tensor = self._modules[name]()
        return weight

    return type(kind.__name__, (kind,), {name: property(effective), "__module__": kind.__module__})


def _fans(module: nn.Module, weight: Tensor) -> tuple[int | None, int | None]:
    """``fan_in`` and ``terms`` of a module's weight; a module that knows better has an attribute ``fans``."""
    if isinstance(module, nn.modules.conv._ConvTransposeNd):
        return None, max(1, len(weight) // module.groups * math.prod(weight.shape[2:]) // math.prod(module.stride))
    fans: tuple[int | None, int | None] = getattr(module, "fans", (None, None))
    return fans


def _channels(module: nn.Module) -> tuple[int, int]:
    """Dimensions of output and input channels of a module's weights; one that has them elsewhere says so."""
    if isinstance(module, nn.modules.conv._ConvTransposeNd):
        return 1, 0
    channels: tuple[int, int] = getattr(module, "channel_dims", (0, 1))
    return channels
