import math

import pytest
import torch
from torch import nn

from vcl.layers import init
from vcl.layers.encoding import PositionalEncoding, session_position_fraction, session_position_open
from vcl.layers.fourier import FourierOperator
from vcl.layers.masked import WeightRule, mask_weights, weights_of
from vcl.layers.upsample import UpsampleBlock


def masked(layer, **rule):
    """A layer whose weights are masked by one rule."""
    mask_weights(layer, lambda name: WeightRule(**rule))
    return layer


def test_waves_are_sines_and_cosines_in_turn():
    found = PositionalEncoding(3, 2.0)(torch.tensor([0.0, 0.25]))
    angles = [math.pi * 0.25 * 2**level for level in range(3)]
    by_hand = [part for angle in angles for part in (math.sin(angle), math.cos(angle))]
    assert found[0].tolist() == [0, 1, 0, 1, 0, 1]
    assert found[1].tolist() == pytest.approx(by_hand, abs=1e-6)


def test_highest_wave_is_exact_to_float32():
    found = PositionalEncoding(40, 1.25)(torch.tensor([131 / 132], dtype=torch.float64))
    assert float(found[0, -2]) == pytest.approx(math.sin(math.pi * 131 / 132 * 1.25**39), abs=1e-6)


def test_places_of_a_thousand_sessions_are_apart_and_need_no_number_of_sessions():
    places = session_position_open(torch.arange(1000)).sort().values
    assert float(places[0]) > 0
    assert float(places[-1]) < 1
    assert float(places.diff().min()) > 0.0003


def test_parity_place_is_the_published_fraction():
    assert session_position_fraction(torch.tensor([0, 1, 2]), 3).tolist() == [0.25, 0.5, 0.75]


def test_draws_depend_on_their_purpose_alone():
    first = torch.rand(4, generator=init.generator(1, "score", "a", 2))
    torch.rand(100)
    assert torch.equal(first, torch.rand(4, generator=init.generator(1, "score", "a", 2)))
    assert not torch.equal(first, torch.rand(4, generator=init.generator(1, "score", "a", 3)))


def test_first_values_fill_the_range_of_their_fan_in():
    layer = masked(nn.Conv2d(4, 16, 3, bias=False), capacity=0.5)
    weights_of(layer)["weight"].reset_values(init.generator(0))
    bound = 1 / math.sqrt(4 * 9)
    assert 0.95 * bound < float(weights_of(layer)["weight"].value.detach().abs().max()) <= bound


@pytest.mark.parametrize("capacity", [None, 0.3])
def test_scaled_first_values_keep_the_size_of_a_signal_whatever_the_mask_lets_through(capacity):
    x = torch.randn(64, 400, generator=torch.Generator().manual_seed(1))
    layer = masked(nn.Linear(400, 300, bias=False), capacity=capacity)
    weights_of(layer)["weight"].reset_values(init.generator(0), scaled=True)
    weights_of(layer)["weight"].reset_scores(init.generator(1))
    # Half of what arrives is cut off by an activation, so weights double what they pass on.
    assert float(layer(x).detach().var()) == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("capacity", [None, 0.3])
def test_scaled_first_values_of_the_operator_do_so_too(capacity):
    x = torch.randn(2, 24, 32, 32, generator=torch.Generator().manual_seed(1))
    operator = masked(FourierOperator(24, 24, (32, 32)), capacity=capacity)
    for number, weight in enumerate(operator.children()):
        weight.reset_values(init.generator(0, number), scaled=True)
        weight.reset_scores(init.generator(1, number))
    # Noise fills the spectrum evenly; the operator drops the highest vertical and horizontal waves of it.
    assert float(operator(x, (32, 32)).detach().var()) == pytest.approx(2 * 31 / 32, rel=0.1)


def test_dense_layers_have_no_scores():
    assert [name for name, _ in masked(nn.Linear(3, 2, bias=False)).named_parameters()] == ["weight.value"]


@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("size", [(4, 6), (5, 7)])
@pytest.mark.parametrize("paths", ["conv", "operator", "both"])
def test_block_scales_odd_and_even_sizes(stride, size, paths):
    conv = nn.Conv2d(2, 3 * stride**2, 3, padding=1, bias=False) if paths != "operator" else None
    operator = FourierOperator(2, 3, size) if paths != "conv" else None
    block = UpsampleBlock(conv, operator, stride)
    for parameter in block.parameters():
        torch.nn.init.constant_(parameter, 0.1)
    found = block(torch.rand(2, 2, *size))
    assert found.shape == (2, 3, size[0] * stride, size[1] * stride)


def test_block_with_both_paths_activates_their_sum():
    conv, operator = nn.Conv2d(2, 8, 3, padding=1, bias=False), FourierOperator(2, 2, (4, 4))
    for parameter in (*conv.parameters(), *operator.parameters()):
        torch.nn.init.uniform_(parameter, -1, 1)
    x = torch.rand(1, 2, 4, 4)
    both = UpsampleBlock(conv, operator, 2)(x)
    apart = torch.pixel_shuffle(conv(x), 2) + operator(x, (8, 8))
    torch.testing.assert_close(both, torch.nn.functional.silu(apart))


def test_block_without_any_path_is_refused():
    with pytest.raises(ValueError, match="needs a convolution or an operator"):
        UpsampleBlock(None, None, 2)
