"""Keeps sealed weights as they are, whatever the optimiser does."""

from collections.abc import Mapping

import torch

from vcl.layers.masked import MaskedWeight
from vcl.subnet.ledger import Ledger


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
                self._kept.append((weight.value, sealed, ledger.values(name).to(weight.value.device)))

    @torch.no_grad()
    def stop_gradients(self) -> None:
        """Zero the gradient of every sealed weight; call between backward and step."""
        for value, sealed, _ in self._kept:
            if value.grad is not None:
                value.grad.masked_fill_(sealed, 0)

    @torch.no_grad()
    def put_back(self) -> None:
        """Write every sealed weight back; call after the step."""
        for value, sealed, kept in self._kept:
            torch.where(sealed, kept, value, out=value)
