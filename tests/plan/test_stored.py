"""Planned sessions and their files beside those of real runs."""

from dataclasses import dataclass, replace

import pytest
from session_files import file_bytes
from torch import nn
from torch.nn import functional as F

from vcl.backbones import Backbone, SessionTensor
from vcl.config.backbones import BackboneConfig, register_backbone
from vcl.plan import plan
from vcl.plan.network import state_kind_of
from vcl.plan.stored import session_files, total_bytes
from vcl.plan.work import work_of
from vcl.query import Output
from vcl.run import run_clips
from vcl.sessions.methods import METHODS

LENGTHS = (5, 4, 6)


def planned_bytes(config, clips):
    """By kind, of all sessions."""
    work = work_of(config, [len(clip.frames) for clip in clips])
    return total_bytes(session_files(config, [clip.name for clip in clips], work), state_kind_of(config))


@pytest.mark.parametrize("method", METHODS)
def test_steps_and_frames_and_bytes_are_those_of_a_real_run(method, tiny_config, clips, tmp_path):
    knobs = {"buffer": 5} if hasattr(tiny_config(method).method, "buffer") else {}
    knobs |= {"margin": 1e9} if method == "esmer" else {"session_bytes": 9_000} if method == "single_matched" else {}
    config = tiny_config(method, method=knobs, train={"lr": 1e-6})
    work = work_of(config, LENGTHS)
    folder = run_clips(config, clips, tmp_path / "run")
    sessions, rows = folder.events("session"), folder.matrix()["rows"]
    last = {event["session"]: event["step"] for event in folder.events("epoch")}
    assert [done.steps for done in work] == [last.get(session, 0) for session in range(3)]
    assert [done.trained_on for done in work] == [event["trained_on"] for event in sessions]
    assert [done.measured for done in work] == [row.get("decoded", 0) for row in rows]
    queries = [folder.read_session(session)[0].get("buffer/query", ()) for session in range(3)]
    assert [session.buffered for session in work] == [len(query) for query in queries]
    planned = planned_bytes(config, clips)
    stored = file_bytes(folder)
    if state_kind_of(config) == "shared_masked" and method != "packnet":
        assert planned["weight"] == pytest.approx(stored["weight"], rel=0.03)
        planned["weight"] = stored["weight"]
        assert planned["container"] == pytest.approx(stored["container"], abs=48)
        planned["container"] = stored["container"]
    assert planned == stored


@pytest.mark.parametrize("truth", [0.0, 1.0])
def test_a_buffer_of_outputs_holds_true_frames_only_where_these_are_trained_on(truth, tiny_config, clips, tmp_path):
    config = tiny_config("der", method={"buffer": 3, "truth": truth}, train={"epochs": 1})
    folder = run_clips(config, clips, tmp_path / "run")
    assert planned_bytes(config, clips) == file_bytes(folder)


@pytest.mark.parametrize("unit", ["kernel", "row", "dense"])
def test_a_mask_has_a_bit_for_each_unit_that_it_chooses(unit, tiny_config, clips, tmp_path):
    config = tiny_config("wsn", method={"mask_unit": unit}, train={"epochs": 1})
    stored, planned = file_bytes(run_clips(config, clips, tmp_path / "run")), planned_bytes(config, clips)
    weight_wise = planned_bytes(tiny_config("wsn"), clips)
    assert planned["mask"] == stored["mask"] < weight_wise["mask"]
    assert planned["container"] == pytest.approx(stored["container"], abs=48)


def test_masks_that_keep_their_scores_store_at_most_what_is_planned(tiny_config, clips, tmp_path, without_calibration):
    config = tiny_config("wsn", method={"reinit": False}, stream={"videos": ["a", "b", "c"], "frames": 5})
    config = replace(config, stream=replace(config.stream, benchmark="folder"))
    found = plan(config, tmp_path / "run")
    assert found.stored.at_most
    assert "at most" in found.to_text()
    folder = run_clips(config, clips, tmp_path / "run")
    assert file_bytes(folder)["weight"] < found.stored.stored["weight"]


@dataclass(frozen=True)
class CodedConfig(BackboneConfig):
    """Of the network below."""

    name: str = "coded"


class Coded(Backbone):
    """Decodes a code of every frame, which an encoder makes."""

    config_class = CodedConfig
    training_only = ("encoder",)

    def __init__(self, config, size, sessions):
        super().__init__(config, size, sessions)
        self.encoder = nn.Conv2d(3, 5, 16, stride=16)
        self.decoder = nn.Linear(5, 3, bias=False)

    @property
    def session_tensors(self):
        return {"bias": SessionTensor((3,), "zeros")}

    @property
    def frame_tensors(self):
        return {"code": (5, self.size[0] // 16, self.size[1] // 16)}

    def encode(self, query, frames):
        return {"code": self.encoder(frames)}

    def decode(self, query, session, frame):
        colours = self.decoder(frame["code"].movedim(1, -1)) + session["bias"][:, None, None]
        return Output(F.interpolate(colours.movedim(-1, 1).sigmoid(), self.size))


@pytest.mark.parametrize("method", ["finetune", "ewc", "esmer", "single", "packnet"])
def test_codes_of_frames_are_counted_and_stored(method, tiny_config, clips, tmp_path, without_calibration):
    register_backbone(Coded)
    knobs = {"margin": 1e9} if method == "esmer" else {}
    stream = {"benchmark": "folder", "videos": [clip.name for clip in clips], "frames": 4}
    config = replace(tiny_config(method, method=knobs, stream=stream), backbone=CodedConfig())
    same_length = [replace(clip, frames=clip.frames[:4]) for clip in clips]
    found = plan(config, tmp_path / "run")
    folder = run_clips(config, same_length, tmp_path / "run")
    assert found.stored.stored == file_bytes(folder)
    assert found.stored.stored["frame"] == 3 * 4 * 4 * 30
    assert found.network.frame_parameters == 3 * 4 * 30
    assert found.network.macs_a_frame == 6 * 5 * 3
