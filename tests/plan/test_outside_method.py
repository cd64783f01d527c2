"""A method from outside the package is planned as it is: no file of ``vcl.plan`` knows it."""

import ast
import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from session_files import file_bytes

from vcl import plan as planning
from vcl.config import MethodConfig, register_method
from vcl.config.methods import METHODS
from vcl.config.plugins import plugins_loaded
from vcl.plan import plan
from vcl.plan.calibrate import measure
from vcl.run import run_clips
from vcl.sessions.stateful import StatefulPlugin
from vcl.sessions.strategy import VideoStrategy

EXAMPLE = Path(__file__).parents[2] / "experiments" / "own_method.py"


@pytest.fixture
def planned(tiny_config, clips, tmp_path, monkeypatch):
    """Call with a method's name; gives its plan, calibrated in this process, and a run of the same sessions."""
    monkeypatch.setattr("vcl.plan.calibrate.MACS", 1.0)
    monkeypatch.setattr(planning, "calibration_of", lambda config, macs: measure(config, macs, tmp_path / "short", 0.0))

    def make(method):
        lengths = {"videos": [clip.name for clip in clips], "frames": 4}
        config = tiny_config(method, stream={"benchmark": "folder", **lengths})
        first_frames = [type(clip)(clip.name, clip.frames[:4], clip.sha256) for clip in clips]
        return plan(config, tmp_path / "run"), run_clips(config, first_frames, tmp_path / "run")

    return make


def test_what_it_stores_without_a_word_is_taken_from_the_short_run_with_a_warning(planned):
    with plugins_loaded([EXAMPLE]):
        found, folder = planned("anchor")
    assert found.stored.stored == file_bytes(folder)
    assert found.stored.stored["buffer"] == 4 * found.network.shared_parameters
    (warning,) = found.warnings
    assert warning.startswith("stored: no plugin of anchor has a session_spec for 4 of the tensors that it stores; ")
    assert warning.endswith("stay at 65.2 KiB, as after two short sessions")


@dataclass(frozen=True)
class DiaryConfig(MethodConfig):
    """Remembers the length of every video."""

    name: str = "diary"
    """Name of the method."""


class DiaryPlugin(StatefulPlugin):
    """Stores one number more after each session, trains on no other video, and needs a copy of it in the end."""

    video_copies = 1

    def __init__(self):
        super().__init__()
        self.lengths = torch.zeros(0, dtype=torch.int16)

    def after_training_exp(self, strategy, **_):
        length = torch.tensor([strategy.lengths[strategy.session]], dtype=torch.int16)
        self.lengths = torch.cat((self.lengths, length))

    def session_state(self):
        return {"lengths": self.lengths}

    def session_spec(self, session, lengths, network):
        return {"lengths": torch.empty(session + 1, dtype=torch.int16, device="meta")}


class Diary(VideoStrategy):
    """Takes every second frame of all videos so far."""

    config_class = DiaryConfig
    state_kind = "per_session"

    @classmethod
    def own_plugins(cls, config, ledger, seed):
        return [DiaryPlugin()]

    @classmethod
    def videos_of(cls, session, sessions):
        return range(session + 1)

    @classmethod
    def frames_per_pass(cls, session, lengths):
        return sum(lengths[: session + 1]) // 2


def test_what_it_says_it_stores_and_trains_on_is_planned_and_run(planned):
    register_method(Diary)
    found, folder = planned("diary")
    assert found.warnings == ()
    assert found.stored.stored == file_bytes(folder)
    assert found.stored.stored["buffer"] == 3 * 2
    assert found.network.networks == 3
    trained_on = [event["trained_on"] for event in folder.events("session")]
    assert trained_on == [3 * 2, 3 * 4, 3 * 6]
    assert found.work.trained_on == sum(trained_on)
    assert found.work.steps == 3 * (1 + 2 + 3)


def modules_of_plan():
    return [
        planning,
        *(importlib.import_module(f"vcl.plan.{module.name}") for module in pkgutil.iter_modules(planning.__path__)),
    ]


@pytest.mark.parametrize("module", modules_of_plan(), ids=lambda module: module.__name__)
def test_no_method_is_named_or_imported_to_plan(module):
    imported = [item for item in vars(module).values() if isinstance(item, type) and issubclass(item, MethodConfig)]
    constants = {
        node.value for node in ast.walk(ast.parse(Path(module.__file__).read_text())) if isinstance(node, ast.Constant)
    }
    assert imported == []
    assert not constants & set(METHODS.known)
