"""Restores sealed weights, whatever the optimiser does."""

from collections.abc import Mapping

import torch

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
                self._sealed.append((weight.value, ~as_bits(sealed.to(bits.device)), bits))

    @torch.no_grad()
    def restore(self) -> None:
        """Write back every sealed weight; called after each step of the optimiser."""
        for value, free, bits in self._sealed:
            value.view(torch.int32).bitwise_and_(free).bitwise_or_(bits)
