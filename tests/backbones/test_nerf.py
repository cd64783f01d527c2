import pytest
import torch

from vcl.backbones import build
from vcl.backbones.size_matching import numbers_of
from vcl.config.backbones import NerfConfig
from vcl.errors import ConfigError
from vcl.layers.masked import WeightRule
from vcl.query import Query

SMALL = NerfConfig(octaves=4, width=16, layers=2)
SIZE = (12, 20)


def made(size=SIZE, sessions=1, capacity=None):
    network = build(SMALL, size, sessions, WeightRule(capacity))
    network.reset_parameters(0)
    for _ in range(sessions):
        network.add_session(0)
    return network


def test_parameters_are_those_of_60_features_and_of_eight_layers_of_256():
    with torch.device("meta"):
        network = build(NerfConfig(), (720, 1280), 1)
    weights, own, of_frame = numbers_of(network)
    assert weights == 60 * 256 + 7 * 256**2
    assert own == 8 * 256 + 3 * 256 + 3
    assert of_frame == 0


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 3), (16, 24)])
@pytest.mark.parametrize("length", [1, 2, 5])
def test_frames_of_every_size_and_videos_of_every_length_are_made(height, width, length):
    with torch.no_grad():
        frames = made(size=(height, width)).ask(Query.of_video(0, range(length), length)).frames
    assert frames.shape == (length, 3, height, width)
    assert 0 <= float(frames.min()) <= float(frames.max()) <= 1


def test_every_parameter_gets_a_gradient():
    network = made(sessions=2, capacity=0.5)
    network.ask(
        Query(torch.tensor([0, 1]), torch.tensor([0, 1]), torch.tensor([2, 2]))
    ).frames.square().sum().backward()
    assert all(bool(parameter.grad.abs().sum() > 0) for parameter in network.parameters())


@torch.no_grad()
def test_a_whole_frame_a_window_and_another_size_agree_with_single_points():
    network, window = made(), (2, 5, 4, 9)
    whole, part, larger = (
        network.ask(query).frames
        for query in (
            Query.of_video(0, range(2), 2),
            Query.of_video(0, range(2), 2, window=window),
            Query.of_video(0, range(2), 2, size=(36, 60)),
        )
    )
    every = torch.cartesian_prod(torch.arange(12), torch.arange(20)).double().expand(2, -1, 2)
    points = network.ask(Query(torch.zeros(2), torch.arange(2.0), torch.full((2,), 2.0), points=every)).frames
    torch.testing.assert_close(whole.flatten(2), points)
    torch.testing.assert_close(part, whole[:, :, 2:6, 5:14])
    torch.testing.assert_close(larger[:, :, 1::3, 1::3], whole, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("knobs", "named"),
    [
        ({"octaves": 0}, r"backbone.octaves must be 1 or more, got 0"),
        ({"octaves": 65}, r"backbone.octaves must be at most 64, got 65"),
        ({"layers": 0}, r"backbone.layers must be 1 or more, got 0"),
    ],
)
def test_knobs_out_of_range_are_refused(knobs, named):
    with pytest.raises(ConfigError, match=named):
        NerfConfig(**knobs)
