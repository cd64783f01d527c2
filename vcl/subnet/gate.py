"""Keeps sealed weights as they are, whatever the optimiser does."""

from collections.abc import Mapping

import torch

from vcl.layers.masked import MaskedWeight
from vcl.subnet.ledger import Ledger, as_bits


class Gate:
    """Stops gradients into sealed weights, and puts those weights back after a step.

    Either alone is not enough: without the first, a momentum gathers for weights that cannot move; without the second,
    weight decay or an optimiser's old state moves weights whose gradient is zero.

    Args:
        weights: of the network in training, by name.
        ledger: whose sealed weights are kept; read once, at the start of a session.
    """

    def __init__(self, weights: Mapping[str, MaskedWeight], ledger: Ledger) -> None:
        self._kept = []
        for name, weight in weights.items():
            sealed = ledger.sealed(name).to(weight.value.device)
            if sealed.any():
                closed = as_bits(sealed)
                kept = ledger.values(name).to(weight.value.device).view(torch.int32) & closed
                self._kept.append((weight.value, ~closed, kept))

    @torch.no_grad()
    def stop_gradients(self) -> None:
        """Zero the gradient of every sealed weight; call between backward and step."""
        for value, open_, _ in self._kept:
            if value.grad is not None:
                value.grad.view(torch.int32).bitwise_and_(open_)

    @torch.no_grad()
    def put_back(self) -> None:
        """Write every sealed weight back; call after the step."""
        for value, open_, kept in self._kept:
            value.view(torch.int32).bitwise_and_(open_).bitwise_or_(kept)
