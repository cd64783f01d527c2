import json
import os
import subprocess
import sys
import time

import pytest
import yaml

from vcl import config as configs
from vcl.grid import read_grid, run_grid
from vcl.launch import Job
from vcl.rundir import RunFolder


@pytest.fixture
def job(tmp_path):
    """Call with a name and a script, whose first word is a folder."""

    def make(name, script):
        return Job(name, (sys.executable, "-c", script, str(tmp_path)), tmp_path / "logs" / f"{name}.log")

    return make


@pytest.fixture
def statuses():
    """Call with tasks; waits for them and gives their exit statuses."""

    def wait(tasks):
        while None in (latest := [task.status() for task in tasks]):
            time.sleep(0.01)
        return latest

    return wait


@pytest.fixture
def grid(tmp_path, tiny_config, stream):
    """Call with a number of epochs and axes; gives the path of a grid of tiny runs."""

    def make(epochs, axes):
        base = configs.to_dict(
            tiny_config("finetune", stream={**stream, "videos": ["clip0", "clip1"]}, train={"epochs": epochs})
        )
        del base["method"], base["backbone"]["operator_block"]
        (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
        (tmp_path / "a.grid.yaml").write_text(yaml.safe_dump({"config": "base.yaml", "axes": axes}, sort_keys=False))
        return tmp_path / "a.grid.yaml"

    return make


class Launched:
    """``vcl grid`` of four cells, started with a launcher."""

    def __init__(self, path, out, words):
        self.out, self._path = out, path
        command = [sys.executable, "-m", "vcl", "grid", path, "--out", out, *words]
        environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, text=True
        )

    def wait_for(self, name):
        """Wait until a cell has trained for an epoch; gives the path of its log."""
        while not RunFolder(self.out / name).events("epoch"):
            assert self.process.poll() is None, self.process.communicate()[0]
            time.sleep(0.02)
        return self.out / ".logs" / f"{name}.log"

    def check(self, expected):
        """Wait for its end, and compare its results."""
        said = self.process.communicate()[0]
        assert self.process.returncode == 0, said
        assert results(self.out) == expected

    def starts(self, name):
        """How often a cell was started."""
        return len(RunFolder(self.out / name).events("start"))


CELLS = {
    "method": {"wsn": ["method.name=wsn"], "finetune": ["method.name=finetune"]},
    "seed": {"0": ["train.seed=0"], "1": ["train.seed=1"]},
}


@pytest.fixture
def four_cells(grid, tmp_path):
    """Results of a grid of four cells without a launcher, and a call that starts it with the words of one."""
    from contextlib import nullcontext

    path, started = grid(60, CELLS), []

    def start(*words):
        started.append(Launched(path, tmp_path / "launched", words))
        return started[-1]

    assert run_grid(read_grid(path), tmp_path / "plain", lambda *_: nullcontext([])) == []
    yield results(tmp_path / "plain"), start
    for launched in started:
        if launched.process.poll() is None:  # The test has failed.
            launched.process.kill()
            launched.process.communicate()


def results(out):
    """What each cell came to: its matrix, with the hashes of all frames, and the hashes of its states."""
    cells = {}
    for path in sorted(out.rglob("matrix.json")):
        matrix = json.loads(path.read_text())
        states = [event["state_sha256"] for event in RunFolder(path.parent).events("session")]
        rows = [{key: row[key] for key in ("psnr", "ssim", "sha256")} for row in matrix["rows"]]
        cells[str(path.parent.relative_to(out))] = rows, states
    return cells
