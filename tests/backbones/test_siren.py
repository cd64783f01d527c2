import pytest
import torch

from vcl.backbones import build, pixels
from vcl.backbones.size_matching import numbers_of
from vcl.config.backbones import SirenConfig
from vcl.errors import ConfigError
from vcl.layers.masked import WeightRule
from vcl.query import Query
from vcl.render import Renderer
from vcl.subnet.ledger import Subnetwork

SMALL = SirenConfig(width=16, hidden_layers=2)
SIZE = (12, 20)


def made(config=SMALL, size=SIZE, sessions=1, capacity=None):
    network = build(config, size, sessions, WeightRule(capacity))
    network.reset_parameters(0)
    for _ in range(sessions):
        network.add_session(0)
    return network


def of_points(points, frames=3, size=None):
    """A query of the same pixels of each of some frames."""
    t = torch.arange(frames, dtype=torch.float64)
    points = torch.as_tensor(points, dtype=torch.float64)
    return Query(torch.zeros(frames), t, torch.full((frames,), float(frames)), None, size, points.expand(frames, -1, 2))


def every_pixel(size):
    return torch.cartesian_prod(torch.arange(size[0]), torch.arange(size[1]))


def test_the_network_of_the_paper_s_video_has_the_golden_number_of_parameters():
    with torch.device("meta"):
        network = build(SirenConfig(), (512, 512), 1)
    weights, own, of_frame = numbers_of(network)
    assert (weights + own, of_frame) == (3_155_971, 0)


@pytest.mark.parametrize("capacity", [None, 0.3])
def test_waves_keep_their_variance_through_depth_at_initialisation(capacity):
    network = made(SirenConfig(width=256, hidden_layers=6), capacity=capacity)
    variances = []
    for layer in network.layers:
        layer.register_forward_hook(lambda layer, inputs, waves: variances.append(float(waves.var())))
    with torch.no_grad():
        network.ask(of_points(every_pixel(SIZE)))
    assert len(variances) == 7
    assert all(0.35 < variance < 0.65 for variance in variances)  # That of a sine of an angle that is anywhere is 1/2.


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 3), (16, 24)])
@pytest.mark.parametrize("length", [1, 2, 5])
def test_frames_of_every_size_and_videos_of_every_length_are_made(height, width, length):
    network = made(size=(height, width))
    frames = network.ask(Query.of_video(0, range(length), length)).frames
    assert frames.shape == (length, 3, height, width)
    assert bool(frames.isfinite().all())


def test_every_parameter_gets_a_gradient_and_each_session_s_tensors_from_its_own_frames():
    network = made(sessions=2, capacity=0.5)
    network.ask(
        Query(torch.tensor([0, 0]), torch.tensor([0, 1]), torch.tensor([2, 2]))
    ).frames.square().sum().backward()
    own = [dict(tensors) for tensors in network.session_dicts()]
    of_other = {id(tensor) for tensor in own[1].values()}
    assert all(bool(p.grad.abs().sum() > 0) for p in network.parameters() if id(p) not in of_other)
    assert all(tensor.grad is None or not tensor.grad.any() for tensor in own[1].values())


@torch.no_grad()
def test_a_whole_frame_agrees_with_single_points():
    network = made()
    points = network.ask(of_points(every_pixel(SIZE))).frames
    whole = network.ask(Query.of_video(0, range(3), 3)).frames
    torch.testing.assert_close(whole.flatten(2), points)


@torch.no_grad()
@pytest.mark.parametrize("window", [(2, 5, 4, 9), (11, 19, 1, 1), (0, 0, 12, 20)])
def test_a_window_is_that_part_of_the_whole_frame(window):
    network = made()
    top, left, height, width = window
    part = network.ask(Query.of_video(0, range(3), 3, window=window)).frames
    whole = network.ask(Query.of_video(0, range(3), 3)).frames
    torch.testing.assert_close(part, whole[:, :, top : top + height, left : left + width])


@torch.no_grad()
def test_frames_of_another_size_show_the_same_picture():
    network = made()
    own, odd = (network.ask(Query.of_video(0, range(2), 2, size=size)).frames for size in (SIZE, (36, 60)))
    assert odd.shape == (2, 3, 36, 60)
    # The middle one of three pixels lies where the one does that it is a third of.
    torch.testing.assert_close(odd[:, :, 1::3, 1::3], own)


@torch.no_grad()
def test_a_window_is_of_the_frame_of_the_size_that_is_asked_for():
    network = made()
    whole = network.ask(Query.of_video(0, range(2), 2, size=(24, 40))).frames
    part = network.ask(Query.of_video(0, range(2), 2, size=(24, 40), window=(20, 30, 4, 10))).frames
    torch.testing.assert_close(part, whole[:, :, 20:, 30:])


@torch.no_grad()
def test_a_large_frame_is_decoded_in_pieces_of_bounded_memory(monkeypatch):
    network, seen = made(size=(16, 24)), []
    whole = network.ask(Query.of_video(0, range(2), 2)).frames
    monkeypatch.setattr(pixels, "PIECE", 60)
    network.layers[0].register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0].shape[1]))
    in_pieces = network.ask(Query.of_video(0, range(2), 2)).frames
    assert seen == [48] * 8
    torch.testing.assert_close(in_pieces, whole)


@pytest.mark.parametrize(
    ("size", "largest"), [((16, 24), 16 * 24 * 8), ((300, 400), 3 * 300 * 400), ((40, 20_000), 3 * 40 * 20_000)]
)
def test_the_largest_activation_is_that_of_a_piece_or_the_frame(size, largest):
    assert made(SirenConfig(width=8), size).largest_activation == largest
    wide = made(SirenConfig(width=200), (300, 400)).largest_activation
    assert wide == 200 * pixels.PIECE


@torch.no_grad()
def test_neighbouring_columns_of_a_wide_frame_are_told_apart_in_bfloat16():
    network = made(size=(1, 1280))
    with torch.autocast("cpu", torch.bfloat16):
        waves = network.layers[0](torch.tensor([[[0.0, 0.0, 1279 / 1280]], [[0.0, 0.0, 1277 / 1280]]]))
    assert bool((waves[0] != waves[1]).all())


@torch.no_grad()
def test_time_between_two_frames_is_decoded_too():
    network = made()
    moments = torch.tensor([0.0, 0.5, 1.0])
    frames = network.ask(Query.of_video(0, moments, 2)).frames
    torch.testing.assert_close(frames[[0, 2]], network.ask(Query.of_video(0, range(2), 2)).frames)
    assert not torch.allclose(frames[1], frames[0])


def test_knobs_out_of_range_are_refused():
    for knobs, named in (
        ({"width": 0}, r"backbone.width must be 1 or more, got 0"),
        ({"hidden_layers": -1}, r"backbone.hidden_layers must be 0 or more, got -1"),
        ({"omega": 0.0}, r"backbone.omega must be greater than 0, got 0"),
        ({"points": 0}, r"backbone.points must be 1 or more, got 0"),
    ):
        with pytest.raises(ConfigError, match=named):
            SirenConfig(**knobs)


def test_colours_beyond_the_range_are_cut_where_a_video_is_decoded():
    network = made()
    bias = network.session_dicts()[0]["head_bias"]
    bias.data += torch.tensor([9.0, 0.0, -9.0])
    renderer = Renderer(build(SMALL, SIZE, 1))
    learned = network.learned(0)
    renderer.load(Subnetwork(learned["values"], learned["session"], {}))
    (frames,) = renderer.frames(0, 2)
    assert (float(frames[:, 0].min()), float(frames[:, 2].max())) == (1, 0)
    assert 0 < float(frames[:, 1].min()) < float(frames[:, 1].max()) < 1


def test_frames_without_pixels_and_several_windows_at_once_are_refused():
    network = made()
    with pytest.raises(ConfigError, match=r"Siren makes frames of 1 px or more a side, got \(0, 5\)"):
        network.ask(Query.of_video(0, range(2), 2, size=(0, 5)))
    windows = torch.tensor([[0.0, 0, 4, 4], [2, 2, 4, 4]], dtype=torch.float64)
    query = Query(torch.zeros(2), torch.arange(2.0), torch.full((2,), 2.0), window=windows)
    with pytest.raises(ConfigError, match="Siren makes one window of all frames of a query, got several"):
        network.ask(query)
