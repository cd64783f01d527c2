"""Keeps sealed weights as they are, whatever the optimiser does."""

from collections.abc import Mapping

import torch

from vcl.layers.masked import MaskedWeight
from vcl.subnet.ledger import Ledger, as_bits


class Gate:
    """Puts sealed weights back after a step, to the bit.

    Zeroing their gradients instead is not enough: weight decay, or an optimiser's old state, moves weights whose
    gradient is zero. Doing both gives the same network under Adam and SGD, which treat each weight by itself, and takes
    longer; where gradients are clipped by their norm, zero those of sealed weights too.

    Args:
        weights: of the network in training, by name.
        ledger: whose sealed weights are kept; read once, at the start of a session.
    """

    def __init__(self, weights: Mapping[str, MaskedWeight], ledger: Ledger) -> None:
        self._kept = []
        for name, weight in weights.items():
            sealed = ledger.sealed(name).to(weight.value.device)
            if sealed.any():
                kept = ledger.values(name).to(sealed.device).view(torch.int32)
                self._kept.append((weight.value, ~as_bits(sealed), kept))

    @torch.no_grad()
    def restore(self) -> None:
        """Write every sealed weight back; call after the step."""
        for value, open_, kept in self._kept:
            value.view(torch.int32).bitwise_and_(open_).bitwise_or_(kept)
