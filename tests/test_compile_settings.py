"""What a library is like where nobody says so: its size, strides and widths, and what follows from a target."""

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from library_videos import SMALL, Stop

from vcl.codec.library import Library
from vcl.codec.payloads import LARGEST_ACTIVATION, Architecture
from vcl.compile.settings import check_config, config_for
from vcl.compile.targets import Budget, Target, expected_bytes, explained
from vcl.config import from_dict, to_yaml
from vcl.datasets.fitted import FittedVideo, fitted_size
from vcl.errors import ConfigError
from vcl.library import compile
from vcl.presets import QUALITIES, library_settings, padded_size, strides_for
from vcl.report.library import library_data
from vcl.video.cache import Clip

pytestmark = pytest.mark.usefixtures("clip_cache")


def test_a_video_is_padded_with_its_edge():
    frames = np.arange(12, dtype=np.uint8).reshape(1, 3, 2, 2)
    video = FittedVideo(Clip("dog", frames, "ab"), Fraction(25))
    padded = video.padded((3, 4))
    assert padded.frames[0, 0].tolist() == [[0, 1, 1, 1], [2, 3, 3, 3], [2, 3, 3, 3]]
    assert padded.sha256 == "ab"
    assert video.padded((2, 2)) is video.clip


@pytest.mark.parametrize(
    ("own", "size", "fitted"),
    [
        ((180, 320), (180, 320), (180, 320)),
        ((100, 200), (180, 320), (100, 200)),
        ((720, 1280), (180, 320), (180, 320)),
        ((480, 640), (180, 320), (180, 240)),
        ((100, 640), (180, 320), (50, 320)),
        ((1000, 3), (180, 320), (180, 1)),
    ],
)
def test_a_video_keeps_its_size_where_it_fits_and_else_its_shape(own, size, fitted):
    assert fitted_size(own, size) == fitted


@pytest.mark.parametrize(
    ("size", "strides", "padded"),
    [
        ((720, 1280), (5, 2, 2, 2, 2), (720, 1280)),
        ((180, 320), (5, 2, 2), (180, 320)),
        ((144, 176), (4, 2, 2), (144, 176)),
        ((480, 854), (4, 2, 2, 2), (480, 864)),
        ((1080, 1920), (4, 2, 2, 2, 2), (1088, 1920)),
        ((33, 50), (2,), (34, 50)),
        ((7, 5), (1,), (16, 16)),
    ],
)
def test_strides_and_size_follow_the_largest_video(size, strides, padded):
    assert strides_for(size) == strides
    assert padded_size(size, math.prod(strides)) == padded


def test_a_quality_sets_what_nobody_sets_and_widths_grow_with_the_fourth_root_of_the_pixels():
    settings = library_settings({"train": {"epochs": 7}}, "low", (720, 1280))
    assert settings["train"] == {"epochs": 7}
    assert settings["method"] == {"name": "wsn", "bits": 5.0}
    assert [settings["backbone"][key] for key in ("stem_width", "channels", "lower_width")] == [48, 32, 24]
    assert list(QUALITIES) == ["low", "medium", "high"]
    assert library_settings({"backbone": {"name": "mine"}}, "low", (32, 48))["backbone"] == {"name": "mine"}


def preset(quality, size):
    """The config of a quality for frames of a size, padded."""
    config = from_dict(library_settings({}, quality, size))
    return replace(config, stream=replace(config.stream, size=padded_size(size, config.backbone.unit)))


@pytest.mark.parametrize("quality", QUALITIES)
def test_every_quality_can_be_stored_and_read_at_2160_lines(quality):
    config = preset(quality, (2160, 3840))
    check_config(config)
    network = Architecture("shared_masked", config.backbone, config.stream.size).network()
    assert network.largest_activation <= LARGEST_ACTIVATION


def test_a_network_that_nobody_could_read_is_refused_before_it_is_trained():
    rule = "a library cannot hold this network: a library's network must have at most 1073741824 activations in a layer"
    with pytest.raises(ConfigError, match=f"^{rule}, got "):
        check_config(preset("low", (4320, 7680)))


def test_a_config_file_stands_between_the_quality_and_the_words(tmp_path, clip_paths):
    path = tmp_path / "mine.yaml"
    path.write_text("method: {name: packnet, kept: 0.5}\ntrain: {epochs: 9}\n")
    config = config_for([Path(video) for video in clip_paths], path, ["train.epochs=5"], "low")
    assert (config.method.name, config.method.bits, config.train.epochs) == ("packnet", 5.0, 5)
    assert config.stream.size == (32, 48)
    assert "folder" not in to_yaml(config)


def bpp_of(path):
    return library_data(Library.open(path))["videos"][-1]["bpp_so_far"]


def warnings_of_targets(caplog):
    """Those of a few steps of training, which may leave frames of one colour, are none of them."""
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    return [warning for warning in warnings if "than one colour has" not in warning]


def test_a_size_is_met_by_bits_also_where_the_compilation_was_broken_off(tmp_path, clip_paths, caplog):
    def stop(event):
        if event["kind"] == "epoch" and (event["session"], event["epoch"]) == (1, 1):
            raise Stop

    path, broken = tmp_path / "library.vcl", tmp_path / "broken.vcl"
    compile(clip_paths, path, settings=SMALL, target_bpp=4, strict=False)
    assert bpp_of(path) == pytest.approx(4, rel=0.05)
    assert warnings_of_targets(caplog) == []
    with pytest.raises(Stop):
        compile(clip_paths, broken, settings=SMALL, target_bpp=4, strict=False, listeners=[stop])
    compile(clip_paths, broken, settings=SMALL, target_bpp=4, strict=False)
    assert broken.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ({"target_bpp": 24}, "instead of 24: it takes more than 8 bits a weight; wider layers (backbone.channels)"),
        ({"target_bpp": 0.5}, "instead of 0.5: it takes less than 4 bits a weight; narrower layers (backbone.chan"),
        ({"target_psnr": 60}, "less than 60 dB after 4 trainings: clip1 "),
    ],
)
def test_a_target_that_is_missed_is_explained(tmp_path, clip_paths, caplog, target, line):
    """With widths that are set, so that bits and passes are all there is to choose."""
    events = []
    compile(clip_paths[1:2], tmp_path / "l.vcl", settings=SMALL, strict=False, listeners=[events.append], **target)
    (warning,) = warnings_of_targets(caplog)
    assert line in warning
    trained = [event["passes"] for event in events if event["kind"] == "session"]
    assert trained == ([2, 4, 8, 16] if "target_psnr" in target else [2])


@pytest.mark.parametrize(("coded", "bits"), [(9, 8), (8, 8), (7.99, 7.9375), (6, 6), (4, 4), (3, 4)])
def test_the_most_bits_that_fit_are_chosen_the_largest_included(monkeypatch, coded, bits):
    """A session whose bytes are its bits; six halvings of 4..8 leave steps of a sixteenth."""
    monkeypatch.setattr(Budget, "_bytes", lambda _, sealed: sealed["bits"])
    assert Budget(None, None, coded)(lambda mean: {"bits": mean}) == bits


def test_widths_follow_from_a_size_unless_they_are_set(clip_paths):
    paths, few = [Path(video) for video in clip_paths], [word for word in SMALL if not word.startswith("backbone.")]
    small, large = (config_for(paths, None, few, "medium", Target(bpp=bpp)) for bpp in (5, 20))
    for config, bpp in ((small, 5), (large, 20)):
        assert 8 * sum(expected_bytes(config, [5, 4, 6])) == pytest.approx(
            bpp * 15 * 32 * 48, rel=0.08
        )  # Widths are whole.
        width, channels = config.backbone.stem_width, config.backbone.channels
        assert width / channels == pytest.approx(32 / 24, abs=0.5 / channels + 0.2)
    assert config_for(paths, None, SMALL, "medium", Target(bpp=5)).backbone.channels == 6


@pytest.mark.parametrize(
    ("target", "bpp", "psnr", "line"),
    [
        (Target(bpp=1.0), 1.04, 30, ""),
        (Target(bpp=1.0), 0.96, 30, ""),
        (Target(psnr=30), 9, 30.5, ""),
        (Target(psnr=30), 9, 32, "more than 30 dB: dog 32.00 dB; a lower --quality makes a smaller file"),
        (Target(), 9, 9, ""),
    ],
)
def test_what_is_within_five_per_cent_needs_no_word(target, bpp, psnr, line):
    assert explained(target, bpp, {"dog": psnr}) == line


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({"bpp": 0}, "--target-bpp must lie in (0, 24], got 0"),
        ({"psnr": 99}, "--target-psnr must lie in [10, 60], got 99"),
        ({"bpp": 1, "psnr": 30}, "the target must be --target-bpp or --target-psnr, got both"),
    ],
)
def test_targets_that_nothing_can_reach_are_refused(words, line):
    with pytest.raises(ConfigError) as error:
        Target(**words)
    assert str(error.value) == line


def test_a_size_needs_integers(tmp_path, clip_paths):
    with pytest.raises(ConfigError, match=r"method.bits must be a number for --target-bpp, not float32, got null"):
        compile(clip_paths, tmp_path / "l.vcl", settings=[*SMALL, "method.bits=null"], target_bpp=1)


def test_the_readme_has_the_table_of_qualities():
    text = (Path(__file__).parents[1] / "README.md").read_text()
    for name, of in QUALITIES.items():
        row = f"| `{name}` | {of.stem_width}, {of.channels}, {of.lower_width} | {of.bits:g} | {of.epochs} |"
        assert row in text
