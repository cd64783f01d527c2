"""A network with every kind of number that a backbone may have, in layers that know nothing of masks."""

from typing import ClassVar

import pytest
import torch
from contract import assert_decoded_as_trained
from every_role import Everything, EverythingConfig
from on_device import DEVICE
from torch import nn
from torch.nn import functional as F

from vcl.backbones import SessionTensor, roles
from vcl.config.backbones import BACKBONES, register_backbone
from vcl.config.methods import METHODS as KNOBS
from vcl.errors import ConfigError
from vcl.layers.masked import WeightRule
from vcl.query import Output, Query
from vcl.render import Renderer
from vcl.run import run_clips
from vcl.sessions.trainer import build
from vcl.subnet.ledger import Ledger


@pytest.fixture(autouse=True)
def registered(registries):
    """The network is known for the time of a test."""
    register_backbone(Everything)


@pytest.fixture
def everything(tiny_config):
    def make(name, **sections):
        config = tiny_config(name, **sections)
        return type(config)(**{**vars(config), "backbone": EverythingConfig()})

    return make


FOR_NERV = {"pfnr", "single_matched"}
"""Methods that are about knobs of another network."""


@pytest.mark.parametrize("method", [name for name in KNOBS if not KNOBS.known[name].revisits and name not in FOR_NERV])
def test_a_network_with_numbers_of_every_kind_is_decoded_from_disk_as_it_was_trained(
    method, everything, clips, tmp_path
):
    config = everything(method, train={"epochs": 4})
    strategy = build(config, clips[:2], lambda event: None, DEVICE)
    assert_decoded_as_trained(strategy, config, clips[:2], tmp_path / "run")
    assert {path.split("/")[0] for path in strategy.record.tensors()} >= {"weight", "session", "frame"}
    assert not any("encoder" in path for path in strategy.record.tensors() if not path.startswith("buffer/"))


class KeyFramed(Everything):
    """With small pictures of every third frame and the last, of which each frame sees the two around it."""

    @property
    def frame_tensors(self):
        return {**super().frame_tensors, "key": (3, 2, 3)}

    @property
    def key_frames(self):
        return {"key": 3}

    def frames_seen(self, t, frames):
        rows = Query.of_video(0, t, frames).key_rows(3)
        return torch.cat((t[:, None], (3 * rows).clamp(max=frames - 1)), dim=1)

    def encode(self, query, frames):
        keys = F.adaptive_avg_pool2d(frames[:, 1:].flatten(0, 1), (2, 3)).unflatten(0, (-1, 2))
        return {**super().encode(query, frames[:, 0]), "key": keys}

    def decode(self, query, session, frame):
        before, after = F.interpolate(frame["key"].flatten(1, 2), self.size).split(3, dim=1)
        share = (query.t / 3 - query.key_rows(3)[:, 0]).float()[:, None, None, None]
        plain = super().decode(query, session, frame)
        return Output((plain.frames + before.lerp(after, share)) / 2, plain.extras)


@pytest.mark.parametrize("method", ["wsn", "single", "finetune", "residual"])
def test_numbers_of_key_frames_alone_are_stored_once_each(method, everything, clips, tmp_path, monkeypatch):
    monkeypatch.setitem(BACKBONES.implementations.data, "everything", KeyFramed)
    config = everything(method, train={"epochs": 2})
    strategy = build(config, clips[:2], lambda event: None, DEVICE)
    assert_decoded_as_trained(strategy, config, clips[:2], tmp_path / "run")
    assert [len(frame["key"]) for frame in strategy.ledger.frames().values()] == [3, 2]  # Of 5 and of 4 frames.
    pictures = F.adaptive_avg_pool2d(torch.from_numpy(clips[0].frames[[0, 3, 4]]).float() / 255, (2, 3))
    closeness = 0.01 if method == "residual" else 1e-6  # It stores integers.
    torch.testing.assert_close(strategy.ledger.frames()[0]["key"], pictures, atol=closeness, rtol=0)


class Stopped(Exception):
    """In the place of a power cut."""


@pytest.mark.parametrize("moment", ["session", "row"])
@pytest.mark.parametrize(
    ("method", "knobs"), [("wsn", {}), ("single", {}), ("esmer", {}), ("esmer", {"decode": "working"})]
)
def test_a_run_of_such_a_network_that_was_stopped_between_two_sessions_goes_on_to_the_same_bits(
    method, knobs, moment, everything, clips, tmp_path
):
    config = everything(method, method=knobs, train={"epochs": 2}, matrix={"upper": False})

    def stop(event):
        if event["kind"] == moment and event["session"] == 1:
            raise Stopped

    whole = run_clips(config, clips, tmp_path / "whole")
    with pytest.raises(Stopped):
        run_clips(config, clips, tmp_path / "stopped", lambda _: [stop])
    stopped = run_clips(config, clips, tmp_path / "stopped")
    assert [row["sha256"] for row in stopped.matrix()["rows"]] == [row["sha256"] for row in whole.matrix()["rows"]]


@pytest.mark.parametrize("unit", ["kernel", "row", "dense"])
def test_a_run_whose_masks_choose_kernels_or_rows_forgets_nothing(unit, everything, clips, tmp_path):
    config = everything("wsn", method={"mask_unit": unit}, matrix={"upper": False})
    folder = run_clips(config, clips, tmp_path / "run")
    first, *_, last = folder.matrix()["rows"]
    assert last["sha256"][0] == first["sha256"][0]
    by_weight = run_clips(everything("wsn", matrix={"upper": False}), clips, tmp_path / "weights")
    assert folder.session_bytes(0)["mask"] < by_weight.session_bytes(0)["mask"]


def test_a_video_without_codes_of_its_frames_is_not_decoded_ahead_of_its_session(everything, clips, tmp_path):
    folder = run_clips(everything("wsn"), clips[:2], tmp_path / "run")
    assert folder.matrix()["rows"][0]["psnr"][1] is None


def test_a_decoder_has_no_use_for_the_encoder():
    network = build_network()
    assert hasattr(network, "encoder")
    Renderer(network)
    assert not hasattr(network, "encoder")


class Attentive(Everything):
    """With attention in its encoder, whose weights PyTorch draws by a method of another name."""

    def __init__(self, config, size, sessions):
        super().__init__(config, size, sessions)
        self.encoder.append(nn.TransformerEncoderLayer(6, 2, 8))


def test_the_first_values_of_an_encoder_do_not_depend_on_what_was_drawn_before():
    drawn = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        network = Attentive(EverythingConfig(), (32, 48), 1)
        network.apply_rule(lambda name: WeightRule())
        network.reset_parameters(0)
        drawn.append(network.state_dict())
    assert all(torch.equal(tensor, drawn[1][name]) for name, tensor in drawn[0].items())


class Token(nn.Module):
    """A parameter that nothing draws anew."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.randn(6))


class Undrawn(Everything):
    """An encoder with a number of its own."""

    def __init__(self, config, size, sessions):
        super().__init__(config, size, sessions)
        self.encoder.append(Token())


class Misspelt(Everything):
    """A child that is not there."""

    training_only: ClassVar = ("encoder", "decoder")


@pytest.mark.parametrize(
    ("network", "line"),
    [
        (
            Undrawn,
            "encoder.4 of Undrawn must have a method reset_parameters, which draws its parameters anew, got none",
        ),
        (Misspelt, "Misspelt.training_only must name children, got decoder"),
    ],
)
def test_an_encoder_that_could_not_be_drawn_anew_is_refused(network, line):
    untrained = network(EverythingConfig(), (32, 48), 1)
    untrained.apply_rule(lambda name: WeightRule())
    with pytest.raises(ConfigError, match=line):
        roles.check(untrained)


def test_a_network_that_needs_frames_of_all_videos_at_once_is_refused_in_one_line(everything, clips, tmp_path):
    with pytest.raises(ConfigError, match="joint cannot train everything, whose frames have numbers of their own"):
        run_clips(everything("joint"), clips, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("query", "wanted"), [({"size": (64, 96)}, r"\(64, 96\)"), ({"window": (0, 0, 8, 8)}, "a window")]
)
def test_what_a_network_cannot_be_asked_is_refused_although_it_does_not_look(query, wanted):
    network = build_network()
    network.add_session(0)
    line = rf"Everything makes whole frames of \(32, 48\), got {wanted}"
    with pytest.raises(ConfigError, match=line):
        network.ask(Query.of_video(0, range(1), 1, **query), torch.zeros(1, 3, 32, 48))
    ledger = Ledger(network.layout(), "per_session")
    ledger.seal(**network.learned(0, {}), frame={"code": torch.zeros(1, 6)})
    renderer = Renderer(build_network())
    renderer.load(ledger.subnetwork(0))
    with pytest.raises(ConfigError, match=line):
        next(renderer.frames(0, 1, **query))


def build_network():
    from vcl.backbones import build as build_backbone

    return build_backbone(EverythingConfig(), (32, 48), 1)


class Dropping(Everything):
    """Noise in the network itself."""

    def decode(self, query, session, frame):
        output = super().decode(query, session, frame)
        return Output(F.dropout(output.frames, 0.1, self.training), output.extras)


def test_noise_of_the_network_depends_on_the_step_alone(everything, clips, tmp_path):
    BACKBONES.implementations["everything"] = Dropping
    psnr = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        folder = run_clips(everything("finetune", matrix={"upper": False}), clips[:1], tmp_path / str(seed))
        psnr.append(folder.matrix()["rows"][0]["psnr"])
    assert psnr[0] == psnr[1]


class Reused(Everything):
    """One layer at two places."""

    def __init__(self, config, size, sessions):
        super().__init__(config, size, sessions)
        self.again = self.grouped


class Named(Everything):
    """A session tensor that its container could not hold."""

    @property
    def session_tensors(self):
        return {**super().session_tensors, "values": SessionTensor((2,))}


class Patched(Everything):
    """Patches, whose frames have numbers of their own."""

    sampling = "patch"
    patch = (16, 24)


@pytest.mark.parametrize(
    ("network", "line"),
    [
        (Reused, r"must use a weight in one layer, got grouped\.weight\.value of Reused in again\.weight\.value too"),
        (
            Named,
            r"a session tensor of Named must have a plain name and a shape of one number or more, got values \(2,\)",
        ),
        (Patched, "Patched must have no frame tensors, as it trains on patches .* got code"),
    ],
)
def test_what_could_not_be_stored_is_refused_in_one_line(network, line):
    untrained = network(EverythingConfig(), (32, 48), 1)
    untrained.apply_rule(lambda name: WeightRule())
    with pytest.raises(ConfigError, match=line):
        roles.check(untrained)


def answering(output):
    """A network that gives something else."""
    return type("Other", (Everything,), {"decode": lambda self, query, session, frame: output(len(query))})


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (lambda count: torch.zeros(count, 3, 32, 48), "Other.decode must give an Output, got Tensor"),
        (
            lambda count: Output(torch.zeros(count, 1, 32, 48)),
            r"Other must give frames \(2, 3, 32, 48\), got \(2, 1, 32, 48\)",
        ),
    ],
)
def test_a_network_that_gives_no_frames_is_refused_at_its_first_answer(output, line):
    network = answering(output)(EverythingConfig(), (32, 48), 1)
    network.apply_rule(lambda name: WeightRule())
    network.add_session(0)
    with pytest.raises(ConfigError, match=line):
        network.ask(Query.of_video(0, range(2), 2), torch.zeros(2, 3, 32, 48))
    with pytest.raises(ConfigError, match="Other needs frame tensors: encode true frames, or load_frames before"):
        network.ask(Query.of_video(0, range(2), 2))


def test_a_class_that_is_no_backbone_is_refused_in_one_line():
    BACKBONES.implementations["everything"] = type("Nothing", (), {})
    with pytest.raises(ConfigError, match="the backbone everything must extend Backbone and have decode"):
        build_network()
