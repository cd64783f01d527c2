from contextlib import suppress

import pytest
import yaml
from fake_launcher import FakeLauncher, KilledError

from vcl.tune.loop import Loop
from vcl.tune.search_file import read_search
from vcl.tune.study import opened

SPACE = """space:
  train.lr: {low: 1.0e-4, high: 1.0e-2, log: true}
  method.capacity: [0.1, 0.3, 0.5]
"""


@pytest.fixture(autouse=True)
def no_waiting(request, monkeypatch):
    """Made-up runs go on when they are looked at; those of real processes need the processor for themselves."""
    if request.node.get_closest_marker("process") is None:
        monkeypatch.setattr("vcl.tune.loop._INTERVAL", 0)


@pytest.fixture
def search_file(tmp_path):
    """Call with what a search says beside its config; gives the path of its file."""

    def write(text=SPACE, method="wsn", **sections):
        values = {"stream": {"size": [18, 32], "frames": 4}, "method": {"name": method}, **sections}
        (tmp_path / "base.yaml").write_text(yaml.safe_dump(values))
        path = tmp_path / "lr.search.yaml"
        path.write_text(f"config: base.yaml\n{text}")
        return path

    return write


@pytest.fixture
def tune(tmp_path):
    """Call with a search file, a launcher and a number of trials; gives all trials of the study."""

    def run(path, launcher=None, trials=4, jobs=1, out=tmp_path / "out"):
        search = read_search(path)
        with opened(out, search) as study:
            loop = Loop(study, search, out, lambda name: [name], launcher or FakeLauncher(), jobs)
            with suppress(KilledError):
                loop.run(trials)
            return study.get_trials()

    return run
