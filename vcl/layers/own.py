"""Biases and affine norms in stock layers, of which every session has its own.

Layers are written in plain PyTorch; ``take_own`` then takes their parameters of one dimension out of them. A layer adds
those of each row's session to what it gives, so that a batch may mix sessions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from torch import Tensor, nn


@dataclass(frozen=True)
class SessionTensor:
    """Numbers that every session has for itself, such as a head or the biases of a layer.

    Args:
        shape: of one session's.
        initial: ``uniform`` within ±1/√fan_in, ``zeros`` or ``ones``.
        fan_in: numbers that feed one output; by default as many as ``shape`` has for one of its first dimension.
    """

    shape: tuple[int, ...]
    initial: Literal["uniform", "zeros", "ones"] = "uniform"
    fan_in: float | None = None


class OwnTensors:
    """The parameters of one dimension of a network's stock layers, by the names of their session tensors.

    Args:
        network: its layers lose these parameters.
        but: children of the network that are left as they are.
    """

    def __init__(self, network: nn.Module, but: tuple[str, ...] = ()) -> None:
        self.tensors: dict[str, SessionTensor] = {}
        self._places: dict[str, tuple[dict[str, Tensor], str]] = {}
        for path, module in list(network.named_modules()):
            if path.split(".")[0] in but or type(module) not in _STOCK:
                continue
            own = {name: p for name, p in module.named_parameters(recurse=False) if p.dim() == 1}
            for name, parameter in own.items():
                full_name = f"{path}.{name}".replace(".", "_")
                self.tensors[full_name] = _declared(module, name, tuple(parameter.shape))
                self._places[full_name] = module.__dict__.setdefault("own", {}), name
                module._parameters[name] = None
            if own:
                module.__class__ = _with_own(type(module))  # type: ignore[arg-type]

    def load(self, session: Mapping[str, Tensor]) -> None:
        """Give the layers those of each row's session, by name: ``(B, C)`` each."""
        for full_name, (own, name) in self._places.items():
            own[name] = session[full_name]

    def forget(self) -> None:
        """Take them away again, and with them the graph that made them."""
        for own, _ in self._places.values():
            own.clear()


_NORMS = (nn.LayerNorm, nn.GroupNorm)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_STOCK = (nn.Linear, *_CONVOLUTIONS, *_NORMS)
"""Not their subclasses, which may do more with a bias than to add it."""


def _declared(module: nn.Module, name: str, shape: tuple[int, ...]) -> SessionTensor:
    """As PyTorch draws them."""
    if isinstance(module, _NORMS):
        return SessionTensor(shape, "ones" if name == "weight" else "zeros")
    weight: Tensor = module.weight  # type: ignore[assignment]
    return SessionTensor(shape, "uniform", math.prod(weight.shape[1:]))


@cache
def _with_own(kind: type[nn.Module]) -> type[nn.Module]:
    """The class of a layer whose parameters of one dimension are those of each row's session."""
    last = issubclass(kind, nn.Linear | nn.LayerNorm)

    def forward(self: Any, x: Tensor, *rest: Any) -> Tensor:
        out: Tensor = kind.forward(self, x, *rest)
        for name in ("weight", "bias"):
            if (own := self.own.get(name)) is not None:
                between = (1,) * (out.dim() - 2)
                own = own.view(len(own), *between, -1) if last else own.view(*own.shape, *between)
                out = out * own if name == "weight" else out + own.to(out.dtype)
        return out

    return type(kind.__name__, (kind,), {"forward": forward, "__module__": kind.__module__})
