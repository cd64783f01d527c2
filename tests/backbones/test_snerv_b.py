"""SNeRV-B: four wavelet bands of a frame, the low one within bounds that are stored with the frame."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from vcl.backbones import build
from vcl.backbones.size_matching import match_numbers
from vcl.config.backbones import SnervBConfig
from vcl.errors import ConfigError
from vcl.layers.wavelet import haar
from vcl.metrics.quality import mean_ssim
from vcl.query import Batch, Output, Query
from vcl.render import Renderer
from vcl.subnet.ledger import Ledger

SMALL = SnervBConfig(channels=8, strides=(2, 2, 2), lower_width=4, code_channels=3, encoder_width=4, residual_blocks=1)
SIZE = (32, 48)


def drawn(config=SMALL, size=SIZE):
    network = build(config, size, 1)
    network.reset_parameters(0)
    network.add_session(0)
    return network


def asked(network, frames, **changed):
    query = Query.of_video(0, range(len(frames)), len(frames))
    output = network.ask(query, frames)
    return replace(output, **changed), Batch(query, frames)


@pytest.mark.parametrize(
    ("preset", "size", "decoder"),
    [
        ("0.35M", (640, 1280), 353_432),
        ("0.75M", (640, 1280), 745_718),
        ("1.5M", (640, 1280), 1_568_189),
        ("3M", (640, 1280), 2_993_042),
        ("4.5M", (640, 1280), 4_555_819),
        ("6M", (640, 1280), 5_930_835),
        ("3M_480", (480, 960), 2_931_254),
        ("3M_960", (960, 1920), 2_941_069),
        ("S", (960, 1920), 2_673_809),
        ("M", (960, 1920), 4_239_775),
        ("L", (960, 1920), 6_636_943),
    ],
)
def test_published_sizes_have_the_published_numbers(preset, size, decoder):
    with torch.device("meta"):
        network = build(SnervBConfig(**SnervBConfig.presets[preset]), size, 1)
    layout = network.layout()
    assert sum(math.prod(shape) for shapes in (layout.weights, layout.session) for shape in shapes.values()) == decoder
    assert layout.frame == {"code": (16, 2, 4), "bounds": (2,)}


@pytest.mark.parametrize(
    ("size", "strides"), [((32, 48), (2, 2, 2)), ((24, 40), (2, 1, 2)), ((60, 24), (3, 2, 1)), ((32, 64), (2, 2, 2, 2))]
)
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_frames_of_any_size_that_twice_the_strides_divide_are_encoded_and_decoded(size, strides, frames):
    output, _ = asked(drawn(replace(SMALL, strides=strides), size), torch.rand(frames, 3, *size))
    assert output.frames.shape == (frames, 3, *size)
    assert output.frames.is_contiguous()


def test_a_size_that_does_not_fit_names_those_that_do():
    with pytest.raises(ConfigError, match=r"stream.size must be multiples of 16, twice the product of backbone.strid"):
        build(SMALL, (40, 48), 1)
    with pytest.raises(ConfigError, match=r"stream.size must be 22 or more, for the loss of the bands, got \[16, 32\]"):
        build(SMALL, (16, 32), 1)
    assert SMALL.unit == 16


def test_fewer_blocks_than_are_mixed_are_refused():
    with pytest.raises(ConfigError, match=r"backbone.strides must hold three numbers or more, .* got \[4, 2\]"):
        SnervBConfig(strides=(4, 2))


def test_every_number_is_trained_by_the_frame_and_the_bands():
    network = drawn()
    output, batch = asked(network, torch.rand(2, 3, *SIZE))
    (output.frames.square().mean() + network.loss_terms(output, batch)).backward()
    still = [name for name, parameter in network.named_parameters() if not bool(parameter.grad.abs().sum())]
    assert still == []


def test_bounds_are_those_of_each_frame_whatever_is_beside_it_in_a_batch():
    network = drawn()
    dark = torch.rand(1, 3, *SIZE) / 4
    both = network.encode(Query.of_video(0, range(2), 2), torch.cat((dark, torch.ones(1, 3, *SIZE))))
    alone = network.encode(Query.of_video(0, range(1), 2), dark)
    low, _ = haar(dark)
    assert both["bounds"].tolist() == [[float(low.min()), float(low.max())], [2, 2]]
    assert torch.equal(both["bounds"][0], alone["bounds"][0])
    torch.testing.assert_close(both["code"][0], alone["code"][0])


def test_the_low_band_lies_within_the_bounds_of_the_frame():
    network = drawn()
    bounds = torch.tensor([[0.5, 0.75], [1.0, 1.0]])
    session = {name: torch.stack([tensor] * 2) for name, tensor in network.session_dicts()[0].items()}
    frame = {"code": 50 * torch.randn(2, 3, 2, 3), "bounds": bounds}
    with torch.no_grad():
        frames = network.answer(Query.of_video(0, range(2), 2), session, frame).frames
    low, _ = haar(frames)
    assert 0.5 - 1e-4 <= float(low[0].min()) < float(low[0].max()) <= 0.75 + 1e-4
    torch.testing.assert_close(low[1], torch.ones_like(low[1]), rtol=0, atol=1e-4)


def test_frames_are_the_inverse_wavelet_of_the_bands():
    network = drawn()
    output, _ = asked(network, torch.rand(2, 3, *SIZE))
    low, details = haar(output.frames)
    least, largest = output.extras["bounds"][:, :, None, None, None].unbind(1)
    torch.testing.assert_close(low, least + (largest - least) * output.extras["low"])
    torch.testing.assert_close(details.transpose(1, 2), output.extras["details"])


def test_true_bands_have_no_loss_and_others_that_of_their_difference():
    network = drawn()
    frames = torch.rand(2, 3, *SIZE)
    output, batch = asked(network, frames)
    low, details = haar(frames)
    details = details.transpose(1, 2)
    least, largest = output.extras["bounds"][:, :, None, None, None].unbind(1)
    true = {"low": (low - least) / (largest - least), "details": details, "bounds": output.extras["bounds"]}
    assert float(network.loss_terms(Output(frames, true), batch)) == pytest.approx(0, abs=1e-5)
    shifted = Output(frames, {**true, "low": true["low"] + 0.1, "details": details / 2})
    bands = [(true["low"] + 0.1, true["low"]), ((details / 2).flatten(1, 2), details.flatten(1, 2))]
    by_hand = sum(0.7 * F.l1_loss(a, b) + 0.3 * (1 - mean_ssim(a, b)) for a, b in bands)
    torch.testing.assert_close(network.loss_terms(shifted, batch), by_hand)
    halved = drawn(replace(SMALL, band_loss=0.5))
    torch.testing.assert_close(halved.loss_terms(shifted, batch), by_hand / 2)


def test_frames_of_one_colour_are_no_division_by_zero():
    network = drawn()
    output, batch = asked(network, torch.full((1, 3, *SIZE), 0.3))
    loss = network.loss_terms(output, batch)
    loss.backward()
    assert bool(torch.isfinite(loss))
    assert all(bool(torch.isfinite(parameter.grad).all()) for parameter in network.parameters())


def test_each_detail_band_has_a_convolution_and_a_head_of_its_own():
    network = drawn()
    frames, width = torch.rand(1, 3, *SIZE), network.width
    before = asked(network, frames)[0].extras["details"].detach()
    with torch.no_grad():
        network.weights()["details.weight"].value[width : 2 * width].zero_()
        network.session_dicts()[0]["detail_biases"][2] += 1
    changed = (asked(network, frames)[0].extras["details"].detach() - before).abs().amax((0, 2, 3, 4))
    assert changed[0] == 0
    assert changed[1] > 0
    assert float(changed[2]) == pytest.approx(1, abs=1e-5)


def test_decoding_needs_the_stored_numbers_and_no_encoder():
    network = drawn()
    frames, query = torch.rand(3, 3, *SIZE), Query.of_video(0, range(3), 3)
    with torch.no_grad():
        expected, codes = network.ask(query, frames).frames, network.encode(query, frames)
    ledger = Ledger(network.layout(), "per_session")
    ledger.seal(**network.learned(0, {}), frame={name: code.contiguous() for name, code in codes.items()})
    renderer = Renderer(network)
    renderer.load(ledger.subnetwork(0))
    assert not hasattr(network, "encoder")
    assert torch.equal(torch.cat(list(renderer.frames(0, 3))), expected.clamp(0, 1))


@pytest.mark.parametrize("block", [1, 2, 3])
@pytest.mark.parametrize("path", ["sum", "only"])
def test_any_block_may_have_the_operator(block, path):
    network = drawn(replace(SMALL, operator_block=block, operator_path=path), (64, 96))
    output, _ = asked(network, torch.rand(2, 3, 64, 96))
    output.frames.square().sum().backward()
    operator = network.blocks[block - 1].operator
    assert all(bool(parameter.grad.abs().sum()) for parameter in operator.parameters())


@pytest.mark.parametrize("numbers", ["0.1M", "0.35M", "3M"])
@pytest.mark.parametrize("blocks", [2, 6])
def test_a_size_is_met_by_channels_of_the_stem_however_many_residual_blocks_there_are(numbers, blocks):
    config = SnervBConfig(strides=(5, 2, 2), residual_blocks=blocks, size=numbers)
    matched = match_numbers(config, 16, lambda candidate: build(candidate, (80, 160), 1))
    assert matched.stem_extra < matched.channels


def test_the_largest_activation_is_that_of_the_details_where_these_are_wide():
    network = build(replace(SMALL, lower_width=20), SIZE, 1)
    assert network.largest_activation == 60 * 16 * 24


@pytest.mark.parametrize("block", [0, 1, 2, 3])
def test_layers_may_compute_in_bfloat16_beside_an_operator_in_float32(block):
    network = drawn(replace(SMALL, operator_block=block), (64, 96))
    with torch.autocast("cpu", torch.bfloat16):
        output, batch = asked(network, torch.rand(2, 3, 64, 96))
        loss = output.frames.float().square().mean() + network.loss_terms(output.float(), batch)
    loss.backward()
    assert bool(torch.isfinite(loss))
