from dataclasses import dataclass
from typing import ClassVar

import pytest

from vcl import backbones
from vcl import config as configs
from vcl.backbones import build
from vcl.backbones.size_matching import match_numbers, numbers_of
from vcl.config.backbones import SirenConfig
from vcl.errors import ConfigError


@pytest.mark.parametrize("factor", [0.2, 0.3, 1.0, 2.5])
def test_a_matched_network_takes_the_bytes_that_it_is_given(factor):
    size = ["stream.size=[180,320]", "backbone.stem_width=96", "backbone.channels=48", "backbone.strides=[5,2,2]"]
    size += ["backbone.lower_width=32", "method.name=single_matched"]
    asked = int(factor * 5_000_000)
    network = backbones.of_run(configs.load(None, [*size, f"method.session_bytes={asked}"]), 1)
    network.add_session(0)
    stored = 4 * sum(parameter.numel() for parameter in network.parameters())
    assert 0.985 * asked < stored <= asked


def test_a_network_that_cannot_be_small_enough_is_refused(tiny_config):
    with pytest.raises(ConfigError, match=r"method.session_bytes must hold the smallest network of this kind, got 10"):
        backbones.of_run(tiny_config("single_matched", method={"session_bytes": 10}), 1)


def test_a_matched_network_whose_first_block_narrows_is_found(tiny_config):
    config = tiny_config("single_matched", method={"session_bytes": 30_000}, backbone={"expansion": 0.4})
    network = backbones.of_run(config, 1)
    assert 20_000 < 4 * sum(shape.numel() for shape in network.shapes().values()) <= 30_000


def test_a_layer_that_the_family_does_without_stays_away():
    words = ["stream.size=[160,320]", "backbone.preset=light_0.35M", "backbone.strides=[5,2,2]", "backbone.size=0.35M"]
    network = backbones.of_run(configs.load(None, words), 1)
    assert network.config.stem_width == 0
    assert 0.99 * 350_000 < sum(numbers_of(network)) <= 350_000


@pytest.mark.parametrize("backbone", ["nerv", "hnerv", "siren"])
@pytest.mark.parametrize("size", ["0.35M", "1M", "3000k"])
def test_a_network_of_a_size_has_that_many_numbers_within_a_percent(backbone, size):
    strides = {"nerv": ["backbone.strides=[5,2,2]"], "hnerv": ["backbone.strides=[5,4,2,2]"]}.get(backbone, [])
    words = ["stream.size=[160,320]", f"backbone.name={backbone}", f"backbone.size={size}", *strides]
    config = backbones.resolved(configs.load(None, words), frames=132)
    shared, own, of_frame = numbers_of(backbones.of_run(config, 1))
    target = {"0.35M": 350_000, "1M": 1_000_000, "3000k": 3_000_000}[size]
    assert 0.99 < (shared + own + 132 * of_frame) / target <= 1
    assert config.backbone.size is None
    assert of_frame == (128 if backbone == "hnerv" else 0)


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("100", "got 100; the nearest below is 91"),
        ("3MB", "backbone.size must be a number such as 3M, 350k or 1500000, got 3MB"),
        (
            "10",
            "met within 1% by the network's widths, got 10, and the narrowest network has more numbers",
        ),
    ],
)
def test_sizes_that_are_none_and_sizes_that_no_network_has_are_refused(word, line):
    with pytest.raises(ConfigError, match=line):
        backbones.of_run(configs.load(None, ["backbone.name=siren", f"backbone.size={word}"]), 1)


@dataclass(frozen=True)
class WidthsAlone(SirenConfig):
    """No knob for the rest."""

    fine_knob: ClassVar = ("", 0)


@dataclass(frozen=True)
class NoWidths(SirenConfig):
    """Nothing to scale."""

    widths: ClassVar = ()


def test_a_network_without_a_fine_knob_is_matched_by_its_widths_and_one_without_widths_is_refused():
    matched = match_numbers(WidthsAlone(size="1M"), 1, lambda config: build(config, (8, 8), 1))
    assert 0.99 < sum(numbers_of(build(matched, (8, 8), 1))) / 1e6 < 1.01
    with pytest.raises(ConfigError, match=r"backbone.size must be null, as siren names no widths to scale, got 1M"):
        match_numbers(NoWidths(size="1M"), 1, lambda config: build(config, (8, 8), 1))


def test_a_network_that_is_a_little_larger_is_found_where_none_below_comes_near():
    words = ["stream.size=[48,96]", "backbone.name=hnerv", "backbone.size=0.35M", "backbone.strides=[3,2,2,2,2]"]
    config = backbones.resolved(configs.load(None, words), frames=4)
    assert 350_000 < sum(numbers_of(backbones.of_run(config, 1), 4)) < 353_500
