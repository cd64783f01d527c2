import math

import numpy as np
import pytest
import torch
from small_tuner import NYQUIST, along, beyond, made, trained

from vcl.backbones import build
from vcl.backbones.size_matching import numbers_of
from vcl.config.backbones import TunerConfig
from vcl.errors import ConfigError
from vcl.layers.sine import BoundedSine
from vcl.query import Query


def test_parameters_are_those_of_one_square_layer_with_phases_biases_and_a_head():
    with torch.device("meta"):
        network = build(TunerConfig(), (512, 512), 1)
    weights, own, of_frame = numbers_of(network)
    assert (weights, own, of_frame) == (256**2, 256 + 256 + 3 * 256 + 3, 0)


def test_the_frequencies_of_a_square_of_512_reach_85_turns_and_those_of_time_its_own_band():
    network = made(TunerConfig(width=256, time_band=3), (512, 512))
    turns = network.frequency * 4 / (2 * math.pi)
    torch.testing.assert_close(turns, turns.round(), atol=1e-4, rtol=0)
    assert round(float(turns[:, 0].abs().max())) == 3
    assert round(float(turns[:, 1:].abs().max())) == 84  # The last point up to 85 of a grid of step 7.
    assert not network.frequency.requires_grad
    assert "frequency" not in network.state_dict()


def test_rows_and_columns_have_bands_of_their_own():
    network = made(TunerConfig(width=256), (48, 480))
    turns = (network.frequency * 4 / (2 * math.pi)).abs()
    assert [round(float(end)) for end in turns.amax(0)] == [4, 8, 78]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 3), (16, 24)])
@pytest.mark.parametrize("length", [1, 2, 5])
def test_frames_of_every_size_and_videos_of_every_length_are_made(height, width, length):
    with torch.no_grad():
        frames = made(size=(height, width)).ask(Query.of_video(0, range(length), length)).frames
    assert frames.shape == (length, 3, height, width)
    assert bool(frames.isfinite().all())


def test_every_parameter_gets_a_gradient():
    network = made(sessions=2, capacity=0.5)
    network.ask(
        Query(torch.tensor([0, 1]), torch.tensor([0, 1]), torch.tensor([2, 2]))
    ).frames.square().sum().backward()
    assert all(bool(parameter.grad.abs().sum() > 0) for parameter in network.parameters())


@torch.no_grad()
def test_whatever_is_decoded_repeats_after_the_period_and_not_within_a_video():
    network = made()
    for axis in range(3):
        once = along(network, axis, 50)
        torch.testing.assert_close(along(network, axis, 50, start=2.0), once, atol=1e-4, rtol=0)
        assert float((once[::2] - along(network, axis, 50, start=0.0)[::2]).abs().mean()) > 0.01
    first, last = network.ask(Query.of_video(0, torch.tensor([0, 8]), 9)).frames
    assert float((first - last).abs().mean()) > 0.01


@torch.no_grad()
@pytest.mark.parametrize("capacity", [None, 0.3])
def test_no_training_leads_beyond_the_bounds_and_what_a_mask_leaves_out_is_zero(capacity):
    network = made(TunerConfig(width=64), (128, 128), capacity=capacity)
    weight = network.weights()["hidden.weight"]
    weight.value.mul_(1e6)
    bound, bounded = network.hidden.bound, network.hidden.bounded()
    assert set(bound.tolist()) == {0.5, 1.0}
    assert bool((bounded.abs() <= bound).all())
    torch.testing.assert_close(bounded.abs().amax(0), bound)
    assert torch.equal(bounded != 0, weight.mask())


@torch.no_grad()
def test_first_weights_are_spread_by_three_tenths_of_their_bounds():
    hidden = made(TunerConfig(width=256), (128, 128)).hidden
    spread = (hidden.bounded() / hidden.bound).std()
    assert 0.27 < float(spread) < 0.31


def bessel(order, size):
    """J of a whole order, by its integral."""
    angle = (np.arange(4096) + 0.5) * math.pi / 4096
    return float(np.cos(order * angle - size * np.sin(angle)).mean())


@torch.no_grad()
def test_harmonics_of_two_sines_have_the_amplitudes_of_bessel_functions_below_the_bound_of_the_theory():
    layer = BoundedSine(2, 1, 30.0, torch.tensor([1.0, 0.5]))
    layer.weight.copy_(torch.tensor([[0.02, -0.03]]))
    x = torch.arange(512) / 512 * 2 * math.pi
    inputs = torch.stack(((3 * x).sin(), (40 * x).sin()), dim=-1)[None]
    spectrum = torch.fft.rfft(layer(inputs, torch.zeros(1, 1))[0, :, 0]).abs() / 256
    one, other = layer.bounded()[0].tolist()
    for k in range(3):
        for m in range(1, 3):
            # Of sin(w sin(3x) + v sin(40x)), which has the odd sums alone.
            expected = 2 * abs(bessel(k, one) * bessel(m, other)) if (k + m) % 2 else 0.0
            found = float(spectrum[3 * k + 40 * m])
            assert found == pytest.approx(expected, abs=1e-5)
            limit = abs(one / 2) ** k / math.factorial(k) * abs(other / 2) ** m / math.factorial(m)
            assert found <= 2 * limit


def test_the_spectrum_stays_in_its_band_at_first_and_after_training():
    first = made(TunerConfig(width=128), (128, 128))
    network, loss = trained(TunerConfig(width=128))
    assert loss < 0.1
    for one in (first, network):
        assert beyond(one, 2, NYQUIST) < 1e-6
        assert beyond(one, 1, NYQUIST) < 1e-6
        assert beyond(one, 0, 12 * 4) < 1e-6
    assert beyond(network, 2, 21) > 0.1  # Harmonics of what the frequencies alone can show.


def test_the_spectrum_leaves_its_band_where_the_bounds_are_wide():
    network = made(TunerConfig(width=128, low_bound=20.0, high_bound=20.0), (128, 128))
    assert beyond(network, 2, NYQUIST) > 0.1


@pytest.mark.parametrize(
    ("knobs", "named"),
    [
        ({"period": 2.0}, r"backbone.period must be greater than 2, got 2"),
        ({"time_period": 1.0}, r"backbone.time_period must be greater than 2, got 1"),
        ({"band": 1.5}, r"backbone.band must be at most 1, got 1.5"),
        ({"time_band": 0}, r"backbone.time_band must be 1 or more, got 0"),
        ({"time_band": 101}, r"backbone.time_band must be at most 100, got 101"),
        ({"low_share": -0.1}, r"backbone.low_share must lie in 0..1, got -0.1"),
        ({"high_bound": 0.0}, r"backbone.high_bound must be greater than 0, got 0"),
    ],
)
def test_knobs_out_of_range_are_refused(knobs, named):
    with pytest.raises(ConfigError, match=named):
        TunerConfig(**knobs)
