"""A short run, taken apart. No test here asserts a time."""

import pytest

from vcl.errors import VclError
from vcl.plan import plan
from vcl.plan.calibrate import calibration_of, measure, shortened
from vcl.plan.calibration import Calibration
from vcl.sessions.methods import METHODS

OF_EACH_KIND = ("pfnr", "single", "joint", "replay", "ewc", "residual")


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=[] if name in OF_EACH_KIND else pytest.mark.slow) for name in METHODS]
)
def test_every_method_is_calibrated(method, tiny_config, tmp_path, monkeypatch):
    monkeypatch.setattr("vcl.plan.calibrate.MACS", 1.0)
    config = tiny_config(method)
    found = measure(config, 10**6, tmp_path / "run", 0.0)
    assert min(found.session.first_step, found.session.later_step, found.session.save) > 0
    assert found.row.sampled_frame > 0
    assert found.memory.process > 0
    assert found.undescribed == {}
    assert Calibration.from_json(found.to_json()) == found
    rehearses = method in ("lwf", "replay", "der", "icarl", "esmer", "agem", "gem")
    assert found.session.rehearsed == (1 if rehearses else 0)


def test_a_calibration_is_shorter_where_a_frame_is_more_work(tiny_config):
    config = tiny_config()
    (small, few, decoded), (large, fewer, _) = shortened(config, 10**6), shortened(config, 10**12)
    assert small.train.epochs > large.train.epochs == 2
    assert few > fewer
    assert decoded % 4 == 0
    assert fewer[0] != fewer[1]


@pytest.mark.process
def test_a_run_that_cannot_start_is_told_of_in_one_line(tiny_config):
    with pytest.raises(
        VclError, match=r"to be planned, but it said: train.device must be on this machine, got cuda:99"
    ):
        calibration_of(tiny_config(train={"device": "cuda:99"}), 10**6)


def test_a_calibration_that_is_killed_is_a_warning(tiny_config, stream, tmp_path, monkeypatch):
    monkeypatch.setattr("vcl.plan.calibrate.sys.executable", _dying(tmp_path))
    found = plan(tiny_config("finetune", stream=stream), tmp_path / "run")
    assert (found.time.hours, found.time.total_hours, found.memory.memory_bytes) == ({}, None, None)
    assert found.warnings[0].startswith("memory: the calibration was ended by signal 9")
    assert "time        not measured" in found.to_text()


def _dying(folder):
    path = folder / "dying"
    path.write_text("#!/bin/sh\nkill -9 $$\n")
    path.chmod(0o755)
    return str(path)
