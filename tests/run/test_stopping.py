"""Real processes that are killed and started again."""

import json
import signal
import subprocess
import sys
import time

import pytest
from warm_process import WarmProcess, run_vcl, start_vcl

from vcl import config as configs
from vcl.rundir import RunFolder

pytestmark = pytest.mark.process

EPOCHS = 4


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def command(home, tiny_config, stream):
    """Call with a folder's name; gives the words of ``vcl run``. It saves after every step: many kills hit a save."""
    config = tiny_config(
        stream=stream, train={"epochs": EPOCHS, "checkpoint_seconds": 0}, matrix={"transfer_epochs": 1}
    )
    path = home / "config.yaml"
    path.write_text(configs.to_yaml(config))

    def make(folder, *settings):
        return ["run", path, *settings, "--out", home / folder, "--quiet"]

    return make


@pytest.fixture(scope="module")
def undisturbed(home, command):
    """What a run leaves behind that nobody disturbs."""
    assert run_vcl(*command("undisturbed")).returncode == 0
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
    process = start_vcl(*command)
    while progress(path) < point and process.poll() is None:
        time.sleep(0.002)
    time.sleep(point % 7 / 100)  # Not always right after a write.
    process.kill()
    process.communicate()
    return process.poll() == -signal.SIGKILL


@pytest.mark.parametrize("kills", [8, pytest.param(50, marks=pytest.mark.slow)])
def test_a_run_killed_at_spread_points_ends_as_if_it_had_not_been(home, command, undisturbed, kills):
    name, whole = f"killed-{kills}", progress(undisturbed.path)
    folder = RunFolder(home / name)
    hit = sum(kill_at(command(name), folder.path, 1 + number * whole // kills) for number in range(kills))
    assert run_vcl(*command(name)).returncode == 0
    assert hit >= kills - 1
    assert not list(folder.path.rglob("*.part"))
    assert results(folder) == results(undisturbed)


SLOW_WRITES = """
import os, sys, threading, time
from vcl.cli import main

fsync = os.fsync

def slow(number):
    if threading.current_thread().name == "checkpoint":
        time.sleep(0.5)
    fsync(number)

os.fsync = slow
sys.exit(main(sys.argv[1:]))
"""


def drafts(folder):
    return set(folder.path.glob(".checkpoint.safetensors.*.part"))


@pytest.mark.parametrize("seconds", [0, 0.1])
def test_a_run_killed_while_it_trains_and_writes_at_once_ends_as_if_it_had_not_been(
    home, command, undisturbed, seconds
):
    words = command(f"writing-{seconds}", f"train.checkpoint_seconds={seconds}")
    folder = RunFolder(home / f"writing-{seconds}")
    for kill in range(3):
        process = WarmProcess(SLOW_WRITES, words)
        before = drafts(folder)
        while drafts(folder) <= before:
            assert process.poll() is None
            time.sleep(0.002)
        time.sleep(kill * 0.05)
        process.kill()
        process.communicate()
        assert process.poll() == -signal.SIGKILL
        assert drafts(folder)
    assert run_vcl(*words).returncode == 0
    assert not list(folder.path.rglob("*.part"))
    assert results(folder) == results(undisturbed)


def stop(process, folder, number):
    """Send a signal to a run after its first epoch; gives its exit status and what it said."""
    while not folder.events("epoch"):
        time.sleep(0.002)
        assert process.poll() is None
    process.send_signal(number)
    errors = process.communicate()[1]
    return process.poll(), errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_and_says_how_to_go_on(home, command, undisturbed, number):
    words = command(f"stopped-{number}", "train.checkpoint_seconds=1000")
    folder = RunFolder(home / f"stopped-{number}")
    assert_stopped(stop(start_vcl(*words), folder, number))
    assert folder.read_checkpoint() is not None
    assert run_vcl(*words).returncode == 0
    assert results(folder) == results(undisturbed)


def test_ctrl_c_does_so_in_a_process_that_the_shell_starts(home, command):
    words = command("shell")
    process = subprocess.Popen([sys.executable, "-m", "vcl", *map(str, words)], stderr=subprocess.PIPE, text=True)
    assert_stopped(stop(process, RunFolder(home / "shell"), signal.SIGINT))


def assert_stopped(ending):
    status, errors = ending
    assert status == 130
    assert errors.strip().splitlines()[-1].startswith("vcl: stopped in session ")
    assert errors.strip().endswith("the same command resumes it")


def test_another_config_in_the_same_folder_is_refused_in_one_line(command, undisturbed):
    refused = run_vcl(*command("undisturbed", "train.lr=1"))
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "belongs to another config: it has train.lr = 0.005, this run asks for 1.0" in refused.stderr


def test_a_folder_that_cannot_be_made_is_one_line(home, command):
    (home / "taken").write_text("")
    refused = run_vcl(*command("taken/run"))
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "Not a directory" in refused.stderr
