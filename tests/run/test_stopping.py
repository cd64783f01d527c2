"""Real processes that are killed and started again."""

import json
import signal
import subprocess
import sys
import time

import pytest

from vcl import config as configs
from vcl.rundir import RunFolder

EPOCHS = 4


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def command(home, tiny_config, stream):
    """Call with a folder's name; gives the ``vcl run`` command. It saves after every step: many kills hit a save."""
    config = tiny_config(
        stream=stream, train={"epochs": EPOCHS, "checkpoint_seconds": 0}, matrix={"transfer_epochs": 1}
    )
    path = home / "config.yaml"
    path.write_text(configs.to_yaml(config))

    def make(folder, *settings):
        return [sys.executable, "-m", "vcl", "run", str(path), *settings, "--out", str(home / folder), "--quiet"]

    return make


@pytest.fixture(scope="module")
def undisturbed(home, command):
    """What a run leaves behind that nobody disturbs."""
    subprocess.run(command("undisturbed"), check=True)
    return RunFolder(home / "undisturbed")


def results(folder):
    """All that must not depend on how often a run was stopped: matrix, hashes, files of sessions, probes, epochs."""
    rows = [
        {key: value for key, value in row.items() if not key.endswith("seconds")} for row in folder.matrix()["rows"]
    ]
    files = [path.read_bytes() for path in sorted((folder.path / "sessions").iterdir())]
    events = [
        {key: value for key, value in event.items() if key not in ("seconds", "time")}
        for kind in ("epoch", "session", "probe")
        for event in folder.events(kind)
    ]
    return rows, files, sorted(map(json.dumps, events))


def progress(path):
    """A number that grows as a run does: bytes of events count, and every new file."""
    events = path / "events.jsonl"
    return (len(events.read_bytes().splitlines()) if events.exists() else 0) + len(
        list(path.glob("sessions/*.safetensors"))
    )


def kill_at(command, path, point):
    """Start a run and kill it as soon as its progress has reached ``point``; tells whether it was still running."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while progress(path) < point and process.poll() is None:
        time.sleep(0.002)
    time.sleep(point % 7 / 100)  # Not always right after a write.
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("kills", [8, pytest.param(50, marks=pytest.mark.slow)])
def test_a_run_killed_at_spread_points_ends_as_if_it_had_not_been(home, command, undisturbed, kills):
    name, whole = f"killed-{kills}", progress(undisturbed.path)
    folder = RunFolder(home / name)
    hit = sum(kill_at(command(name), folder.path, 1 + number * whole // kills) for number in range(kills))
    subprocess.run(command(name), check=True)
    assert hit >= kills - 1
    assert not list(folder.path.rglob("*.part"))
    assert results(folder) == results(undisturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_and_says_how_to_go_on(home, command, undisturbed, number):
    name = f"stopped-{number}"
    folder = RunFolder(home / name)
    process = subprocess.Popen(command(name, "train.checkpoint_seconds=1000"), stderr=subprocess.PIPE, text=True)
    while not folder.events("epoch"):
        time.sleep(0.002)
        assert process.poll() is None
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == 130
    assert said.strip().splitlines()[-1].startswith("vcl: stopped in session ")
    assert said.strip().endswith("the same command resumes it")
    assert folder.read_checkpoint() is not None
    subprocess.run(command(name, "train.checkpoint_seconds=1000"), check=True)
    assert results(folder) == results(undisturbed)


def test_another_config_in_the_same_folder_is_refused_in_one_line(command, undisturbed):
    refused = subprocess.run(command("undisturbed", "train.lr=1"), capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "belongs to another config: it has train.lr = 0.005, this run asks for 1.0" in refused.stderr


def test_a_folder_that_cannot_be_made_is_one_line(home, command):
    (home / "taken").write_text("")
    refused = subprocess.run(command("taken/run"), capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "Not a directory" in refused.stderr
