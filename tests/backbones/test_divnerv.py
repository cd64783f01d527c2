"""D-NeRV: pictures of key frames are stored, and move, scale and shift features of the time."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from vcl.backbones import build
from vcl.backbones.divnerv import key_position
from vcl.backbones.size_matching import match_numbers
from vcl.config.backbones import DivnervConfig
from vcl.errors import ConfigError
from vcl.layers.key_flow import KeyEncoder, mixed
from vcl.query import Query
from vcl.render import BATCH, Renderer
from vcl.subnet.ledger import Ledger

SMALL = DivnervConfig(
    channels=8, strides=(4, 2, 2), lower_width=4, levels=6, stem_width=12, clip=3, key_scale=4, key_width=4
)
SIZE = (32, 48)


def drawn(config=SMALL, size=SIZE, sessions=1):
    network = build(config, size, 1)
    network.reset_parameters(0)
    for _ in range(sessions):
        network.add_session(0)
    return network


def seen(network, clip):
    """The key frames around every frame of a video ``(T, 3, H, W)``."""
    return clip[network.frames_seen(torch.arange(len(clip)), len(clip))]


def asked(network, clip):
    return network.ask(Query.of_video(0, range(len(clip)), len(clip)), seen(network, clip)).frames


PUBLISHED = {107: 8.018, 166: 15.955, 213: 24.198, 291: 41.660, 382: 67.953, 198: 21.389, 281: 39.144, 361: 61.303}


@pytest.mark.parametrize("channels", PUBLISHED)
def test_published_sizes_have_the_published_numbers_but_for_the_layers_that_mix_time(channels):
    presets = {knobs["channels"]: knobs for knobs in DivnervConfig.presets.values()}
    with torch.device("meta"):
        network = build(DivnervConfig(**presets.get(channels, {"channels": channels})), (256, 320), 1)
    layout = network.layout()
    numbers = sum(math.prod(shape) for shapes in (layout.weights, layout.session) for shape in shapes.values())
    blocks = [2 * channels]
    for _ in range(4):
        blocks.append(max(round(blocks[-1] / 2), 32))
    mixing = sum(blocks) * (8 * 8 + 8)  # A matrix over 8 frames and 8 biases for each channel that a block gives.
    assert round((numbers + mixing) / 1e6, 3) == PUBLISHED[channels]
    assert layout.frame == {"key": (3, 64, 80)}


def test_the_smallest_published_size_by_hand():
    stem = 480 * 512 + 512 + 512 * 20 * 107 + 20 * 107
    encoder = 27 * 64 + 64 + 4 * (4 * 64 * 64 + 64) + 16 * 64 * 64 + 64
    sides = [(171, 214, 4), (214, 107, 2), (107, 54, 2), (54, 32, 2), (32, 32, 2)]
    up = sum((9 * inputs + 1) * outputs * stride**2 for inputs, outputs, stride in sides)
    scales = sum(65 * 2 * inputs for inputs, *_ in sides)
    flows = sum((c + 1) * (c // 4) + (9 * (c // 4) + 1) * 4 for c in (171, 214, 107, 54, 32, 32))
    head = (35 + 1) * 8 + (9 * 8 + 1) * 3
    with torch.device("meta"):
        layout = build(DivnervConfig(**DivnervConfig.presets["XS"]), (256, 320), 1).layout()
    numbers = sum(math.prod(shape) for shapes in (layout.weights, layout.session) for shape in shapes.values())
    assert numbers == stem + encoder + up + scales + flows + head == 7_986_285


@pytest.mark.parametrize(
    ("size", "strides", "key_scale"), [((32, 48), (4, 2, 2), 4), ((30, 20), (5, 2), 5), ((24, 36), (3, 1, 2, 2), 1)]
)
@pytest.mark.parametrize("frames", [1, 2, 7])
def test_videos_of_any_length_and_sizes_that_the_strides_divide_are_encoded_and_decoded(
    size, strides, key_scale, frames
):
    network = drawn(replace(SMALL, strides=strides, key_scale=key_scale), size).eval()
    decoded = asked(network, torch.rand(frames, 3, *size)).detach()
    assert decoded.shape == (frames, 3, *size)
    assert decoded.is_contiguous()
    assert 0 <= float(decoded.min()) <= float(decoded.max()) <= 1


def test_a_size_that_does_not_fit_names_those_that_do():
    with pytest.raises(ConfigError, match=r"stream.size must be multiples of 16, the product of backbone.strides, got"):
        build(SMALL, (40, 48), 1)
    with pytest.raises(ConfigError, match=r"stream.size must be multiples of 6, the product of backbone.key_scale, go"):
        build(replace(SMALL, key_scale=6), (32, 48), 1)
    with pytest.raises(ConfigError, match=r"must leave a first map of two pixels or more, .* got \[4, 2, 2\]"):
        build(SMALL, (16, 16), 1)
    assert (SMALL.unit, replace(SMALL, key_scale=6).unit) == (16, 48)


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"clip": 0}, "backbone.clip must be 1 or more, got 0"),
        ({"key_scale": 0}, "backbone.key_scale must be 1 or more, got 0"),
        ({"channels": 600_000}, "backbone.channels must be at most 500000, got 600000"),
    ],
)
def test_knobs_out_of_range_are_refused(knobs, said):
    with pytest.raises(ConfigError, match=said):
        replace(SMALL, **knobs)


def test_a_frame_sees_the_key_frames_around_it_and_lies_between_them():
    network = drawn()  # Key frames of 8 frames are 0, 3, 6 and 7.
    around = [[0, 3], [0, 3], [0, 3], [3, 6], [3, 6], [3, 6], [6, 7], [6, 7]]
    assert network.frames_seen(torch.arange(8), 8).tolist() == around
    position = key_position(Query.of_video(0, range(8), 8), 3)
    torch.testing.assert_close(position, torch.tensor([0, 1 / 3, 2 / 3, 0, 1 / 3, 2 / 3, 0, 1]))
    # Behind frame 6 of 7, and the only frame of a video, there is none.
    assert key_position(Query.of_video(0, range(6, 7), 7), 3).tolist() == [0]
    assert key_position(Query.of_video(0, range(1), 1), 3).tolist() == [0]
    between = Query.of_video(0, torch.tensor([0.5, 6.5]), 8)
    torch.testing.assert_close(key_position(between, 3), torch.tensor([1 / 6, 1 / 2]))


def test_what_is_stored_of_a_key_frame_are_means_of_squares():
    network, clip = drawn(), torch.rand(4, 3, *SIZE)
    keys = network.encode(Query.of_video(0, range(4), 4), seen(network, clip))["key"]
    assert keys.shape == (4, 2, 3, 8, 12)
    means = clip.view(4, 3, 8, 4, 12, 4).mean((3, 5))
    torch.testing.assert_close(keys[1], means[[0, 3]])


def test_key_frames_are_mixed_by_the_position_between_them():
    start, end = torch.zeros(3, 1, 2, 2), torch.ones(3, 1, 2, 2)
    assert mixed(start, end, torch.tensor([0, 0.25, 1]))[:, 0, 0, 0].tolist() == [0, 0.25, 1]


def test_the_encoder_has_a_map_at_the_scale_of_each_block():
    maps = KeyEncoder((5, 2, 3), 4, scaled=False)(torch.rand(2, 3, 30, 60))
    assert [tuple(layer.shape) for layer in maps] == [(2, 4, 1, 2), (2, 4, 5, 10), (2, 4, 10, 20)]


def test_colours_are_learned_from_beyond_the_range():
    network, clip = drawn(), torch.rand(2, 3, *SIZE)
    network.session_dicts()[0]["head_bias"].data += 9
    beyond = asked(network, clip)
    assert float(beyond.detach().min()) > 1
    beyond.sum().backward()
    assert bool(network.session_dicts()[0]["head"].grad.abs().sum())


def test_every_number_is_trained():
    network = drawn()
    asked(network, torch.rand(5, 3, *SIZE)).square().sum().backward()
    still = [name for name, parameter in network.named_parameters() if not bool(parameter.grad.abs().sum())]
    assert still == []


def test_at_a_key_frame_the_other_one_is_not_seen_and_between_them_both_are():
    network = drawn()
    session = {name: tensor[None] for name, tensor in network.session_dicts()[0].items()}
    key = torch.rand(1, 2, 3, 8, 12)

    def changed(t, number):
        query = Query.of_video(0, range(t, t + 1), 8)
        other = key.clone()
        other[:, number] = 1 - other[:, number]
        with torch.no_grad():
            frames = [network.answer(query, session, {"key": keys}).frames for keys in (key, other)]
        return not torch.equal(*frames)

    assert [changed(3, 0), changed(3, 1)] == [True, False]
    assert [changed(7, 0), changed(7, 1)] == [False, True]
    assert [changed(4, 0), changed(4, 1)] == [True, True]


def test_frames_between_the_same_key_frames_differ_by_their_time():
    frames = asked(drawn(), torch.rand(1, 3, *SIZE).expand(3, -1, -1, -1)).detach()
    assert not torch.equal(frames[0], frames[1])


def test_sessions_mixed_in_a_batch_are_decoded_as_they_are_apart():
    network = drawn(sessions=3)
    query = Query(torch.tensor([2, 0, 1]), torch.tensor([0.0, 1, 4]), torch.tensor([1.0, 5, 5]))
    for own in network.session_dicts():
        for tensor in own.values():
            tensor.data += 0.1 * torch.randn_like(tensor)
    frames = torch.rand(3, 2, 3, *SIZE)
    with torch.no_grad():
        mixed_frames = network.ask(query, frames).frames
        for row in range(3):
            alone = Query(query.session[row : row + 1], query.t[row : row + 1], query.frames[row : row + 1])
            torch.testing.assert_close(mixed_frames[row], network.ask(alone, frames[row : row + 1]).frames[0])


def test_decoding_needs_the_pictures_of_key_frames_alone():
    network, clip = drawn().eval(), torch.rand(8, 3, *SIZE)
    pictures = seen(network, clip)
    with torch.no_grad():
        batches = [range(first, first + BATCH) for first in range(0, 8, BATCH)]
        expected = torch.cat([network.ask(Query.of_video(0, t, 8), pictures[list(t)]).frames for t in batches])
    keys = F.avg_pool2d(clip[[0, 3, 6, 7]], 4)
    ledger = Ledger(network.layout(), "per_session")
    ledger.seal(**network.learned(0, {}), frame={"key": keys})
    renderer = Renderer(network)
    renderer.load(ledger.subnetwork(0))
    assert torch.equal(torch.cat(list(renderer.frames(0, 8))), expected.clamp(0, 1))
    torch.testing.assert_close(next(renderer.frames(0, 8, only=range(5, 6))), expected[5:6])


@pytest.mark.parametrize("block", [1, 2, 3])
@pytest.mark.parametrize("path", ["sum", "only"])
def test_any_block_may_have_the_operator(block, path):
    network = drawn(replace(SMALL, operator_block=block, operator_path=path), (64, 96))
    asked(network, torch.rand(2, 3, 64, 96)).square().sum().backward()
    assert all(bool(parameter.grad.abs().sum()) for parameter in network.blocks[block - 1].operator.parameters())


@pytest.mark.parametrize("numbers", ["0.35M", "1M", "3M"])
def test_a_size_is_met(numbers):
    config = replace(DivnervConfig(), strides=(5, 2, 2, 2), size=numbers)
    matched = match_numbers(config, 16, lambda candidate: build(candidate, (80, 160), 1))
    assert 0 < matched.key_width <= matched.channels
    assert matched.lower_width == 32


@pytest.mark.parametrize("initial", ["paper", "scaled"])
@pytest.mark.parametrize("block", [0, 1, 2, 3])
def test_layers_may_compute_in_bfloat16_beside_an_operator_in_float32(block, initial):
    network = drawn(replace(SMALL, operator_block=block, initial=initial), (64, 96))
    with torch.autocast("cpu", torch.bfloat16):
        loss = asked(network, torch.rand(2, 3, 64, 96)).float().square().mean()
    loss.backward()
    assert bool(torch.isfinite(loss))
