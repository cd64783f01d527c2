import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from vcl.sessions.adam import EagerAdam


@pytest.fixture
def pair():
    """The same network twice, trained by PyTorch's Adam and by ours, and 5 steps on the same numbers."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    twin = copy.deepcopy(network)
    batches = torch.randn(5, 6, 4)

    def train(network, optimizer):
        for batch in batches:
            optimizer.zero_grad()
            network(batch).square().mean().backward()
            optimizer.step()
        return optimizer

    knobs = {"lr": 0.01, "betas": (0.5, 0.999), "fused": True}
    theirs = train(network, torch.optim.Adam(network.parameters(), **knobs))
    ours = train(twin, EagerAdam(twin.parameters(), **knobs))
    return network, theirs, twin, ours


def test_it_trains_to_the_same_bits_as_the_adam_of_pytorch(pair):
    network, _, twin, _ = pair
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), twin.parameters(), strict=True))


def test_its_state_is_that_of_the_adam_of_pytorch_and_can_be_loaded(pair):
    _, theirs, twin, ours = pair
    torch.testing.assert_close(ours.state_dict()["state"], theirs.state_dict()["state"], rtol=0, atol=0)
    other = EagerAdam(twin.parameters())
    other.load_state_dict(theirs.state_dict())
    assert other.param_groups[0]["betas"] == (0.5, 0.999)


LEAN = """
import sys, torch
from vcl.sessions.adam import EagerAdam

weight = torch.nn.Parameter(torch.ones(3))
adam = EagerAdam([weight], fused=True)
weight.sum().backward()
adam.step()
adam.zero_grad()
adam.load_state_dict(adam.state_dict())
assert weight.grad is None and weight[0] < 1
assert "torch._dynamo" not in sys.modules
"""


@pytest.mark.process
def test_no_call_of_it_imports_the_compiler():
    asked = subprocess.run([sys.executable, "-c", LEAN], capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr
