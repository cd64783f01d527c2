"""Leases: who holds one, who is kept out, and what becomes of a holder that dies or sleeps."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from vcl import lease as leases
from vcl.errors import RunFolderInUseError, VclError
from vcl.lease import lease

SHORT = {"renewal": 0.02, "patience": 0.4}

HOLDER = """
import logging, sys, time
from pathlib import Path
from vcl.lease import lease
logging.basicConfig(format="%(message)s", stream=sys.stderr)
with lease(Path(sys.argv[1]), renewal=0.02, patience=float(sys.argv[2])):
    print(flush=True); sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path):
    """Call with a patience; gives a process that holds the lease until a line comes."""
    started = []

    def start(patience=0.4):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path / "run"), str(patience)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def names(folder):
    return sorted(path.name for path in (folder / ".leases").iterdir())


def content(folder, number=1):
    while True:  # It is rewritten in place.
        with contextlib.suppress(ValueError):
            return json.loads((folder / ".leases" / f"run.{number:04d}").read_bytes())


def write(folder, number, **changes):
    """A lease as another process may have left it."""
    held = {"host": "elsewhere", "boot": "b", "pids": "p", "pid": 7, "start": 1, "token": "t", "released": False}
    (folder / ".leases").mkdir(exist_ok=True)
    (folder / ".leases" / f"run.{number:04d}").write_text(json.dumps({**held, **changes}))


def test_a_released_lease_stays_and_the_next_has_a_higher_number(tmp_path):
    with lease(tmp_path / "run"):
        assert content(tmp_path)["released"] is False
        assert content(tmp_path)["pid"] == os.getpid()
    assert content(tmp_path)["released"] is True
    with lease(tmp_path / "run"):
        assert names(tmp_path) == ["run.0002"]
    assert not (tmp_path / "run").exists()


def test_a_lease_is_released_when_what_needs_it_fails(tmp_path):
    with pytest.raises(KeyError), lease(tmp_path / "run"):
        raise KeyError
    assert content(tmp_path)["released"] is True


def test_leases_on_folders_with_names_alike_are_apart(tmp_path):
    with lease(tmp_path / "run"), lease(tmp_path / "run.0001"), lease(tmp_path / "r.n"):
        assert names(tmp_path) == ["r.n.0001", "run.0001", "run.0001.0001"]


@pytest.mark.process
def test_a_second_process_is_kept_out_for_as_long_as_the_first_renews(tmp_path, holder):
    process = holder(patience=1000)
    for renewals in range(5):
        with pytest.raises(RunFolderInUseError, match=rf"run is in use by process {process.pid} on \S+$"):
            with lease(tmp_path / "run", patience=1000):
                pass
        while content(tmp_path)["renewals"] <= renewals:
            time.sleep(0.005)
    process.communicate("\n")
    with lease(tmp_path / "run"):
        assert names(tmp_path) == ["run.0002"]


@pytest.mark.process
def test_the_lease_of_a_process_that_was_killed_here_is_free_at_once(tmp_path, holder):
    process = holder(patience=1000)
    process.kill()  # And not waited for: it is still in the list of processes.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    with lease(tmp_path / "run", patience=1000):
        assert names(tmp_path) == ["run.0002"]


@pytest.mark.process
def test_a_frozen_holder_loses_the_lease_and_ends_in_one_line_when_it_wakes_up(tmp_path, holder):
    process = holder()
    process.send_signal(signal.SIGSTOP)
    with lease(tmp_path / "run", wait=True, **SHORT):
        process.send_signal(signal.SIGCONT)
        assert process.wait() == -signal.SIGKILL
        errors = process.stderr.read()
        (line,) = errors.splitlines()
        assert line.startswith(f"the lease on {tmp_path / 'run'} is lost: another process has taken it over")
        assert names(tmp_path) == ["run.0002"]


@pytest.mark.process
def test_a_holder_that_wakes_up_after_its_follower_has_finished_ends_too(tmp_path, holder):
    process = holder()
    process.send_signal(signal.SIGSTOP)
    with lease(tmp_path / "run", wait=True, **SHORT):
        pass
    process.send_signal(signal.SIGCONT)
    assert process.wait() == -signal.SIGKILL
    assert content(tmp_path, 2)["released"] is True


@pytest.mark.process
def test_of_many_processes_one_at_a_time_holds_a_lease(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from vcl.lease import lease\n"
        "folder = Path(sys.argv[1])\n"
        "for _ in range(10):\n"
        "    with lease(folder / 'run', wait=True, renewal=0.004, patience=100):\n"
        "        os.close(os.open(folder / 'inside', os.O_CREAT | os.O_EXCL)); os.unlink(folder / 'inside')\n"
    )
    words = [sys.executable, "-c", code, str(tmp_path)]
    processes = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate()[1] for process in processes] == ["", "", "", ""]
    assert names(tmp_path)[-1] == "run.0040"


@pytest.fixture
def clock(monkeypatch):
    """Seconds of the monotonic clock of leases, to be set."""
    now = [0.0]
    monkeypatch.setattr(leases.time, "monotonic", lambda: now[0])
    return now


def is_taken(folder):
    try:
        with lease(folder / "run"):
            return True
    except RunFolderInUseError:
        return False


def test_a_silent_holder_elsewhere_is_followed_after_a_minute_of_looking(tmp_path, clock):
    write(tmp_path, 1)
    for second in range(0, 60, 5):
        clock[0] = second
        assert not is_taken(tmp_path)
    clock[0] = 60
    assert is_taken(tmp_path)


def test_a_renewal_or_another_holder_starts_the_minute_again(tmp_path, clock):
    for turn in range(3):
        write(tmp_path, 1 + turn // 2, renewals=turn)
        for _ in range(11):
            assert not is_taken(tmp_path)
            clock[0] += 5


def test_time_in_which_nobody_looked_does_not_count(tmp_path, clock):
    write(tmp_path, 1)
    assert not is_taken(tmp_path)
    clock[0] = 10_000
    assert not is_taken(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"pid": 7, "released": "x"}', "[" * 5000])
def test_a_lease_that_says_nothing_is_watched_as_any_other(tmp_path, clock, content):
    write(tmp_path, 1)
    (tmp_path / ".leases" / "run.0001").write_text(content)
    for _ in range(13):
        assert not (tmp_path / ".leases" / "run.0002").exists()
        taken = is_taken(tmp_path)
        clock[0] += 5
    assert taken


def test_a_process_that_has_the_number_of_a_dead_one_is_not_taken_for_it(tmp_path, clock):
    write(tmp_path, 1, **leases._machine(), pid=os.getpid(), start=1)
    assert is_taken(tmp_path)


def test_a_process_number_of_another_container_says_nothing(tmp_path, clock):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    write(tmp_path, 1, **{**leases._machine(), "pids": "pid:[1]"}, pid=gone.pid)
    assert not is_taken(tmp_path)
    write(tmp_path, 1, **leases._machine(), pid=gone.pid)
    assert is_taken(tmp_path)


def test_whoever_slept_between_judging_and_creating_gives_up(tmp_path, monkeypatch):
    write(tmp_path, 1, released=True)
    judged = leases._is_free

    def sleeping(*arguments):
        free = judged(*arguments)
        (tmp_path / ".leases" / "run.0001").unlink()
        write(tmp_path, 3)  # Two others came and the first of them went meanwhile.
        return free

    monkeypatch.setattr(leases, "_is_free", sleeping)
    assert not is_taken(tmp_path)
    assert names(tmp_path) == ["run.0003"]


def test_whoever_is_second_to_create_the_next_number_gives_up(tmp_path, monkeypatch):
    write(tmp_path, 1, released=True)
    monkeypatch.setattr(leases, "_is_free", lambda *_: write(tmp_path, 2) is None)
    assert not is_taken(tmp_path)
    assert names(tmp_path) == ["run.0001", "run.0002"]


def test_a_place_where_no_lease_can_be_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(VclError, match=r"file/\.leases: Not a directory$"), lease(tmp_path / "file" / "run"):
        pass
