"""Networks as they were sealed."""

import copy

import torch

from vcl.backbones import Backbone
from vcl.subnet.ledger import Ledger


@torch.no_grad()
def load_sealed(network: Backbone, ledger: Ledger) -> None:
    """Put what was sealed into a network: what later sessions see of a closed one is what decoding sees.

    With masks that is every sealed weight; the others stay as they are. Without, it is the latest network as a whole.

    Args:
        network: of the ledger's layout, with the tensors of all closed sessions.
        ledger: with one closed session or more.
    """
    latest = len(ledger) - 1
    dense = {} if ledger.state_kind == "shared_masked" else ledger.subnetwork(latest).weights
    for name, weight in network.weights().items():
        value = weight.value
        if dense:
            value.copy_(dense[name])
        else:
            sealed = ledger.sealed(name).to(value.device)
            value.copy_(torch.where(sealed, ledger.values(name).to(value.device), value))
    for session, own in enumerate(network.session_dicts()[: len(ledger)]):
        for name, tensor in ledger.session_tensors(session).items():
            own[name].copy_(tensor)
    network.load_frames(ledger.frames())


def teacher_snapshot(model: Backbone, ledger: Ledger) -> Backbone:
    """A frozen copy of a network with the numbers that it had when the latest session closed."""
    network = copy.deepcopy(model).eval().requires_grad_(False)
    load_sealed(network, ledger)
    return network
