"""DNeRV: a frame's numbers tell what is in it, and how it differs from the frames beside it."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from vcl.backbones import build
from vcl.backbones.size_matching import match_numbers
from vcl.config.backbones import DiffnervConfig
from vcl.errors import ConfigError
from vcl.query import Query
from vcl.render import Renderer
from vcl.subnet.ledger import Ledger

SMALL = DiffnervConfig(
    channels=8,
    strides=(4, 2, 2),
    lower_width=4,
    code_channels=3,
    encoder_width=4,
    fusion_block=2,
    difference_strides=(2, 2),
)
SIZE = (32, 48)


def drawn(config=SMALL, size=SIZE, sessions=1):
    network = build(config, size, 1)
    network.reset_parameters(0)
    for _ in range(sessions):
        network.add_session(0)
    return network


def seen(network, clip):
    """What the network encodes of every frame of a video ``(T, 3, H, W)``."""
    return clip[network.frames_seen(torch.arange(len(clip)), len(clip))]


def asked(network, clip):
    return network.ask(Query.of_video(0, range(len(clip)), len(clip)), seen(network, clip)).frames


@pytest.mark.parametrize(("preset", "thousands", "exact"), [("3.4M_960", 3404, 3_405_368), ("2M_960", 1995, 1_996_705)])
def test_published_sizes_have_the_published_numbers(preset, thousands, exact):
    with torch.device("meta"):
        network = build(DiffnervConfig(**DiffnervConfig.presets[preset]), (960, 1920), 1)
    layout = network.layout()
    numbers = [math.prod(shape) for shapes in (layout.weights, layout.session) for shape in shapes.values()]
    head = [math.prod(layout.session[name]) for name in ("head", "head_bias")]
    assert sum(numbers) == exact
    # The known figures, of four digits, are met without the head, and cut off behind the thousands.
    assert (sum(numbers) - sum(head)) // 1000 == thousands
    assert layout.frame == {"content": (16, 2, 4), "difference": (2, 40, 80)}


def test_channels_are_rounded_down():
    with torch.device("meta"):
        assert build(DiffnervConfig(), (960, 1920), 1).channels == [92, 76, 63, 52, 43, 35]


@pytest.mark.parametrize(
    ("size", "strides", "difference", "behind"),
    [((32, 48), (4, 2, 2), (2, 2), 2), ((30, 20), (5, 2), (2, 5), 1), ((24, 36), (3, 2, 2), (2,), 3)],
)
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_videos_of_any_length_and_sizes_that_the_strides_divide_are_encoded_and_decoded(
    size, strides, difference, behind, frames
):
    config = replace(SMALL, strides=strides, difference_strides=difference, fusion_block=behind)
    decoded = asked(drawn(config, size), torch.rand(frames, 3, *size)).detach()
    assert decoded.shape == (frames, 3, *size)
    assert decoded.is_contiguous()
    assert 0 <= float(decoded.min()) <= float(decoded.max()) <= 1


def test_a_size_that_does_not_fit_names_those_that_do():
    with pytest.raises(ConfigError, match=r"stream.size must be multiples of 16, the product of backbone.strides, got"):
        build(SMALL, (40, 48), 1)
    finer = replace(SMALL, difference_strides=(2, 2, 3))
    with pytest.raises(ConfigError, match=r"must be multiples of 12, the product of backbone.difference_strides, got"):
        build(finer, (32, 48), 1)
    assert (SMALL.unit, finer.unit) == (16, 48)


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"fusion_block": 4}, r"backbone.fusion_block must lie in 1..3, got 4"),
        ({"difference_strides": (3,)}, r"difference_strides must have a product that is a multiple of 2, .* got \[3\]"),
    ],
)
def test_a_difference_that_does_not_meet_the_content_is_refused(knobs, said):
    with pytest.raises(ConfigError, match=said):
        replace(SMALL, **knobs)


def test_the_ends_of_a_video_are_beside_themselves():
    assert drawn().frames_seen(torch.arange(4), 4).tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3]]
    assert drawn().frames_seen(torch.arange(2), 2).tolist() == [[0, 0, 1], [0, 1, 1]]
    assert drawn().frames_seen(torch.arange(1), 1).tolist() == [[0, 0, 0]]


def test_differences_are_from_the_frame_before_and_to_the_frame_after_colour_by_colour():
    network, clip = drawn(), torch.rand(3, 3, *SIZE)
    network.content_encoder = network.difference_encoder = nn.Identity()
    codes = network.encode(Query.of_video(0, range(3), 3), seen(network, clip))
    assert torch.equal(codes["content"], clip)
    for t, difference in enumerate(codes["difference"]):
        for colour in range(3):
            assert torch.equal(difference[2 * colour], clip[t, colour] - clip[max(t - 1, 0), colour])
            assert torch.equal(difference[2 * colour + 1], clip[min(t + 1, 2), colour] - clip[t, colour])
    assert not bool(codes["difference"][0, ::2].any())
    assert not bool(codes["difference"][2, 1::2].any())


def test_every_number_is_trained():
    network = drawn()
    asked(network, torch.rand(2, 3, *SIZE)).square().sum().backward()
    still = [name for name, parameter in network.named_parameters() if not bool(parameter.grad.abs().sum())]
    assert still == []


def test_the_frame_depends_on_content_and_difference():
    network, query = drawn(), Query.of_video(0, range(1), 3)
    frame = {name: torch.rand(1, *shape) for name, shape in network.frame_tensors.items()}
    session = {name: tensor[None] for name, tensor in network.session_dicts()[0].items()}
    with torch.no_grad():
        plain = network.answer(query, session, frame).frames
        for kind in ("content", "difference"):
            assert not torch.equal(network.answer(query, session, {**frame, kind: frame[kind] + 1}).frames, plain)


def test_sessions_mixed_in_a_batch_are_decoded_as_they_are_apart():
    network = drawn(sessions=3)
    query = Query(torch.tensor([2, 0, 1]), torch.zeros(3), torch.ones(3))
    frames = torch.rand(3, 3, 3, *SIZE)
    with torch.no_grad():
        mixed = network.ask(query, frames).frames
        for row in range(3):
            alone = Query(query.session[row : row + 1], query.t[:1], query.frames[:1])
            torch.testing.assert_close(mixed[row], network.ask(alone, frames[row : row + 1]).frames[0])


def test_decoding_needs_the_stored_numbers_and_no_encoder():
    network, clip = drawn(), torch.rand(3, 3, *SIZE)
    query = Query.of_video(0, range(3), 3)
    with torch.no_grad():
        expected, codes = asked(network, clip), network.encoded(query, seen(network, clip))
    ledger = Ledger(network.layout(), "per_session")
    ledger.seal(**network.learned(0, {}), frame=codes)
    renderer = Renderer(network)
    renderer.load(ledger.subnetwork(0))
    assert not any("encoder" in name for name, _ in network.named_modules())
    assert torch.equal(torch.cat(list(renderer.frames(0, 3))), expected)


@pytest.mark.parametrize("block", [1, 2, 3])
@pytest.mark.parametrize("path", ["sum", "only"])
def test_any_block_may_have_the_operator(block, path):
    network = drawn(replace(SMALL, operator_block=block, operator_path=path), (64, 96))
    asked(network, torch.rand(2, 3, 64, 96)).square().sum().backward()
    assert all(bool(parameter.grad.abs().sum()) for parameter in network.blocks[block - 1].operator.parameters())


@pytest.mark.parametrize("numbers", ["0.1M", "0.35M", "3M"])
def test_a_size_is_met(numbers):
    config = replace(DiffnervConfig(), strides=(5, 2, 2), difference_strides=(2, 2, 2), fusion_block=2, size=numbers)
    matched = match_numbers(config, 16, lambda candidate: build(candidate, (80, 160), 1))
    assert matched.stem_extra < matched.channels


@pytest.mark.parametrize("block", [0, 1, 2, 3])
def test_layers_may_compute_in_bfloat16_beside_an_operator_in_float32(block):
    network = drawn(replace(SMALL, operator_block=block), (64, 96))
    with torch.autocast("cpu", torch.bfloat16):
        loss = asked(network, torch.rand(2, 3, 64, 96)).float().square().mean()
    loss.backward()
    assert bool(torch.isfinite(loss))
