"""Published sizes by name."""

import pytest

from vcl import config as configs
from vcl.errors import ConfigError


def test_a_preset_sets_what_is_not_set():
    backbone = configs.load(None, ["backbone.preset=S", "backbone.levels=80"]).backbone
    assert (backbone.channels, backbone.biases, backbone.session_embedding, backbone.levels) == (26, True, "none", 80)


def test_a_preset_on_the_command_line_wins_over_the_knobs_of_a_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("backbone: {channels: 7, strides: [2, 2]}\n")
    assert configs.load(path, ["backbone.preset=M"]).backbone.channels == 58
    assert configs.load(path, ["backbone.preset=light_3M"]).backbone.strides == (5, 4, 2, 2)


def test_a_preset_in_a_file_stands_under_the_knobs_beside_it(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("backbone: {preset: S, channels: 7}\n")
    assert configs.load(path).backbone.channels == 7


def test_a_stored_config_with_a_preset_is_read_back():
    config = configs.load(None, ["backbone.preset=light_0.35M"])
    assert configs.from_dict(configs.to_dict(config)) == config


def test_an_unknown_preset_is_refused_with_those_that_there_are():
    with pytest.raises(ConfigError, match=r"backbone.preset must be one of S, M, L, light_0.35M, .*, got XL"):
        configs.load(None, ["backbone.preset=XL"])


@pytest.mark.parametrize("setting", ["backbone.preset=M", "backbone.channels=40"])
def test_a_preset_or_a_width_on_the_command_line_takes_the_place_of_the_size_of_a_file(setting, tmp_path, caplog):
    path = tmp_path / "mine.yaml"
    path.write_text("backbone: {size: 1M, strides: [2, 2]}\n")
    caplog.set_level("INFO", "vcl")
    backbone = configs.load(path, [setting]).backbone
    assert backbone.size is None
    assert backbone.strides == (2, 2)
    assert "left out for the size on the command line: backbone.size" in caplog.text
    assert configs.load(path, [setting, "backbone.size=2M"]).backbone.size == "2M"


def test_another_backbone_on_the_command_line_leaves_out_the_preset_of_a_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("backbone: {name: nerv, preset: S}\n")
    assert configs.load(path, ["backbone.name=hnerv"]).backbone.preset is None


def test_a_preset_of_a_network_without_published_sizes_is_refused():
    with pytest.raises(ConfigError, match=r"backbone.preset must be null, as siren has no published sizes, got 3M"):
        configs.load(None, ["backbone.name=siren", "backbone.preset=3M"])
