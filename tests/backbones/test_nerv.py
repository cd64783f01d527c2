from dataclasses import replace

import pytest
import torch

from vcl.backbones import BACKBONES, build
from vcl.backbones.size_matching import match_bytes, numbers_of
from vcl.config import NervConfig
from vcl.config.backbones import BACKBONES as KNOBS
from vcl.errors import ConfigError
from vcl.layers.masked import WeightRule
from vcl.query import Query

TINY = NervConfig(levels=4, stem_width=8, channels=6, strides=(2, 2), lower_width=4)


def masked_weights(**knobs):
    with torch.device("meta"):
        network = build(NervConfig(**knobs), (720, 1280), 17, WeightRule(0.3))
    return sum(weight.value.numel() for weight in network.weights().values())


@pytest.mark.parametrize(
    ("block", "path", "count"),
    [
        (0, "sum", 12_544_256),
        (1, "sum", 14_149_888),
        (1, "only", 11_327_488),
        (2, "sum", 50_391_296),
        (2, "only", 50_004_224),
        (3, "sum", 145_254_656),
        (3, "only", 144_922_880),
    ],
)
def test_paper_size_network_has_the_golden_number_of_masked_weights(block, path, count):
    assert masked_weights(operator_block=block, operator_path=path) == count


def test_each_layer_at_paper_size_has_its_golden_number_of_weights():
    with torch.device("meta"):
        network = build(NervConfig(), (720, 1280), 17)
    counts = [weight.value.numel() for weight in network.weights().values()]
    assert counts == [81_920, 8_257_536, 2_822_400, 387_072, 331_776, 331_776, 331_776]
    assert network.layout().session == {"head": (3, 96)}


@pytest.mark.parametrize(
    ("preset", "size", "count"),
    [
        ("S", (720, 1280), 3_201_905),
        ("M", (720, 1280), 6_282_001),
        ("L", (720, 1280), 12_524_563),
        ("light_0.35M", (640, 1280), 381_639),
        ("light_0.75M", (640, 1280), 756_768),
        ("light_1.5M", (640, 1280), 1_507_868),
        ("light_3M", (640, 1280), 2_986_591),
    ],
)
def test_published_sizes_have_the_published_numbers(preset, size, count):
    with torch.device("meta"):
        network = build(NervConfig(**NervConfig.presets[preset]), size, 1)
    assert sum(numbers_of(network)) == count


@pytest.mark.parametrize(
    "knobs",
    [
        {"biases": True, "activation": "gelu"},
        {"biases": True, "head_kernel": 3, "stem_width": 0, "stem_activation": "none"},
        {"activation": "relu", "session_embedding": "none", "time": "both_ends"},
        {"activation": "none", "operator_block": 2, "biases": True, "time": "to_one"},
    ],
)
def test_every_form_of_it_trains_all_of_its_numbers_and_gives_frames_in_the_unit_range(knobs):
    network = build(replace(TINY, **knobs), (16, 24), 1)
    network.reset_parameters(0)
    network.add_session(0)
    frames = network.ask(Query.of_video(0, range(3), 3)).frames
    assert 0 <= float(frames.detach().min()) <= float(frames.detach().max()) <= 1
    frames.square().sum().backward()
    assert all(bool(parameter.grad.abs().sum()) for parameter in network.parameters())


def test_without_a_session_embedding_the_same_frame_of_two_videos_differs_by_what_is_their_own():
    network = build(replace(TINY, session_embedding="none"), (16, 24), 1)
    network.reset_parameters(0)
    for _ in range(2):
        network.add_session(0)
    first, second = (network.ask(Query.of_video(session, range(2), 2)).frames for session in (0, 1))
    assert not torch.equal(first, second)
    network.session_parameters[1].load_state_dict(network.session_parameters[0].state_dict())
    assert torch.equal(first, network.ask(Query.of_video(1, range(2), 2)).frames)


def test_every_backbone_has_knobs_of_the_same_name():
    assert set(BACKBONES) == set(KNOBS)


@pytest.mark.parametrize("block", [0, 1, 2])
@pytest.mark.parametrize("size", [(16, 24), (20, 28)])
@pytest.mark.parametrize("capacity", [None, 0.3])
def test_frames_have_the_asked_size_and_lie_in_the_unit_range(block, size, capacity):
    config = NervConfig(levels=4, stem_width=8, channels=6, strides=(2, 2), lower_width=4, operator_block=block)
    network = build(config, size, 3, WeightRule(capacity))
    network.reset_parameters(0)
    network.add_session(0)
    frames = network(torch.tensor([[0.0, 0.0, 2.0], [0.0, 1.0, 2.0]]))
    assert frames.shape == (2, 3, *size)
    assert frames.is_contiguous()
    assert 0 <= float(frames.detach().min()) <= float(frames.detach().max()) <= 1


def test_heads_belong_to_sessions_and_may_be_mixed_in_a_batch():
    network = build(TINY, (16, 24), 3)
    network.reset_parameters(0)
    for _ in range(3):
        network.add_session(0)
    x = torch.tensor([[0.0, 1.0, 4.0], [2.0, 1.0, 4.0]])
    with torch.no_grad():
        mixed = network(x)
        apart = torch.cat(
            [
                network.decode(Query.of_tensor(row[None]), {"head": own["head"][None]}, {}).frames
                for row, own in zip(x, network.session_dicts()[::2], strict=True)
            ]
        )
    torch.testing.assert_close(mixed, apart)


def test_a_session_is_embedded_alike_whatever_the_number_of_sessions():
    few, many = (build(TINY, (16, 24), sessions) for sessions in (2, 50))
    for network in (few, many):
        network.reset_parameters(0)
        network.add_session(0)
    x = torch.tensor([[0.0, 1.0, 2.0]])
    assert torch.equal(few(x), many(x))


def test_parity_embedding_depends_on_the_number_of_sessions():
    config = NervConfig(**{**TINY.__dict__, "session_embedding": "fraction"})
    few, many = (build(config, (16, 24), sessions) for sessions in (2, 50))
    for network in (few, many):
        network.reset_parameters(0)
        network.add_session(0)
    x = torch.tensor([[0.0, 1.0, 2.0]])
    assert not torch.equal(few(x), many(x))


def test_two_draws_with_one_seed_are_equal_and_with_another_are_not():
    one, other = build(TINY, (16, 24), 1, WeightRule(0.5)), build(TINY, (16, 24), 1, WeightRule(0.5))
    one.reset_parameters(7)
    other.reset_parameters(7)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    other.reset_parameters(8)
    assert not torch.equal(*(network.weights()["fc1.weight"].value for network in (one, other)))
    assert not torch.equal(*(network.weights()["fc1.weight"].score for network in (one, other)))


def test_frame_sizes_that_the_strides_cannot_reach_are_refused():
    with pytest.raises(ConfigError, match=r"stream.size must be multiples of 4, .* got \[18, 24\]"):
        build(TINY, (18, 24), 1)


def test_an_operator_on_a_line_is_refused():
    config = NervConfig(levels=4, stem_width=8, channels=6, strides=(16,), operator_block=1)
    with pytest.raises(ConfigError, match=r"backbone.operator_block must have an input of 2 px or more a side"):
        build(config, (16, 32), 1)


def test_more_bytes_than_any_network_has_end_at_the_widest(monkeypatch):
    monkeypatch.setattr("vcl.config.backbones.base.WIDEST", 64)
    matched = match_bytes(TINY, 10**17, lambda config: build(config, (16, 24), 1))
    assert max(matched.stem_width, matched.channels, matched.lower_width) <= 64


@pytest.mark.parametrize(
    ("knobs", "largest"),
    [
        ({"strides": (2, 2), "channels": 8, "lower_width": 6}, 6 * 32 * 48),
        ({"strides": (2, 1), "channels": 4, "lower_width": 6, "expansion": 10.0}, 40 * 32 * 48),
        ({"strides": (2,), "channels": 100, "expansion": 0.01}, 100 * 16 * 24),
    ],
)
def test_the_largest_activation_is_that_of_the_stem_or_of_a_block(knobs, largest):
    assert build(NervConfig(levels=3, stem_width=4, **knobs), (32, 48), 1).largest_activation == largest
