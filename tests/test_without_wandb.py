"""A machine without the W&B client: neither its module nor its metadata can be found."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

import vcl
from vcl import config as configs
from vcl.rundir import RunFolder

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A folder of all installed packages but wandb."""
    folder = tmp_path_factory.mktemp("packages")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith("wandb"):
            (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture
def python(packages):
    """Call with words; runs Python in a new process that finds those packages only."""

    def run(*words):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(vcl.__file__).parents[1]), str(packages)])}
        command = [sys.executable, "-S", *map(str, words)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def config_file(tmp_path, tiny_config, stream):
    config = tiny_config("wsn", stream={**stream, "videos": ["clip0"]}, train={"epochs": 1})
    (tmp_path / "tiny.yaml").write_text(configs.to_yaml(config))
    return tmp_path / "tiny.yaml"


def test_avalanche_imports_and_a_run_that_logs_nothing_runs(python, config_file, tmp_path):
    made = python("-m", "vcl", "run", config_file, "--out", tmp_path / "run", "--quiet")
    assert (made.returncode, made.stderr) == (0, "")
    (versions,) = RunFolder(tmp_path / "run").versions()
    assert "wandb" not in versions
    assert {"vcl", "torch", "avalanche-lib", "numpy", "av", "safetensors"} < set(versions)


@pytest.mark.parametrize("mode", ["offline", "online"])
def test_logging_is_refused_in_one_line_before_anything_is_made(python, config_file, tmp_path, mode):
    (tmp_path / "a.grid.yaml").write_text(yaml.safe_dump({"config": "tiny.yaml", "axes": {"seed": {"0": []}}}))
    for command, path in (("run", config_file), ("grid", tmp_path / "a.grid.yaml")):
        refused = python("-m", "vcl", command, path, f"wandb.mode={mode}", "--out", tmp_path / "out")
        line = f"vcl: wandb.mode must be disabled where the package wandb is not installed, got {mode}\n"
        assert (refused.returncode, refused.stderr) == (2, line)
        assert not (tmp_path / "out").exists()
