import math

import pytest
import torch
from torch import nn

from vcl.layers import init
from vcl.layers.fourier import FourierOperator
from vcl.layers.masked import WeightRule, mask_weights, weights_of


def masked(layer, **rule):
    """A layer whose weights are masked by one rule."""
    mask_weights(layer, lambda name: WeightRule(**rule))
    return layer


def test_draws_depend_on_their_purpose_alone():
    first = torch.rand(4, generator=init.generator(1, "score", "a", 2))
    torch.rand(100)
    assert torch.equal(first, torch.rand(4, generator=init.generator(1, "score", "a", 2)))
    assert not torch.equal(first, torch.rand(4, generator=init.generator(1, "score", "a", 3)))


def test_first_values_fill_the_range_of_their_fan_in():
    layer = masked(nn.Conv2d(4, 16, 3, bias=False), capacity=0.5)
    weights_of(layer)["weight"].reset_values(0)
    bound = 1 / math.sqrt(4 * 9)
    assert 0.95 * bound < float(weights_of(layer)["weight"].value.detach().abs().max()) <= bound


@pytest.mark.parametrize("capacity", [None, 0.3])
def test_scaled_first_values_keep_the_size_of_a_signal_whatever_the_mask_lets_through(capacity):
    x = torch.randn(64, 400, generator=torch.Generator().manual_seed(1))
    layer = masked(nn.Linear(400, 300, bias=False), capacity=capacity)
    weights_of(layer)["weight"].reset_values(0, scaled=True)
    weights_of(layer)["weight"].reset_scores(1)
    # Half of what arrives is cut off by an activation, so weights double what they pass on.
    assert float(layer(x).detach().var()) == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("capacity", [None, 0.3])
def test_scaled_first_values_of_the_operator_do_so_too(capacity):
    x = torch.randn(2, 24, 32, 32, generator=torch.Generator().manual_seed(1))
    operator = masked(FourierOperator(24, 24, (32, 32)), capacity=capacity)
    for number, weight in enumerate(operator.children()):
        weight.reset_values(0, number, scaled=True)
        weight.reset_scores(1, number)
    # Noise fills the spectrum evenly; the operator drops the highest vertical and horizontal waves of it.
    assert float(operator(x, (32, 32)).detach().var()) == pytest.approx(2 * 31 / 32, rel=0.1)


def test_a_network_is_built_without_drawing_numbers_that_nobody_will_use():
    state = torch.random.get_rng_state()
    with init.LeaveUndrawn():
        layer = torch.nn.Linear(300, 200)
        constant = torch.empty(3).uniform_(2, 3)
    assert not torch.equal(torch.random.get_rng_state(), state)  # By the constant alone, which is drawn:
    assert 2 <= float(constant.min()) <= float(constant.max()) <= 3
    torch.random.set_rng_state(state)
    with init.LeaveUndrawn():
        torch.nn.Linear(300, 200)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert layer.weight.shape == (200, 300)
