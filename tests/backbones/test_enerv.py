"""E-NeRV: where its time comes in, and what the published network has."""

import math

import pytest
import torch
from small_backbones import SMALL
from torch.nn import functional as F

from vcl import config as configs
from vcl.backbones import build, resolved
from vcl.backbones.size_matching import numbers_of
from vcl.config import from_dict
from vcl.config.backbones import EnervConfig
from vcl.errors import ConfigError
from vcl.query import Query

SIZE = (32, 48)


def small(**knobs):
    return from_dict({"backbone": {"name": "enerv", **SMALL["enerv"], **knobs}}).backbone


def ready(size=SIZE, sessions=1, **knobs):
    network = build(small(**knobs), size, sessions)
    network.reset_parameters(0)
    for _ in range(sessions):
        network.add_session(0)
    return network


def frames_of(network, *ts, length=4):
    return network.ask(Query.of_video(0, torch.tensor(ts), length)).frames


def given_to(module, network, *ts):
    """What a module of the network takes and gives for some frames."""
    seen = []
    handle = module.register_forward_hook(lambda _, taken, given: seen.append((taken[0].detach(), given.detach())))
    frames_of(network, *ts)
    handle.remove()
    return seen[0]


def test_the_published_network_has_the_golden_number_of_learned_numbers():
    config = from_dict({"backbone": {"name": "enerv", "preset": "bunny"}}).backbone
    with torch.device("meta"):
        network = build(config, (720, 1280), 1)
    assert sum(numbers_of(network)) == 12_490_602 - 288  # Of which 288 are the fixed coordinates of 9 x 16 places.
    assert network.places.shape == (1, 144, 320)


@pytest.mark.parametrize(
    ("size", "strides"), [((16, 24), [2, 2]), ((20, 30), [5, 2]), ((32, 48), [1, 8]), ((16, 8), [8])]
)
@pytest.mark.parametrize("length", [1, 2, 5])
def test_frames_have_the_asked_size_and_lie_in_the_unit_range(size, strides, length):
    network = ready(size, strides=strides)
    frames = frames_of(network, *range(length), length=length).detach()
    assert frames.shape == (length, 3, *size)
    assert 0 <= float(frames.min()) < float(frames.max()) <= 1


@pytest.mark.parametrize("operator", [0, 1, 2])
def test_every_number_is_trained(operator):
    network = ready((64, 96), sessions=2, operator_block=operator)
    query = Query.of_tensor(torch.tensor([[0.0, 1.0, 4.0], [1.0, 2.0, 5.0]]))
    network.ask(query).frames.square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_an_operator_alone_takes_the_place_of_the_light_block():
    names = ready(operator_block=1, operator_path="only").shapes()
    assert not any(name.startswith("blocks.0") and "operator" not in name for name in names)
    assert any(name.startswith("blocks.0.operator") for name in names)


def test_tokens_of_places_know_no_time_until_the_vector_of_a_frame_multiplies_them_all():
    network = ready()
    _, places = given_to(network.space_block, network, 0, 1, 3)
    _, vectors = given_to(network.time, network, 0, 1, 3)
    joint, _ = given_to(network.joint_block, network, 0, 1, 3)
    torch.testing.assert_close(places[0], places[2])
    assert not torch.allclose(vectors[0], vectors[2])
    torch.testing.assert_close(joint, places * vectors[:, None])


def test_places_are_rows_and_columns_relative_to_their_numbers():
    network = ready((32, 48), strides=[16])
    assert network.places.shape == (1, 6, 4 * 6)
    waves = network.places[0, :, [0, 12]]  # The first sine of each coordinate.
    by_hand = [[math.sin(math.pi * row / 2), math.sin(math.pi * column / 3)] for row in range(2) for column in range(3)]
    torch.testing.assert_close(waves, torch.tensor(by_hand), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("activation", "activate"), [("gelu", F.gelu), ("none", lambda x: x)])
def test_each_block_takes_normalised_features_that_the_time_scales_and_shifts(activation, activate):
    network = ready((64, 96), modulation_activation=activation)
    _, modulation = given_to(network.modulation, network, 0, 3)
    assert not torch.allclose(modulation[0], modulation[1])
    for scale, block in zip(network.scales, network.blocks, strict=True):
        features, _ = given_to(block, network, 0, 3)
        _, raw = given_to(scale, network, 0, 3)
        gain, shift = activate(raw).chunk(2, dim=1)
        torch.testing.assert_close(features.mean((2, 3)), shift, rtol=0, atol=1e-5)
        deviation = features.std((2, 3), correction=0)
        assert bool((deviation <= gain.abs() + 1e-5).all())
        # Less than the gain only by the norm's epsilon, where features hardly differ.
        assert float(deviation.max()) > 0.5 * float(gain.abs().max())


def test_gelu_leaves_next_to_no_negative_scales_and_without_it_they_stay():
    gelu, plain = ready((64, 96)), ready((64, 96), modulation_activation="none")
    _, raw = given_to(plain.scales[0], plain, 0, 1, 2, 3)
    assert float(raw.min()) < -0.17 < float(F.gelu(raw).min()) + 1e-3
    assert not torch.allclose(frames_of(gelu, 1), frames_of(plain, 1))


def test_time_comes_in_by_the_tokens_and_by_the_modulation_and_nowhere_else():
    network = ready()
    with torch.no_grad():
        network.weights()["time.2.weight"].value.zero_()
        first, last = frames_of(network, 0, 3)
        assert not torch.allclose(first, last)
        network.weights()["modulation.2.weight"].value.zero_()
        first, last = frames_of(network, 0, 3)
        torch.testing.assert_close(first, last)


def test_sessions_are_embedded_unless_they_are_not():
    for embedding, alike in (("open", False), ("none", True)):
        network = ready(sessions=2, session_embedding=embedding)
        with torch.no_grad():
            for own, first in zip(*(d.values() for d in reversed(network.session_dicts())), strict=True):
                own.copy_(first)
            first, second = network(torch.tensor([[0.0, 1.0, 4.0], [1.0, 1.0, 4.0]]))
        assert torch.allclose(first, second) == alike


def test_tokens_as_wide_as_the_first_map_need_no_layer():
    network = ready(channels=8, token_width=8)
    assert network.narrow is None
    assert ready(channels=9, token_width=8).narrow is not None


@pytest.mark.parametrize(
    ("size", "line"),
    [
        ((30, 48), r"stream.size must be multiples of 16, the product of backbone.strides, got \[30, 48\]"),
        ((16, 16), r"backbone.strides must leave a first map of two pixels or more, .*, got \[4, 2, 2\], which"),
    ],
)
def test_a_frame_that_the_strides_do_not_fit_is_refused(size, line):
    with pytest.raises(ConfigError, match=line):
        build(small(), size, 1)


@pytest.mark.parametrize(
    ("knob", "line"),
    [
        ({"heads": 0}, "backbone.heads must be 1 or more, got 0"),
        ({"base": 1.0}, "backbone.base must be greater than 1, got 1.0"),
        ({"levels": 1000}, "backbone.base must keep 1000 frequencies within the range of float32, got 1.25"),
        ({"expansion": 0.001}, "backbone.expansion must leave one of 196 channels or more, got 0.001"),
        ({"expansion": 1e6}, "backbone.expansion must give at most 1000000 channels, got 1000000.0"),
    ],
)
def test_a_knob_out_of_range_is_refused(knob, line):
    with pytest.raises(ConfigError, match=line):
        EnervConfig(**knob)


def test_many_places_are_the_largest_that_decoding_makes():
    assert ready((32, 48), strides=[2]).largest_activation == 2 * (16 * 24) ** 2
    assert ready().largest_activation == 6 * 32 * 48


@pytest.mark.parametrize(("size", "numbers"), [("0.35M", 350_000), ("3M", 3_000_000)])
def test_a_network_of_a_size_has_that_many_numbers_within_a_percent(size, numbers):
    words = ["backbone.name=enerv", "backbone.strides=[5, 2, 2, 2]", f"backbone.size={size}", "stream.size=[160,320]"]
    config = resolved(configs.load(None, words)).backbone
    assert 0.99 * numbers < sum(numbers_of(build(config, (160, 320), 1))) <= numbers
