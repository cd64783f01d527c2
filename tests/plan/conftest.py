"""What a plan is made of where nothing is measured."""

import pytest
import yaml

from vcl import plan as planning
from vcl.plan.calibration import Calibration, PeakMemory, RowTimes, SessionTimes


@pytest.fixture(scope="session")
def calibration():
    """Numbers that add up to different sums."""
    return Calibration(
        seconds=1.0,
        start=100.0,
        session=SessionTimes(
            begin=10.0,
            first_step=1.0,
            later_step=2.0,
            rehearsed=1,
            end=5.0,
            end_frame=0.5,
            save=3.0,
            write=1.5,
            seal=7.0,
        ),
        row=RowTimes(fixed=20.0, per_session=0.25, frame=0.125, sampled_frame=0.0625),
        memory=PeakMemory(process=10**6, frames=0),
        checkpoint=1000,
    )


@pytest.fixture
def without_calibration(monkeypatch, calibration):
    """Plans at once, with numbers that are not measured."""
    monkeypatch.setattr(planning, "calibration_of", lambda config, macs: calibration)


@pytest.fixture
def manifest(tmp_path):
    """A benchmark whose videos are not here."""
    path = tmp_path / "own.yaml"
    videos = [{"name": "known", "frames": 100}, {"name": "unknown"}]
    path.write_text(yaml.safe_dump({"videos": videos}))
    return str(path)
