"""HNeRV: what its encoder gives is stored, and the encoder is not."""

import math

import pytest
import torch

from vcl.backbones import build
from vcl.config.backbones import HnervConfig
from vcl.errors import ConfigError
from vcl.query import Query
from vcl.render import Renderer
from vcl.subnet.ledger import Ledger, Subnetwork

SMALL = HnervConfig(channels=8, strides=(4, 2), lower_width=4, code_channels=3, encoder_width=4)


def numbers(network):
    layout = network.layout()
    return sum(math.prod(shape) for shapes in (layout.weights, layout.session) for shape in shapes.values())


@pytest.mark.parametrize(
    ("preset", "size", "decoder", "encoder"),
    [
        ("0.35M", (640, 1280), 312_830, 306_160),
        ("0.75M", (640, 1280), 719_256, 306_160),
        ("1.5M", (640, 1280), 1_488_276, 306_160),
        ("3M", (640, 1280), 3_012_686, 306_160),
        ("3M_480", (480, 960), 2_961_853, None),
        ("3M_960", (960, 1920), 2_937_939, 326_640),
    ],
)
def test_published_sizes_have_the_published_numbers(preset, size, decoder, encoder):
    with torch.device("meta"):
        network = build(HnervConfig(**HnervConfig.presets[preset]), size, 1)
    assert numbers(network) == decoder
    assert network.layout().frame == {"code": (16, 2, 4)}
    assert encoder in (None, sum(parameter.numel() for parameter in network.encoder.parameters()))


@pytest.mark.parametrize(("size", "strides"), [((16, 24), (4, 2)), ((32, 48), (2, 2, 2)), ((30, 20), (5, 2))])
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_frames_of_any_size_that_the_strides_divide_are_encoded_and_decoded(size, strides, frames):
    network = drawn(HnervConfig(channels=6, strides=strides, lower_width=4, encoder_width=4), size)
    query = Query.of_video(0, range(frames), frames)
    decoded = network.ask(query, torch.rand(frames, 3, *size)).frames.detach()
    assert decoded.shape == (frames, 3, *size)
    assert 0 <= float(decoded.min()) <= float(decoded.max()) <= 1


def test_a_size_that_does_not_fit_names_those_that_do():
    with pytest.raises(ConfigError, match=r"must be multiples of 8, .* got \[20, 24\]; \[16, 24\] would"):
        build(SMALL, (20, 24), 1)


def test_every_number_is_trained():
    network = drawn(SMALL, (16, 24))
    network.ask(Query.of_video(0, range(2), 2), torch.rand(2, 3, 16, 24)).frames.square().sum().backward()
    still = [name for name, parameter in network.named_parameters() if not bool(parameter.grad.abs().sum())]
    assert still == []


def test_kernels_grow_from_block_to_block_and_channels_shrink_to_their_least():
    blocks = drawn(HnervConfig(channels=20, strides=(2, 2, 2, 1), lower_width=14), (16, 16)).blocks
    assert [block.conv.kernel_size[0] for block in blocks] == [1, 3, 5, 5]
    assert [block.conv.out_channels // block.stride**2 for block in blocks] == [17, 14, 14, 14]


def test_the_encoder_begins_as_a_downscaling_whose_blocks_change_next_to_nothing():
    down, _, block, *_ = drawn(SMALL, (16, 24)).encoder.requires_grad_(False)
    x = torch.rand(1, 4, 4, 6)
    assert 0 < float((block(x) - x).abs().max()) < 1e-4
    assert float(down.weight.std()) == pytest.approx(0.02, rel=0.2)
    assert not bool(down.bias.any())


def test_decoding_needs_the_stored_numbers_and_no_encoder():
    network = drawn(SMALL, (16, 24))
    frames, query = torch.rand(3, 3, 16, 24), Query.of_video(0, range(3), 3)
    with torch.no_grad():
        expected, codes = network.ask(query, frames).frames, network.encoded(query, frames)
    ledger = Ledger(network.layout(), "per_session")
    ledger.seal(**network.learned(0, {}), frame=codes)
    renderer = Renderer(network)
    renderer.load(ledger.subnetwork(0))
    assert not hasattr(network, "encoder")
    assert torch.equal(torch.cat(list(renderer.frames(0, 3))), expected)


def drawn(config, size):
    network = build(config, size, 1)
    network.reset_parameters(0)
    network.add_session(0)
    return network


def test_a_moment_between_frames_is_refused_where_frames_have_numbers_of_their_own():
    renderer, learned = Renderer(build(SMALL, (16, 24), 1)), drawn(SMALL, (16, 24)).learned(0)
    renderer.load(Subnetwork(learned["values"], learned["session"], {"code": torch.zeros(3, 3, 2, 3)}))
    with pytest.raises(ConfigError, match=r"Hnerv decodes whole frames alone, got the moment 1.5"):
        next(renderer.frames(0, 3, only=[0, 1.5]))
