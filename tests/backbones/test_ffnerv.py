"""FFNeRV: its maps over time, what flows make of its neighbours, and what the published network has."""

import math
from dataclasses import replace

import pytest
import torch
from small_backbones import SMALL
from torch.nn import functional as F

from vcl import config as configs
from vcl.backbones import build, resolved
from vcl.backbones.size_matching import numbers_of
from vcl.config import from_dict
from vcl.config.backbones import FfnervConfig
from vcl.errors import ConfigError
from vcl.layers.time_grid import TimeGrid, TimeGrids
from vcl.metrics.quality import mean_ssim
from vcl.query import Batch, Output, Query

SIZE = (32, 48)


def small(**knobs):
    return from_dict({"backbone": {"name": "ffnerv", **SMALL["ffnerv"], **knobs}}).backbone


def ready(size=SIZE, sessions=1, **knobs):
    network = build(small(**knobs), size, sessions)
    network.reset_parameters(0)
    for _ in range(sessions):
        network.add_session(0)
    return network


def made(network, *ts, length=5):
    with torch.no_grad():
        return network.ask(Query.of_video(0, torch.tensor(ts), length))


def meta(config, size):
    with torch.device("meta"):
        return build(config, size, 1)


def test_the_published_network_has_the_golden_numbers():
    network = meta(from_dict({"backbone": {"name": "ffnerv", "preset": "bunny"}}).backbone, (720, 1280))
    grids = sum(math.prod(shape) for name, shape in network.shapes().items() if name.startswith("grids."))
    assert grids == 5_391_360
    blocks = 156 * 25 * (9 * 156 + 1) + 96 * 4 * (9 * 156 + 1) + 3 * 96 * 4 * (9 * 96 + 1)
    assert sum(numbers_of(network)) == grids + blocks + 12 * (96 + 1) + 5 * (96 + 1) == 12_408_509


def test_the_grids_of_the_compressed_one_have_the_golden_number_too():
    grids = TimeGrids([300, 600], 48, (9, 16))
    assert sum(parameter.numel() for parameter in grids.parameters()) == 3_110_400


@pytest.mark.parametrize(
    ("size", "strides", "block"),
    [((16, 24), [2, 2], 1), ((20, 30), [5, 2], 2), ((32, 48), [1, 8], 1), ((16, 16), [16], 1)],
)
@pytest.mark.parametrize("length", [1, 2, 5])
def test_frames_have_the_asked_size_and_lie_in_the_unit_range(size, strides, block, length):
    frames = made(ready(size, strides=strides, flow_block=block), *range(length), length=length).frames
    assert frames.shape == (length, 3, *size)
    assert 0 <= float(frames.min()) < float(frames.max()) <= 1


@pytest.mark.parametrize("operator", [0, 1, 2])
def test_every_number_is_trained(operator):
    network = ready((64, 96), sessions=2, operator_block=operator)
    query = Query.of_tensor(torch.tensor([[0.0, 1.0, 4.0], [1.0, 2.0, 5.0]]))
    network.ask(query).frames.square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_map_is_that_of_its_moment_and_between_two_moments_the_mean_by_distance():
    grid = TimeGrid(5, 2, (3, 4))
    position = torch.tensor([[0.0, 0.25, 1.0], [0.3, 0.5, 0.9]], dtype=torch.float64)
    maps, weight = grid(position), grid.weight
    by_hand = [
        [weight[0], weight[1], weight[4]],
        [0.8 * weight[1] + 0.2 * weight[2], weight[2], 0.4 * weight[3] + 0.6 * weight[4]],
    ]
    torch.testing.assert_close(maps, torch.stack([torch.stack(row) for row in by_hand]))


def test_grids_share_the_channels_and_the_first_have_what_is_left():
    grids = TimeGrids([2, 3, 4], 8, (3, 4))
    assert [tuple(parameter.shape) for parameter in grids.parameters()] == [(2, 3, 3, 4), (3, 3, 3, 4), (4, 2, 3, 4)]
    maps = grids(torch.ones(1, dtype=torch.float64))
    assert torch.equal(maps[0], torch.cat([parameter[-1] for parameter in grids.parameters()]))


def test_scores_of_a_grid_rank_channels_and_moments_as_those_of_a_layer_do():
    weight = ready().weights()["grids.grids.0.weight"]
    assert weight.channels == (1, 0)
    assert 0.5 < float(weight.value.detach().abs().max()) <= math.sqrt(6 / 2)


def still(network, *weights, blending=(-30.0, 30.0)):
    """Have flows of nothing, such weights of neighbours, and a blend of the aggregated frame alone."""
    own = network.session_dicts()[0]
    with torch.no_grad():
        network.weights()["motion.weight"].value.zero_()
        own["motion_bias"].copy_(torch.tensor([number for weight in weights for number in (0.0, 0.0, weight)]))
        own["head"][3:].zero_()
        own["head_bias"][3:].copy_(torch.tensor(blending))


def test_neighbours_are_averaged_by_softmax_and_those_beyond_the_ends_are_left_out():
    network = ready()
    still(network, 0.0, 1.0, 2.0, -1.0)
    independent = made(network, *range(5)).extras["independent"]
    for t in range(5):
        at = [
            (t + offset, math.exp(weight))
            for offset, weight in ((-2, 0), (-1, 1), (1, 2), (2, -1))
            if 0 <= t + offset < 5
        ]
        mean = sum(share * independent[n] for n, share in at) / sum(share for _, share in at)
        output = made(network, t)
        torch.testing.assert_close(output.extras["aggregated"][0], mean)
        torch.testing.assert_close(output.frames[0], mean)


def test_flows_are_in_pixels_of_the_map_that_they_are_made_of():
    network = ready(strides=[4, 4], flow_block=1, neighbours=[1])
    still(network, 0.0)
    before = made(network, 1).extras["independent"][0]
    network.session_dicts()[0]["motion_bias"].data[0] = 0.5
    aggregated = made(network, 0).extras["aggregated"][0]
    torch.testing.assert_close(aggregated[:, :-2], before[:, 2:])


def test_the_blend_of_both_parts_is_the_softmax_of_the_last_two_of_the_head():
    network = ready()
    still(network, 0.0, 0.0, 0.0, 0.0, blending=(0.0, math.log(3)))
    output = made(network, 2)
    by_hand = 0.25 * output.extras["independent"] + 0.75 * output.extras["aggregated"]
    torch.testing.assert_close(output.frames, by_hand)


def test_the_only_frame_of_a_video_is_its_independent_one():
    output = made(ready(), 0, length=1)
    assert torch.equal(output.frames, output.extras["independent"])
    assert not torch.equal(made(ready(), 0, length=2).frames, output.frames)


def test_a_frame_between_two_has_the_neighbours_that_lie_within_the_video():
    network = ready()
    still(network, 0.0, 0.0, 0.0, 0.0)
    independent = made(network, 0.5, 2.5, 3.5).extras["independent"]
    torch.testing.assert_close(made(network, 1.5).frames[0], independent.mean(0))


def test_neighbours_get_no_gradient():
    network = ready(neighbours=[1], grid_lengths=[5])
    network.ask(Query.of_video(0, torch.tensor([1]), 5)).frames.sum().backward()
    gradient = network.weights()["grids.grids.0.weight"].value.grad
    assert gradient.flatten(1).any(1).tolist() == [False, True, False, False, False]


def test_a_frame_is_the_same_to_the_bit_whatever_else_is_in_its_batch():
    network = ready(sessions=2)
    alone = made(network, 1).frames
    for others in ([1, 0], [3, 1, 1], [0, 1, 2, 3, 4]):
        frames = made(network, *others).frames
        assert torch.equal(frames[others.index(1)], alone[0])
    mixed = torch.tensor([[1.0, 0.0, 3.0], [0.0, 1.0, 5.0]], dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(network(mixed)[1], alone[0])


def test_sessions_with_the_same_own_tensors_have_the_same_frames():
    network = ready(sessions=2)
    rows = torch.tensor([[0.0, 1.0, 4.0], [1.0, 1.0, 4.0]])
    first, second = network(rows).detach()
    assert not torch.allclose(first, second)
    with torch.no_grad():
        for own, other in zip(*(d.values() for d in reversed(network.session_dicts())), strict=True):
            own.copy_(other)
    first, second = network(rows).detach()
    assert torch.equal(first, second)


def test_the_loss_of_the_parts_is_a_tenth_of_that_of_frames():
    frames = torch.rand(3, 2, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    output = Output(frames[0], {"independent": frames[1], "aggregated": frames[2]})
    batch = Batch(Query.of_video(0, range(2), 2), frames[0])
    losses = [0.7 * F.l1_loss(part, frames[0]) + 0.3 * (1 - mean_ssim(part, frames[0])) for part in frames[1:]]
    torch.testing.assert_close(ready().loss_terms(output, batch), 0.1 * (losses[0] + losses[1]))
    same = replace(output, extras=dict.fromkeys(output.extras, frames[0]))
    assert float(ready().loss_terms(same, batch)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_training_in_bfloat16_reaches_every_number_too(precision):
    network = ready()
    query = Query.of_video(0, torch.tensor([1, 2]), 5)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        output = network.ask(query)
    loss = output.frames.float().square().mean() + network.loss_terms(
        output.float(), Batch(query, output.frames.detach())
    )
    loss.backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize(
    ("size", "line"),
    [
        ((30, 48), r"stream.size must be multiples of 16, the product of backbone.strides, got \[30, 48\]"),
        ((8, 16), r"stream.size must be 11 or more, for the loss of the parts of a frame, got \[8, 16\]"),
    ],
)
def test_a_frame_that_the_network_cannot_make_is_refused(size, line):
    with pytest.raises(ConfigError, match=line):
        build(small(strides=[4, 4] if size[0] == 30 else [4, 2]), size, 1)


@pytest.mark.parametrize(
    ("knob", "line"),
    [
        ({"grid_lengths": (4, 1)}, r"backbone.grid_lengths must hold whole numbers in 2..1000000, got \[4, 1\]"),
        ({"grid_lengths": ()}, r"backbone.grid_lengths must hold whole numbers in 2..1000000, got \[\]"),
        ({"channels": 3}, "backbone.channels must be 4 or more, one for each grid, got 3"),
        ({"neighbours": (1, 0)}, r"backbone.neighbours must hold one or more different numbers .*, got \[1, 0\]"),
        ({"neighbours": ()}, r"backbone.neighbours must hold one or more different numbers .*, got \[\]"),
        ({"flow_block": 6}, "backbone.flow_block must lie in 1..5, got 6"),
        ({"part_loss": -0.1}, "backbone.part_loss must be 0 or more, got -0.1"),
        ({"expansion": 0.001}, "backbone.expansion must leave one of 156 channels or more, got 0.001"),
        ({"expansion": 1e6}, "backbone.expansion must give at most 1000000 channels, got 1000000.0"),
    ],
)
def test_a_knob_out_of_range_is_refused(knob, line):
    with pytest.raises(ConfigError, match=line):
        FfnervConfig(**knob)


def test_the_largest_that_decoding_makes_is_what_a_block_gives_or_the_flows():
    assert ready().largest_activation == 12 * 32 * 48
    assert ready(lower_width=13).largest_activation == 13 * 32 * 48


@pytest.mark.parametrize(("size", "numbers"), [("0.35M", 350_000), ("0.75M", 750_000), ("3M", 3_000_000)])
def test_a_network_of_a_size_has_that_many_numbers_within_a_percent(size, numbers):
    words = ["backbone.name=ffnerv", "backbone.strides=[5, 2, 2, 2]", f"backbone.size={size}", "stream.size=[160,320]"]
    config = resolved(configs.load(None, words)).backbone
    assert 0.99 * numbers < sum(numbers_of(meta(config, (160, 320)))) <= numbers
