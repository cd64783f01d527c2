"""Stock layers with the biases and scales of each row's session."""

import copy

import pytest
import torch
from torch import nn

from vcl.layers.own import OwnTensors, SessionTensor

LAYERS = {
    "linear": (nn.Linear(6, 4), (3, 6)),
    "linear over tokens": (nn.Linear(6, 4), (3, 5, 6)),
    "convolution": (nn.Conv2d(6, 4, 3, padding=1), (3, 6, 5, 7)),
    "transposed": (nn.ConvTranspose2d(6, 4, 2, stride=2), (3, 6, 5, 7)),
    "in time": (nn.Conv3d(6, 4, 3, padding=1), (3, 6, 2, 5, 7)),
    "layer norm": (nn.LayerNorm(6), (3, 5, 6)),
    "group norm": (nn.GroupNorm(2, 6), (3, 6, 5, 7)),
}


@pytest.fixture(params=LAYERS)
def pair(request):
    """A layer as it is, the same with tensors of sessions, these tensors of three sessions, and rows for both."""
    layer, shape = LAYERS[request.param]
    layer, source = copy.deepcopy(layer), torch.Generator().manual_seed(0)
    network = nn.Sequential(copy.deepcopy(layer))
    own = OwnTensors(network)
    of_sessions = {name: torch.randn(3, *tensor.shape, generator=source) for name, tensor in own.tensors.items()}
    return layer, network, own, of_sessions, torch.randn(shape, generator=source)


def test_each_row_gets_the_tensors_of_its_session(pair):
    layer, network, own, of_sessions, rows = pair
    sessions = torch.tensor([2, 0, 2])
    own.load({name: tensors[sessions] for name, tensors in of_sessions.items()})
    for row, mixed in enumerate(network(rows)):
        for name, tensors in of_sessions.items():
            getattr(layer, name.removeprefix("0_")).data.copy_(tensors[sessions[row]])
        torch.testing.assert_close(layer(rows[row : row + 1])[0], mixed)


def test_they_are_trained(pair):
    _, network, own, of_sessions, rows = pair
    leaves = {name: tensors.requires_grad_() for name, tensors in of_sessions.items()}
    own.load(leaves)
    network(rows).square().sum().backward()
    assert all(bool(leaf.grad.abs().sum(1).gt(0).all()) for leaf in leaves.values())
    assert not any(parameter.dim() == 1 for parameter in network.parameters())


def test_first_values_are_those_of_pytorch():
    network = nn.Sequential(nn.Conv2d(6, 4, 3), nn.GroupNorm(2, 4), nn.ConvTranspose2d(6, 4, 2), nn.Linear(9, 5))
    assert OwnTensors(network).tensors == {
        "0_bias": SessionTensor((4,), "uniform", 54),
        "1_weight": SessionTensor((4,), "ones"),
        "1_bias": SessionTensor((4,), "zeros"),
        "2_bias": SessionTensor((4,), "uniform", 16),
        "3_bias": SessionTensor((5,), "uniform", 9),
    }


def test_layers_that_only_training_sees_and_layers_without_a_bias_stay_what_they_are():
    network = nn.ModuleDict({"encoder": nn.Linear(2, 2), "stem": nn.Linear(2, 2, bias=False)})
    assert not OwnTensors(network, ("encoder",)).tensors
    assert type(network["stem"]) is nn.Linear
    assert network["encoder"].bias is not None


def test_what_a_step_made_is_not_kept_behind_it():
    network = nn.Sequential(nn.Linear(2, 2))
    own = OwnTensors(network)
    own.load({"0_bias": torch.zeros(1, 2)})
    own.forget()
    assert network[0].own == {}
