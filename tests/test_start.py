"""What a command loads, seen in processes of their own: this one has loaded everything."""

import subprocess
import sys

import pytest
from on_device import DEVICE

from vcl import config as configs
from vcl.device import numerics

pytestmark = pytest.mark.process

TELL = """
import sys
from vcl.cli import main

code = main(sys.argv[2:])
loaded = [name for name in sys.argv[1].split(",") if name in sys.modules]
assert not loaded, loaded
sys.exit(code)
"""


def run_without(modules, *words):
    """Run a command in a new process that must end without having loaded some modules."""
    command = [sys.executable, "-c", TELL, ",".join(modules), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def config_file(tmp_path_factory, tiny_config, stream):
    home = tmp_path_factory.mktemp("start")
    config = tiny_config("pfnr", stream={**stream, "cache": str(home / "cache")}, train={"epochs": 1})
    (home / "tiny.yaml").write_text(configs.to_yaml(config))
    return home / "tiny.yaml"


@pytest.fixture(scope="module")
def run_folder(config_file):
    """A run, made in a process that must not load what a run does not need."""
    unneeded = ("avalanche", "torchvision", "torch._dynamo", "sympy", "scipy", "sklearn", "jax", "qpsolvers", "pandas")
    folder = config_file.parent / "run"
    made = run_without((*unneeded, "wandb", "matplotlib.pyplot"), "run", config_file, "--out", folder)
    assert made.returncode == 0, made.stderr
    (config_file.parent / "logged").write_text(made.stderr)
    return folder


def test_a_run_says_what_it_does_before_and_while_it_prepares(run_folder):
    logged = (run_folder.parent / "logged").read_text().splitlines()
    assert logged[:7] == [
        f"pfnr on folder, frames of 48 x 32, into {run_folder}",
        "decoding clip0",
        "decoding clip1",
        "decoding clip2",
        "3 sessions: clip0, clip1, clip2",
        f"paper recipe: rate 0.005, float32 on {numerics(DEVICE)['device']}",
        "session 0 clip0: 3 steps in 1 epoch",
    ]


def test_runs_are_compared_without_torch_once_their_bytes_are_counted(run_folder):
    assert run_without((), "compare", run_folder).returncode == 0
    compared = run_without(("torch", "matplotlib", "av", "wandb"), "compare", "--matrices", run_folder)
    assert compared.returncode == 0, compared.stderr
    assert "nothing forgotten" in compared.stdout


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_wrong_config_is_refused_before_torch_is_loaded(config_file, command):
    refused = run_without(("torch", "numpy"), command, config_file, "train.epochs=0")
    assert (refused.returncode, refused.stderr) == (2, "vcl: train.epochs must be 1 or more, got 0\n")
