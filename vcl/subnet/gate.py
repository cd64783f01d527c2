"""Restores sealed weights, whatever the optimiser does."""

from collections.abc import Mapping

import torch
from torch import Tensor

from vcl.layers.masked import MaskedWeight
from vcl.subnet.ledger import Ledger, as_bits


class Gate:
    """Restores sealed weights after a step, to the bit.

    Zeroing their gradients instead is not enough: weight decay, or an optimiser's old state, moves weights whose
    gradient is zero. Doing both gives the same network under Adam and SGD, which treat each weight by itself, and takes
    longer; where gradients are clipped by their norm, zero those of sealed weights too.

    Args:
        weights: of the network in training, by name.
        ledger: has the sealed weights; read once, at the start of a session.
    """

    def __init__(self, weights: Mapping[str, MaskedWeight], ledger: Ledger) -> None:
        self._sealed = []
        for name, weight in weights.items():
            sealed = ledger.sealed(name)
            if sealed.any():
                bits = ledger.values(name).to(weight.value.device).view(torch.int32)
                at = sealed.to(bits.device)
                self._sealed.append((weight.value, ~as_bits(at) if at.device.type == "cpu" else at, bits))

    @torch.no_grad()
    def restore(self) -> None:
        """Write back every sealed weight; called after each step of the optimiser."""
        for value, mask, bits in self._sealed:
            if mask.dtype == torch.bool:
                restore_by_where(value, mask, bits)
            else:
                restore_by_bits(value, mask, bits)


def restore_by_bits(value: Tensor, free: Tensor, bits: Tensor) -> None:
    """Write the bits of sealed weights, in two passes; on a CPU three times faster than ``restore_by_where``.

    Args:
        value: float32, changed in place.
        free: int32, the shape of ``value``: no bit is set where a weight is sealed, and all are elsewhere.
        bits: int32, the shape of ``value``: of the sealed weights, and 0 elsewhere.
    """
    value.view(torch.int32).bitwise_and_(free).bitwise_or_(bits)


def restore_by_where(value: Tensor, sealed: Tensor, bits: Tensor) -> None:
    """Write the bits of sealed weights, in one pass; on CUDA, 13 bytes a weight are moved instead of 24.

    Args:
        value: float32, changed in place.
        sealed: boolean, the shape of ``value``.
        bits: int32, the shape of ``value``.
    """
    numbers = value.view(torch.int32)
    torch.where(sealed, bits, numbers, out=numbers)
