"""Activations by the names that configs have for them."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "relu": F.relu,
    "none": lambda x: x,
}
"""The names stand in ``vcl.config.backbones.base.Activation`` too."""
