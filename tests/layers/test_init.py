import hashlib
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


def split_mix_64(seed, count):
    """SplitMix64 in Python's integers, as Steele, Lea and Flood write it."""
    outputs, mask = [], 2**64 - 1
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        z = (seed ^ seed >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        outputs.append(z ^ z >> 31)
    return outputs


SEEDED_WITH_1234567 = [
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]
"""First outputs as they are widely published for implementations of SplitMix64."""


def test_the_reference_generator_gives_the_published_numbers():
    assert split_mix_64(1234567, 5) == SEEDED_WITH_1234567


def test_drawn_integers_are_the_highest_bits_of_the_published_numbers(monkeypatch):
    monkeypatch.setattr(init, "seed_of", lambda *purpose: 1234567)
    assert init.drawn_integers(5).tolist() == [2 * (output >> 40) - 2**24 + 1 for output in SEEDED_WITH_1234567]


@pytest.mark.parametrize("purpose", [(0, "value", "fc1.weight"), (2**32 - 1, "score", "a", 7), (3, "ö")])
def test_drawn_integers_are_those_of_a_reference_generator(purpose, monkeypatch):
    expected = [2 * (output >> 40) - 2**24 + 1 for output in split_mix_64(init.seed_of(*purpose), 300)]
    assert init.drawn_integers(300, *purpose).tolist() == expected
    monkeypatch.setattr(init, "_DRAWN_AT_ONCE", 128)  # In pieces, the last of which is not full.
    assert init.drawn_integers(300, *purpose).tolist() == expected
    assert init.drawn_integers(7, *purpose).tolist() == expected[:7]
    assert init.drawn_integers(0, *purpose).size == 0


def test_the_seed_of_a_purpose_is_the_start_of_its_hash():
    assert init.seed_of(1, "score", "a", 2) == int(hashlib.sha256(b"(1, 'score', 'a', 2)").hexdigest()[:16], 16)


def test_drawn_values_are_the_integers_times_the_bound():
    integers = init.drawn_integers(50, 1, "a")
    assert init.drawn_values(50, 0.5, 1, "a").tolist() == [integer * 2.0**-25 for integer in integers.tolist()]
    assert abs(int(integers.max())) < 2**24
