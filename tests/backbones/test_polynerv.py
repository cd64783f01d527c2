"""PolyNeRV: patches and how frames are made of them, its code, and what the published network has."""

import math

import pytest
import torch
from small_backbones import SMALL

from vcl import config as configs
from vcl.backbones import build, resolved
from vcl.backbones.size_matching import numbers_of
from vcl.config import from_dict
from vcl.config.backbones import PolynervConfig
from vcl.errors import ConfigError
from vcl.query import Query

SIZE = (32, 48)


def config_of(**knobs):
    return from_dict({"backbone": {"name": "polynerv", **knobs}}).backbone


def ready(size=SIZE, sessions=1, **knobs):
    network = build(config_of(**{**SMALL["polynerv"], **knobs}), size, sessions)
    network.reset_parameters(0)
    for _ in range(sessions):
        network.add_session(0)
    return network


def frames_of(network, *ts, length=4, window=None):
    with torch.no_grad():
        return network.ask(Query.of_video(0, torch.tensor(ts), length, window=window)).frames


@pytest.mark.parametrize(("preset", "millions"), [("2_blocks", 11.50), ("3_blocks", 11.89), ("4_blocks", 12.29)])
def test_published_networks_have_the_published_numbers(preset, millions):
    with torch.device("meta"):
        network = build(config_of(preset=preset), (720, 1280), 1)
    assert round(sum(numbers_of(network)) / 1e6, 2) == millions
    assert network.patch == (180, 320)


def test_a_block_more_has_four_convolutions_and_two_scalings_more():
    counts = []
    for preset in ("2_blocks", "3_blocks"):
        with torch.device("meta"):
            counts.append(sum(numbers_of(build(config_of(preset=preset), (720, 1280), 1))))
    assert counts[1] - counts[0] == 4 * (96 * 96 * 9 + 96) + 2 * (160 * 192 + 192) == 393_984


def test_channels_at_paper_size_are_the_published_ones():
    with torch.device("meta"):
        shapes = build(config_of(), (720, 1280), 1).shapes()
    assert [shapes[f"styles.{number}.weight"][0] // 2 for number in range(6)] == [324, 324, 162, 96, 96, 96]
    assert shapes["blocks.0.up.first.weight"] == (81 * 25, 324, 3, 3)
    assert shapes["blocks.1.conv.weight"] == (162 * 4, 324, 3, 3)
    assert shapes["blocks.2.conv.weight"] == (384, 162, 3, 3)
    assert [tuple(shapes[f"factors.{number}.weight"]) for number in (2, 3)] == [(162, 96, 3, 3)] * 2


@pytest.mark.parametrize(
    ("size", "knobs"),
    [
        ((16, 24), {"patches": [1, 1]}),
        ((40, 30), {"strides": [5, 2], "patches": [2, 1]}),
        ((32, 48), {"strides": [2, 2, 1, 1], "patches": [2, 3]}),
        ((24, 24), {"strides": [1, 2, 3, 1], "patches": [2, 1], "cells": [1, 3]}),
    ],
)
@pytest.mark.parametrize("length", [1, 2, 5])
def test_frames_have_the_asked_size(size, knobs, length):
    frames = frames_of(ready(size, **knobs), *range(length), length=length)
    assert frames.shape == (length, 3, *size)
    assert bool(frames.isfinite().all())
    assert float(frames.std()) > 0


@pytest.mark.parametrize("operator", [0, 1, 4])
def test_every_number_is_trained(operator):
    network = ready(sessions=2, strides=[2, 1, 1, 1], operator_block=operator)
    rows = torch.tensor([[0.0, 1.0, 4.0, 16.0, 24.0, 16.0, 24.0], [1.0, 2.0, 5.0, 0.0, 24.0, 16.0, 24.0]])
    network.ask(Query.of_tensor(rows)).frames.square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("training", [True, False])
def test_a_frame_is_its_patches_to_the_bit(training):
    network = ready(patches=[2, 3]).train(training)
    frames = frames_of(network, 0, 3, 1)
    for top in (0, 16):
        for left in (0, 16, 32):
            patch = frames_of(network, 0, 3, 1, window=(top, left, 16, 16))
            assert torch.equal(frames[..., top : top + 16, left : left + 16], patch)


def test_rows_may_ask_for_patches_of_different_places_times_and_sessions():
    network = ready(sessions=2)
    rows = torch.tensor([[1.0, 1.0, 4.0, 16.0, 24.0, 16.0, 24.0], [0.0, 2.0, 5.0, 0.0, 24.0, 16.0, 24.0]])
    with torch.no_grad():
        mixed = network(rows)
        apart = torch.cat([network(row[None]) for row in rows])
    torch.testing.assert_close(mixed, apart)


def test_cells_have_their_places_in_the_whole_frame():
    network, seen = ready(), []
    network.cells.register_forward_pre_hook(lambda _, taken: seen.append(taken[0]))
    frames_of(network, 0, window=(16, 24, 16, 24))
    assert seen[0].shape == (1, 4, 4 * 6)
    # Centres lie a quarter and three quarters into the patch, which begins in the middle of each side.
    by_hand = [
        [math.sin(math.pi * row), math.sin(math.pi * column)] for row in (5 / 8, 7 / 8) for column in (5 / 8, 7 / 8)
    ]
    torch.testing.assert_close(seen[0][0, :, [0, 12]], torch.tensor(by_hand), rtol=0, atol=1e-6)


def test_the_code_is_the_published_product_of_time_and_place_plus_waves():
    network, given = ready(code_width=12), {}  # As wide as the waves, which no layer then makes narrower.
    for name in ("waves", "stem", *(f"{kind}.{number}" for kind in ("of_time", "of_place") for number in range(3))):
        module = network.get_submodule(name)
        module.register_forward_hook(lambda _, taken, out, name=name: given.update({name: (taken, out)}))
    frames_of(network, 1, 3, window=(0, 24, 16, 24))
    parts = [given[f"of_time.{number}"][1] + given[f"of_place.{number}"][1] for number in range(3)]
    x = parts[0]
    for part in parts[1:]:
        x = part * x + x
    (time, centre), waves = given["waves"]
    assert (time.tolist(), centre.tolist()) == ([0.25, 0.75], [[0.25, 0.75]] * 2)
    torch.testing.assert_close(given["stem"][0][0], x + waves)


def test_each_factor_of_a_block_takes_what_the_block_takes():
    network, taken = ready(strides=[2, 1, 2, 1]), {}
    for name in ("stem", *(f"factors.{number}" for number in range(4)), "blocks.1", "blocks.3"):
        module = network.get_submodule(name)
        module.register_forward_hook(lambda _, given, out, name=name: taken.update({name: (given[0], out)}))
    frames_of(network, 1, window=(0, 24, 16, 24))
    assert taken["factors.0"][0] is taken["factors.1"][0] is taken["stem"][0]
    first = taken["blocks.1"][1] * (1 + taken["factors.1"][1])
    torch.testing.assert_close(taken["factors.2"][0], first)
    assert taken["factors.3"][0] is taken["factors.2"][0]
    assert taken["factors.0"][1].shape == (1, 8, 1, 1)
    assert taken["factors.3"][1].shape == taken["blocks.3"][1].shape == (1, 6, 16, 24)


def test_colours_are_halved_around_grey_and_nothing_holds_them():
    network = ready()
    with torch.no_grad():
        for own in network.session_dicts():
            own["head"].zero_()
            own["head_bias"].copy_(torch.tensor([-1.0, 0.0, 5.0]))
    assert frames_of(network, 0)[0, :, 0, 0].tolist() == [0, 0.5, 3]


def test_seams_are_blurred_only_where_asked_and_only_in_whole_frames():
    plain, blurred = ready(), ready(seam_blur=0.8)
    assert config_of().seam_blur == 0
    frame, smooth = frames_of(plain, 1), frames_of(blurred, 1)
    rows, columns = (torch.arange(side) for side in SIZE)
    near = ((rows - 15.5).abs() < 2)[:, None] | ((columns - 23.5).abs() < 2)
    assert torch.equal(frame[..., ~near], smooth[..., ~near])
    assert not torch.allclose(frame[..., near], smooth[..., near])
    window = (16, 24, 16, 24)
    assert torch.equal(frames_of(plain, 1, window=window), frames_of(blurred, 1, window=window))


@pytest.mark.parametrize("window", [(8, 24, 16, 24), (0, 0, 32, 48), (0, 0, 8, 12), (16, 48, 16, 24)])
def test_a_window_that_is_no_patch_is_refused(window):
    network = ready().eval()
    with pytest.raises(ConfigError, match=r"Polynerv makes patches of \[16, 24\] px side by side, got the window \["):
        frames_of(network, 0, window=window)


def test_points_and_other_sizes_are_refused():
    network, query = ready(), Query.of_video(0, range(1), 4)
    with pytest.raises(ConfigError, match="makes whole frames of"):
        network.ask(Query(query.session, query.t, query.frames, size=(64, 96)))
    with pytest.raises(ConfigError, match="got points"):
        network.ask(Query(query.session, query.t, query.frames, points=torch.zeros(1, 5, 2)))


@pytest.mark.parametrize(
    ("size", "line"),
    [
        ((30, 48), r"multiples of \[8, 8\], .* times backbone.patches, got \[30, 48\]; \[32, 48\] would"),
        ((8, 8), r"backbone.strides must leave a first map of two pixels or more, .*, got \[2, 2\], which leave one"),
    ],
)
def test_a_frame_without_such_patches_is_refused(size, line):
    with pytest.raises(ConfigError, match=line):
        build(config_of(**SMALL["polynerv"]), size, 1)


@pytest.mark.parametrize(
    ("knob", "line"),
    [
        ({"strides": (5, 2, 2)}, r"backbone.strides must hold two whole numbers for each block, got \[5, 2, 2\]"),
        ({"patches": (0, 4)}, r"backbone.patches must be 1 or more in both directions, got \[0, 4\]"),
        ({"cells": (4, -1)}, r"backbone.cells must be 1 or more in both directions, got \[4, -1\]"),
        ({"base": 1.0}, "backbone.base must be greater than 1, got 1.0"),
        ({"levels": 1000}, "backbone.base must keep 1000 frequencies within the range of float32, got 1.25"),
        ({"seam_blur": -1.0}, r"backbone.seam_blur must lie in \[0, 100\), got -1.0"),
        ({"code_width": 0}, "backbone.code_width must be 1 or more, got 0"),
    ],
)
def test_a_knob_out_of_range_is_refused(knob, line):
    with pytest.raises(ConfigError, match=line):
        PolynervConfig(**knob)


def test_the_unit_of_a_size_is_that_of_a_patch_times_the_patches():
    assert config_of().unit == 20 * 4
    assert config_of(patches=[2, 3], strides=[2, 2]).unit == 4 * 6


@pytest.mark.parametrize(("size", "numbers"), [("0.35M", 350_000), ("3M", 3_000_000)])
def test_a_network_of_a_size_has_that_many_numbers_within_a_percent(size, numbers):
    words = [
        "backbone.name=polynerv",
        "backbone.strides=[5, 2, 2, 1, 1, 1]",
        f"backbone.size={size}",
        "stream.size=[160,320]",
    ]
    config = resolved(configs.load(None, words)).backbone
    assert 0.99 * numbers < sum(numbers_of(build(config, (160, 320), 1))) <= numbers
