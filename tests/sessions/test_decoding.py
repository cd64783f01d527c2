"""What every backbone and method have to hold together: what is decoded is what was trained."""

import pytest
import torch
from contract import assert_decoded_as_trained
from on_device import DEVICE, decoder_of
from small_backbones import SMALL
from torch import nn

from vcl import backbones
from vcl.backbones import BACKBONES, build
from vcl.backbones.nerv import Nerv
from vcl.config import NervConfig
from vcl.config.backbones import BACKBONES as KNOBS
from vcl.errors import ConfigError, RunFolderError, VideoError
from vcl.rundir import RunFolder
from vcl.sessions.methods import METHODS
from vcl.sessions.strategy import VideoStrategy
from vcl.sessions.trainer import build as build_strategy

TINY = NervConfig(levels=4, stem_width=8, channels=6, strides=(2, 2), lower_width=4)


def test_every_backbone_is_held_to_the_contract():
    assert set(SMALL) == set(BACKBONES)


WITH_OPERATOR = [name for name, kind in KNOBS.known.items() if kind.operator_knob]

# A network of time and one of numbers of each frame with every method; the others with masks and without.
WITH_EVERY_METHOD, WITH_EVERY_BACKBONE = ("nerv", "hnerv"), ("wsn", "finetune")
CASES = [
    pytest.param(
        *(backbone, method),
        marks=[] if backbone in WITH_EVERY_METHOD or method in WITH_EVERY_BACKBONE else pytest.mark.slow,
    )
    for backbone in BACKBONES
    for method in METHODS
    if method != "pfnr" or backbone in WITH_OPERATOR
]


@pytest.mark.parametrize(("backbone", "method"), CASES)
def test_what_is_decoded_from_disk_is_the_output_of_the_network_in_training_to_the_bit(
    backbone, method, tiny_config, clips, tmp_path
):
    config = backbones.resolved(tiny_config(method, backbone={"name": backbone}, train={"epochs": 4}))
    strategy = build_strategy(config, clips[:2], lambda event: None, DEVICE)
    assert_decoded_as_trained(strategy, config, clips[:2], tmp_path / "run")


@pytest.mark.parametrize("method", ["pfnr", "packnet", "finetune", "single", "residual", "replay", "ewc", "esmer"])
def test_training_goes_on_with_the_integers_of_sealed_numbers(method, tiny_config, clips, tmp_path):
    config = tiny_config(method, method={"bits": 5}, train={"epochs": 4})
    strategy = build_strategy(config, clips[:2], lambda event: None, DEVICE)
    assert_decoded_as_trained(strategy, config, clips[:2], tmp_path / "run")


class Biased(Nerv):
    """A layer with a bias, as a newcomer would add it."""

    def __init__(self, *args):
        super().__init__(*args)
        self.bias = nn.Parameter(torch.zeros(3))


class Normalised(Nerv):
    """Running statistics, which are buffers and not parameters."""

    def __init__(self, *args):
        super().__init__(*args)
        self.norm = nn.BatchNorm2d(3, affine=False)


class Tied(Nerv):
    """One weight in two layers."""

    def __init__(self, *args):
        super().__init__(*args)
        self.again = nn.Linear(1, 1, bias=False)
        self.again.weight = self.fc1.weight


@pytest.mark.parametrize(
    ("network", "named"),
    [(Biased, "bias of Biased, which is neither"), (Normalised, "norm.running_mean of Normalised, which is neither")],
)
def test_a_number_that_no_session_would_store_is_refused_at_the_build(monkeypatch, network, named):
    monkeypatch.setitem(BACKBONES, "nerv", network)
    with pytest.raises(ConfigError, match=f"a backbone must store every parameter .* got {named}"):
        build(TINY, (16, 24), 1)


def test_a_weight_of_two_layers_is_refused(monkeypatch):
    monkeypatch.setitem(BACKBONES, "nerv", Tied)
    with pytest.raises(ConfigError, match=r"got fc1.weight.value of Tied, which is both"):
        build(TINY, (16, 24), 1)


def test_a_strategy_of_one_s_own_script_refuses_it_too(clips):
    with pytest.raises(ConfigError, match="bias of Biased"):
        VideoStrategy(model=Biased(TINY, (32, 48), 1), clips=clips)


def test_a_bias_added_to_a_network_leaves_no_run_folder(monkeypatch, tiny_config, clips, tmp_path):
    from vcl.run import run_clips

    monkeypatch.setitem(BACKBONES, "nerv", Biased)
    with pytest.raises(ConfigError, match="bias of Biased"):
        run_clips(tiny_config(), clips, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_network_is_refused_before_the_folder_of_another_config_is_begun_anew(tiny_config, clips, tmp_path):
    from vcl.run import run_clips

    first = tiny_config()
    with RunFolder.opened(tmp_path / "run", first) as folder:
        folder.keep_resolved(first)
    with pytest.raises(ConfigError, match="strides"):
        run_clips(tiny_config(backbone={"strides": [5, 5]}), clips, tmp_path / "run")
    assert folder.config() == first


def test_decoding_a_folder_without_a_session_is_refused(tmp_path, tiny_config):
    with RunFolder.opened(tmp_path / "run", tiny_config()):
        pass
    with pytest.raises(RunFolderError, match="must hold a session to decode it, got 0 sessions"):
        decoder_of(tmp_path / "run")


@pytest.mark.parametrize("backbone", ["siren", "videoinr"])
def test_a_network_of_coordinates_is_decoded_at_another_size_and_between_two_frames(
    backbone, tiny_config, clips, tmp_path
):
    from vcl.run import run_clips

    config = tiny_config("single", backbone={"name": backbone}, train={"epochs": 1})
    decoder = decoder_of(run_clips(config, clips[:1], tmp_path / "run"))
    assert decoder.frame(0, 1, size=(64, 96)).shape == (3, 64, 96)
    before, between, behind = torch.cat(list(decoder.frames(0, [1, 1.5, 2])))
    torch.testing.assert_close(before, decoder.frame(0, 1))
    assert not torch.allclose(between, before, atol=1e-4)
    assert not torch.allclose(between, behind, atol=1e-4)


def test_a_moment_behind_the_last_frame_is_refused(tiny_config, clips, tmp_path):
    from vcl.run import run_clips

    config = tiny_config("single", backbone={"name": "siren"}, train={"epochs": 1})
    decoder = decoder_of(run_clips(config, clips[:1], tmp_path / "run"))
    last = len(clips[0].frames) - 1
    with pytest.raises(VideoError, match=rf"frames of video 0 must lie in 0\.\.{last}, got {last}\.5\.\.{last}\.5"):
        decoder.frame(0, last + 0.5)


def test_a_network_of_blocks_makes_frames_of_one_size(tiny_config, clips, tmp_path):
    from vcl.run import run_clips

    decoder = decoder_of(run_clips(tiny_config("single", train={"epochs": 1}), clips[:1], tmp_path / "run"))
    with pytest.raises(ConfigError, match=r"Nerv makes whole frames of \(32, 48\), got \(64, 96\)"):
        decoder.frame(0, 1, size=(64, 96))
