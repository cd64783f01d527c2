"""SNeRV-T: the frame before and the frame after are seen in training, and what they tell is stored with the frame."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from vcl.backbones import build
from vcl.backbones.size_matching import match_numbers
from vcl.config.backbones import SnervTConfig
from vcl.errors import ConfigError
from vcl.layers.wavelet import haar
from vcl.query import Batch, Output, Query
from vcl.render import Renderer
from vcl.subnet.ledger import Ledger

SMALL = SnervTConfig(
    channels=6,
    strides=(2, 2, 2, 1),
    lower_width=4,
    code_channels=3,
    encoder_width=4,
    residual_blocks=1,
    motion_strides=(4, 2),
    motion_channels=2,
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
    query = Query.of_video(0, range(len(clip)), len(clip))
    return network.ask(query, seen(network, clip)), Batch(query, clip, seen=seen(network, clip))


@pytest.mark.parametrize(
    ("preset", "size", "decoder", "of_frame"),
    [
        ("0.35M", (640, 1280), 281_470, 430),
        ("0.75M", (640, 1280), 733_867, 430),
        ("1.5M", (640, 1280), 1_395_026, 1330),
        ("3M", (640, 1280), 2_340_605, 4930),
        ("3M_2d", (640, 1280), 3_849_545, 4930),
        ("4.5M", (640, 1280), 3_869_022, 4930),
        ("6M", (640, 1280), 5_300_598, 4930),
        ("3M_480", (480, 960), 2_722_054, 1330),
        ("3M_960", (960, 1920), 2_095_639, 4930),
    ],
)
def test_published_sizes_have_the_published_numbers(preset, size, decoder, of_frame):
    with torch.device("meta"):
        layout = build(SnervTConfig(**SnervTConfig.presets[preset]), size, 1).layout()
    assert sum(math.prod(shape) for shapes in (layout.weights, layout.session) for shape in shapes.values()) == decoder
    assert sum(math.prod(shape) for shape in layout.frame.values()) == of_frame


@pytest.mark.parametrize(
    ("size", "strides", "motion"),
    [((32, 48), (2, 2, 2, 1), (4, 2)), ((24, 40), (2, 1, 2), (4,)), ((48, 24), (3, 2, 2), (2, 3, 2))],
)
@pytest.mark.parametrize("convolution", ["3d", "2d"])
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_videos_of_any_length_and_sizes_that_the_strides_divide_are_encoded_and_decoded(
    size, strides, motion, convolution, frames
):
    config = replace(SMALL, strides=strides, motion_strides=motion, convolution=convolution)
    output, _ = asked(drawn(config, size), torch.rand(frames, 3, *size))
    assert output.frames.shape == (frames, 3, *size)
    assert output.frames.is_contiguous()


def test_a_size_that_does_not_fit_names_those_that_do():
    with pytest.raises(
        ConfigError, match=r"stream.size must be multiples of 16, twice the product of backbone.strides"
    ):
        build(SMALL, (40, 48), 1)
    wide = replace(SMALL, motion_strides=(8, 4))
    with pytest.raises(ConfigError, match=r"must be multiples of 64, twice the product of backbone.motion_strides"):
        build(wide, SIZE, 1)
    assert (SMALL.unit, wide.unit) == (16, 64)


def test_strides_of_motion_that_the_last_blocks_cannot_reach_are_refused():
    with pytest.raises(
        ConfigError, match=r"motion_strides must have a product that is a multiple of 4, .* got \[3, 2\]"
    ):
        replace(SMALL, motion_strides=(3, 2))


def test_the_ends_of_a_video_have_their_only_neighbour_twice():
    assert drawn().frames_seen(torch.arange(4), 4).tolist() == [[1, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 2]]
    assert drawn().frames_seen(torch.arange(2), 2).tolist() == [[1, 0, 1], [0, 1, 0]]
    assert drawn().frames_seen(torch.arange(1), 1).tolist() == [[0, 0, 0]]


def test_encoders_of_motion_see_half_the_low_half_of_a_wavelet_in_time():
    network, clip = drawn(), torch.rand(3, 3, *SIZE)
    network.encoder = network.encoder_before = network.encoder_after = nn.Identity()
    codes = network.encode(Query.of_video(0, range(1, 2), 3), clip[None])
    low, _ = haar(clip)
    least, largest = low.min(), low.max()
    before, now, after = (low - least) / (largest - least)
    assert codes["bounds"].tolist() == [[float(least), float(largest)]]
    torch.testing.assert_close(codes["code"][0], now)
    torch.testing.assert_close(codes["before"][0], (now + before) / math.sqrt(2) / 2)
    torch.testing.assert_close(codes["after"][0], (now + after) / math.sqrt(2) / 2)


def test_every_number_is_trained_by_the_frame_and_the_bands():
    network = drawn()
    output, batch = asked(network, torch.rand(2, 3, *SIZE))
    (output.frames.square().mean() + network.loss_terms(output, batch)).backward()
    still = [name for name, parameter in network.named_parameters() if not bool(parameter.grad.abs().sum())]
    assert still == []


@pytest.mark.parametrize(("bounds", "is_zero"), [("stored", True), ("own", False)])
def test_a_perfect_frame_has_no_loss_but_where_the_loss_has_bounds_of_its_own(bounds, is_zero):
    network = drawn(replace(SMALL, loss_bounds=bounds))
    clip = torch.rand(3, 3, *SIZE) * torch.tensor([0.5, 0.2, 1.0]).view(3, 1, 1, 1)
    low, details = haar(clip)
    stored = network.encode(Query.of_video(0, range(3), 3), seen(network, clip))["bounds"]
    least, largest = stored[:, :, None, None, None].unbind(1)
    bands = {"low": (low - least) / (largest - least), "details": details.transpose(1, 2), "bounds": stored}
    loss = float(network.loss_terms(Output(clip, bands), Batch(Query.of_video(0, range(3), 3), clip)))
    assert (loss < 1e-5) is is_zero


def test_sessions_mixed_in_a_batch_are_decoded_as_they_are_apart():
    network = drawn(sessions=3)
    query = Query(torch.tensor([2, 0, 1]), torch.zeros(3), torch.ones(3))
    frames = torch.rand(3, 3, 3, *SIZE)
    with torch.no_grad():
        mixed = network.ask(query, frames).frames
        for row in range(3):
            alone = Query(query.session[row : row + 1], query.t[:1], query.frames[:1])
            torch.testing.assert_close(mixed[row], network.ask(alone, frames[row : row + 1]).frames[0])


def test_the_frame_depends_on_the_motion_on_both_sides():
    network, query = drawn(), Query.of_video(0, range(1), 3)
    frame = {name: torch.rand(1, *shape) for name, shape in network.frame_tensors.items()}
    session = {name: tensor[None] for name, tensor in network.session_dicts()[0].items()}
    with torch.no_grad():
        plain = network.answer(query, session, frame).frames
        for side in ("before", "after"):
            assert not torch.equal(network.answer(query, session, {**frame, side: frame[side] + 1}).frames, plain)


def test_decoding_needs_the_stored_numbers_and_no_encoder():
    network, clip = drawn(), torch.rand(3, 3, *SIZE)
    query = Query.of_video(0, range(3), 3)
    with torch.no_grad():
        expected, codes = network.ask(query, seen(network, clip)).frames, network.encoded(query, seen(network, clip))
    ledger = Ledger(network.layout(), "per_session")
    ledger.seal(**network.learned(0, {}), frame=codes)
    renderer = Renderer(network)
    renderer.load(ledger.subnetwork(0))
    assert not any(name.startswith("encoder") for name, _ in network.named_modules())
    assert torch.equal(torch.cat(list(renderer.frames(0, 3))), expected.clamp(0, 1))


@pytest.mark.parametrize("block", [1, 2, 3, 4])
@pytest.mark.parametrize("path", ["sum", "only"])
def test_any_block_may_have_the_operator(block, path):
    network = drawn(replace(SMALL, operator_block=block, operator_path=path), (64, 96))
    output, _ = asked(network, torch.rand(2, 3, 64, 96))
    output.frames.square().sum().backward()
    operator = [*network.blocks, *network.temporal_blocks][block - 1].scale_up.operator
    assert all(bool(parameter.grad.abs().sum()) for parameter in operator.parameters())


@pytest.mark.parametrize(("motion", "ups"), [((4, 1), []), ((4, 2), [2]), ((4, 2, 3), [3, 2]), ((4, 4), [2, 2])])
def test_motion_is_scaled_up_by_prime_factors_to_the_map_that_it_is_mixed_with(motion, ups):
    network = build(replace(SMALL, motion_strides=motion), (96, 96), 1)
    assert [layer.stride[0] for layer in network.motion_up] == ups


@pytest.mark.parametrize("numbers", ["0.1M", "0.35M", "3M"])
def test_a_size_is_met(numbers):
    config = SnervTConfig(strides=(5, 2, 2, 1), motion_strides=(4, 2), residual_blocks=2, size=numbers)
    matched = match_numbers(config, 16, lambda candidate: build(candidate, (80, 160), 1))
    assert matched.stem_extra < matched.channels


def test_the_largest_activation_is_within_the_last_block():
    assert build(SMALL, SIZE, 1).largest_activation == 3 * 2 * 4 * 16 * 24


@pytest.mark.parametrize("block", [0, 1, 2, 3, 4])
def test_layers_may_compute_in_bfloat16_beside_an_operator_in_float32(block):
    network = drawn(replace(SMALL, operator_block=block), (64, 96))
    with torch.autocast("cpu", torch.bfloat16):
        output, batch = asked(network, torch.rand(2, 3, 64, 96))
        loss = output.frames.float().square().mean() + network.loss_terms(output.float(), batch)
    loss.backward()
    assert bool(torch.isfinite(loss))
