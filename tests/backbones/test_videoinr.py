import pytest
import torch

from vcl.backbones import build
from vcl.backbones.size_matching import numbers_of
from vcl.config.backbones import VideoInrConfig
from vcl.errors import ConfigError
from vcl.layers.masked import WeightRule
from vcl.query import Batch, Query

SMALL = VideoInrConfig(strides=(2, 2), code_channels=3, encoder_width=4, width=8)
SIZE = (12, 20)


def made(size=SIZE, sessions=1, capacity=None):
    network = build(SMALL, size, sessions, WeightRule(capacity))
    network.reset_parameters(0)
    for _ in range(sessions):
        network.add_session(0)
    return network


def seen(network, count):
    """Frames of a video with those after them, ``(count, 2, 3, H, W)``."""
    frames = torch.rand(count, 3, *network.size, generator=torch.Generator().manual_seed(0))
    return frames[network.frames_seen(torch.arange(count), count)]


@torch.no_grad()
def stored(count=3):
    """A network that holds a video's maps and has no encoder."""
    network = made()
    network.load_frames({0: network.encode(Query.of_video(0, range(count), count), seen(network, count))})
    del network.encoder, network.joined
    return network.eval()


def test_numbers_are_those_of_its_layers_and_of_a_map_of_each_frame():
    with torch.device("meta"):
        network = build(VideoInrConfig(), (640, 1280), 1)
    weights, own, of_frame = numbers_of(network)
    assert weights == (9 * 16 + 2) * 192 + 193 * 192 + 192 * 4 + 193 * 192 + 192**2
    assert own == 4 * 192 + 4 + 3 * 192 + 3
    assert of_frame == 16 * 16 * 32


@pytest.mark.parametrize(("height", "width"), [(4, 4), (8, 12), (16, 24)])
@pytest.mark.parametrize("length", [1, 2, 5])
def test_frames_of_several_sizes_and_videos_of_every_length_are_made(height, width, length):
    network = made((height, width))
    with torch.no_grad():
        frames = network.ask(Query.of_video(0, range(length), length), seen(network, length)).frames
    assert frames.shape == (length, 3, height, width)
    assert bool(frames.isfinite().all())


def test_every_parameter_gets_a_gradient_the_encoder_s_too():
    network = made(sessions=2, capacity=0.5)
    query = Query(torch.tensor([0, 1]), torch.tensor([0.5, 0.5]), torch.tensor([2, 2]))
    network.ask(query, seen(network, 2)).frames.square().sum().backward()
    assert all(bool(parameter.grad.abs().sum() > 0) for parameter in network.parameters())


def test_frame_sizes_that_the_strides_cannot_reach_are_refused():
    with pytest.raises(ConfigError, match=r"stream.size must be multiples of 4, .* got \[18, 24\]"):
        build(SMALL, (18, 24), 1)


def test_a_map_is_made_of_a_frame_and_the_next():
    assert made().frames_seen(torch.tensor([0, 1, 2]), 3).tolist() == [[0, 1], [1, 2], [2, 2]]


@torch.no_grad()
def test_moments_between_two_frames_are_decoded_from_what_is_stored():
    network = stored()
    t = torch.tensor([0.0, 0.25, 0.5, 0.999, 1.0, 1.5, 2.0])
    frames = network.ask(Query.of_video(0, t, 3)).frames
    torch.testing.assert_close(frames[[0, 4, 6]], network.ask(Query.of_video(0, range(3), 3)).frames)
    apart = (frames[1:] - frames[:-1]).abs().mean((1, 2, 3))
    assert bool((apart > 1e-5).all())
    close = network.ask(Query.of_video(0, torch.tensor([0.5, 0.501]), 3)).frames
    assert float((close[0] - close[1]).abs().max()) < 0.02


@torch.no_grad()
def test_moments_are_decoded_at_other_sizes_and_in_windows_too():
    network, t = stored(), torch.tensor([0.3, 1.7])
    own, larger, part = (
        network.ask(query).frames
        for query in (
            Query.of_video(0, t, 3),
            Query.of_video(0, t, 3, size=(36, 60)),
            Query.of_video(0, t, 3, window=(2, 5, 4, 9)),
        )
    )
    torch.testing.assert_close(larger[:, :, 1::3, 1::3], own, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(part, own[:, :, 2:6, 5:14])


def of_points(network, points):
    t = torch.arange(2.0)
    query = Query(torch.zeros(2), t, torch.full((2,), 2.0), points=points)
    frames = seen(network, 2)
    return network.ask(query, frames), Batch(query, torch.zeros(2, 3, points.shape[1]), seen=frames)


def test_training_asks_for_the_next_frame_too():
    network = made()
    points = torch.tensor([[[0, 0], [5, 7]], [[11, 19], [3, 4]]]).double()
    output, batch = of_points(network, points)
    after = batch.seen[:, 1]
    truth = torch.stack((after[0, :, [0, 5], [0, 7]], after[1, :, [11, 3], [19, 4]]))
    batch.target.fill_(0.5)
    expected = sum((output.extras[name] - truth).abs().mean() for name in ("next", "next_by_this"))
    expected = expected + (output.extras["by_next"] - 0.5).abs().mean()
    torch.testing.assert_close(network.loss_terms(output, batch), expected)


def test_the_ways_are_learnt_at_the_frames_themselves():
    network = made()
    output, batch = of_points(network, torch.tensor([[[0, 0], [5, 7]], [[11, 19], [3, 4]]]).double())
    output.frames.sum().backward(retain_graph=True)
    assert network.weights()["ways.weight"].value.grad is None
    network.loss_terms(output, batch).backward()
    assert bool(network.weights()["ways.weight"].value.grad.any(1).all())


@torch.no_grad()
def test_decoding_does_not():
    network = made().eval()
    output, batch = of_points(network, torch.zeros(2, 1, 2, dtype=torch.float64))
    assert not output.extras
    assert network.loss_terms(output, batch) is None


def test_knobs_out_of_range_are_refused():
    with pytest.raises(ConfigError, match=r"backbone.omega must be greater than 0, got 0"):
        VideoInrConfig(omega=0.0)
