import pytest
import torch
from torch.nn import functional as F

from vcl.backbones import build
from vcl.backbones.size_matching import numbers_of
from vcl.config.backbones import LiifConfig
from vcl.errors import ConfigError
from vcl.layers.latents import around
from vcl.layers.masked import WeightRule
from vcl.query import Query
from vcl.sessions.experience import video_stream
from vcl.sessions.loader import ResidentFrames
from vcl.sessions.sampling import Sampler

SMALL = LiifConfig(strides=(2, 2), code_channels=3, encoder_width=4, width=8, layers=3)
SIZE = (12, 20)


def made(size=SIZE, sessions=1, capacity=None, config=SMALL):
    network = build(config, size, sessions, WeightRule(capacity))
    network.reset_parameters(0)
    for _ in range(sessions):
        network.add_session(0)
    return network


def pictures(count, size=SIZE):
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(0))


def test_numbers_are_those_of_a_three_by_three_neighbourhood_the_way_and_four_layers():
    with torch.device("meta"):
        network = build(LiifConfig(), (640, 1280), 1)
    weights, own, of_frame = numbers_of(network)
    assert weights == (9 * 16 + 2) * 256 + 3 * 256**2
    assert own == 4 * 256 + 3 * 256 + 3
    assert of_frame == 16 * 16 * 32


@pytest.mark.parametrize(("height", "width"), [(4, 4), (8, 12), (16, 24)])
@pytest.mark.parametrize("length", [1, 2, 5])
def test_frames_of_several_sizes_and_videos_of_every_length_are_made(height, width, length):
    with torch.no_grad():
        frames = made((height, width)).ask(Query.of_video(0, range(length), length), pictures(length, (height, width)))
    assert frames.frames.shape == (length, 3, height, width)
    assert 0 <= float(frames.frames.min()) <= float(frames.frames.max()) <= 1


def test_every_parameter_gets_a_gradient_the_encoder_s_too():
    network = made(sessions=2, capacity=0.5)
    query = Query(torch.tensor([0, 1]), torch.tensor([0, 1]), torch.tensor([2, 2]))
    network.ask(query, pictures(2)).frames.square().sum().backward()
    assert all(bool(parameter.grad.abs().sum() > 0) for parameter in network.parameters())


def test_frame_sizes_that_the_strides_cannot_reach_are_refused():
    with pytest.raises(ConfigError, match=r"stream.size must be multiples of 4, .* got \[18, 24\]"):
        build(SMALL, (18, 24), 1)


@torch.no_grad()
def test_frames_are_decoded_from_what_is_stored_without_the_encoder():
    network, frames = made(), pictures(3)
    query = Query.of_video(0, range(3), 3)
    code = network.encode(query, frames)
    encoded = network.ask(query, frames).frames
    del network.encoder
    network.load_frames({0: code})
    assert code["code"].shape == (3, 3, 3, 5)
    assert torch.equal(network.ask(query).frames, encoded)


@torch.no_grad()
def test_a_whole_frame_a_window_and_another_size_agree_with_single_points():
    network, frames = made(), pictures(2)
    whole, part, larger = (
        network.ask(query, frames).frames
        for query in (
            Query.of_video(0, range(2), 2),
            Query.of_video(0, range(2), 2, window=(2, 5, 4, 9)),
            Query.of_video(0, range(2), 2, size=(36, 60)),
        )
    )
    every = torch.cartesian_prod(torch.arange(12), torch.arange(20)).double().expand(2, -1, 2)
    query = Query(torch.zeros(2), torch.arange(2.0), torch.full((2,), 2.0), points=every)
    torch.testing.assert_close(network.ask(query, frames).frames, whole.flatten(2))
    torch.testing.assert_close(part, whole[:, :, 2:6, 5:14])
    torch.testing.assert_close(larger[:, :, 1::3, 1::3], whole, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_colours_do_not_jump_where_the_nearest_vector_changes():
    row = torch.stack((torch.zeros(2001), torch.zeros(2001), torch.linspace(-1, 1, 2001)), dim=1)[None]
    network = made((8, 8))
    code = network.encode(Query.of_video(0, range(1), 1), pictures(1, (8, 8)))
    own = {name: tensor[None] for name, tensor in network.session_dicts()[0].items()}
    network._own.load(own)
    colours = network.colours(row, own, code)
    assert float(colours.diff(dim=1).abs().max()) < 1e-2


@torch.no_grad()
def test_a_vector_with_its_neighbours_and_the_way_go_through_one_linear_layer():
    network = made()
    code = torch.randn(1, 3, 3, 5, generator=torch.Generator().manual_seed(2))
    network._own.load({name: torch.zeros(1, *t.shape) for name, t in network.session_tensors.items()})
    near = around(torch.rand(1, 7, 2) * 2 - 1, (3, 5))
    unfolded = F.unfold(code, 3, padding=1).mT[0][near.cell[0]]
    weight = torch.cat((network.near.weight.flatten(1), network.way.weight), dim=1)
    seen = []
    network.layers[0].register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    places = (torch.stack((near.cell // 5, near.cell % 5), dim=-1) + near.way + 0.5) / torch.tensor([3, 5]) * 2 - 1
    coordinates = torch.cat((torch.zeros(1, 7, 1), places[:, ::4]), dim=2)
    network.colours(coordinates, {"head": torch.zeros(1, 3, 8), "head_bias": torch.zeros(1, 3)}, {"code": code})
    torch.testing.assert_close(seen[0][0], F.relu(torch.cat((unfolded, near.way[0]), dim=1) @ weight.mT))


def test_it_encodes_whole_frames_and_trains_on_pixels(clips):
    network = made((32, 48))
    sampler = Sampler(network, lambda: torch.Generator().manual_seed(0))
    dataset = video_stream(clips[:1]).train_stream[0].dataset
    batches = ResidentFrames(dataset, clips[:1], 2, torch.arange, torch.device("cpu"), sampler=sampler)
    rows, target, seen = next(iter(batches))
    assert Query.of_tensor(rows).points.shape == (2, network.points, 2)
    assert target.shape == (2, 3, network.points)
    torch.testing.assert_close(seen, torch.from_numpy(clips[0].frames[:2]) / 255)


@pytest.mark.parametrize(
    ("knobs", "named"),
    [
        ({"strides": ()}, r"backbone.strides must hold one whole number from 1 up for each stage, got \[\]"),
        ({"code_channels": 0}, r"backbone.code_channels must be 1 or more, got 0"),
        ({"layers": 0}, r"backbone.layers must be 1 or more, got 0"),
    ],
)
def test_knobs_out_of_range_are_refused(knobs, named):
    with pytest.raises(ConfigError, match=named):
        LiifConfig(**knobs)
