"""Jobs through submitit, on its executor that needs no SLURM; and what SLURM itself is asked for."""

import os
import signal
import threading
import time
from importlib.util import find_spec

import pytest
from supervisors import worker_of

from vcl.errors import VclError
from vcl.launch.settings import LaunchSettings, launcher_of
from vcl.launch.slurm import Cell

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not find_spec("submitit"), reason="the extra slurm is not installed"),
]

LOCAL = LaunchSettings("slurm", cluster="local", retries=1)

WAITING_ONCE = (
    "import pathlib, signal, sys, time\n"
    "def stop(number, frame): print('stopped by', number); sys.exit(130)\n"
    "signal.signal(signal.SIGINT, stop)\n"
    "up = pathlib.Path(sys.argv[1], 'up')\n"
    "if up.exists(): print('goes on'); sys.exit()\n"
    "up.touch()\n"
    "time.sleep(60)\n"
)


def wait_for(condition):
    while not condition():
        time.sleep(0.01)


def test_jobs_end_with_their_own_statuses_and_what_they_said_is_in_their_logs(job, statuses, tmp_path):
    launcher = launcher_of(LOCAL, tmp_path)
    tasks = launcher.start([job("a", "print('a')"), job("b", "raise SystemExit('b')")])
    assert statuses(tasks) == [0, 1]
    launcher.close()
    assert [(tmp_path / "logs" / f"{name}.log").read_text() for name in "ab"] == ["a\n", "b\n"]


def test_a_job_that_was_lost_is_submitted_again_so_often_and_no_more(job, statuses, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("submitit.core.core.Job._results_timeout_s", 0)
    launcher = launcher_of(LOCAL, tmp_path)
    (task,) = launcher.start([job("a", f"import os, signal\n{WAITING_ONCE}")])
    wait_for((tmp_path / "up").exists)
    os.kill(worker_of(tmp_path / "logs" / "a.log"), signal.SIGKILL)
    assert statuses([task]) == [0]
    launcher.close()
    (line,) = caplog.messages
    assert line.endswith("was lost (FINISHED); it is submitted again")
    assert (tmp_path / "logs" / "a.log").read_text().splitlines()[-1] == "goes on"


def test_closing_stops_what_still_runs(job, tmp_path):
    launcher = launcher_of(LOCAL, tmp_path)
    (task,) = launcher.start([job("a", WAITING_ONCE)])
    wait_for((tmp_path / "up").exists)
    launcher.close()
    wait_for(lambda: task.status() is not None)
    assert task.status() == 130
    wait_for(lambda: (tmp_path / "logs" / "a.log").read_text() == "stopped by 2\n")


def test_a_job_that_is_cut_off_saves_first_and_the_rest_of_it_is_queued(job, tmp_path, monkeypatch):
    cell = Cell(job("a", WAITING_ONCE), tmp_path, retries=0)
    results = []
    thread = threading.Thread(target=lambda: results.append(cell()))
    thread.start()
    wait_for((tmp_path / "up").exists)
    rest = cell.checkpoint()
    assert (tmp_path / "logs" / "a.log").read_text() == "stopped by 2\n"
    thread.join()
    assert results == [130]
    assert rest.function() == 0
    assert (tmp_path / "logs" / "a.log").read_text().endswith("goes on\n")


@pytest.fixture
def sbatch(tmp_path, monkeypatch):
    """A cluster on which ``sbatch`` keeps what it gets, and says what the test wants it to."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in {"sbatch": f'cp "$1" {tmp_path}/script; . {tmp_path}/answer', "srun": ""}.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "answer"


def test_all_jobs_are_one_array_job_with_what_was_asked_for(job, tmp_path, sbatch):
    sbatch.write_text("echo Submitted batch job 7")
    settings = LaunchSettings("slurm", jobs=2, cpus=4, gpus=1.0, minutes=90, partition="gpu")
    launcher_of(settings, tmp_path).start([job(name, "") for name in "abc"])
    lines = (tmp_path / "script").read_text().splitlines()
    for line in ("array=0-2%2", "cpus-per-task=4", "gpus-per-node=1", "time=90", "partition=gpu", "job-name=vcl"):
        assert f"#SBATCH --{line}" in lines
    assert any("srun" in line and "--cpus-per-task=4" in line for line in lines)


def test_what_sbatch_refuses_is_one_line(job, tmp_path, sbatch):
    sbatch.write_text("echo sbatch: error: invalid partition specified: gpu >&2; exit 1")
    with pytest.raises(VclError, match=r"^SLURM did not take the jobs: sbatch: error: invalid partition specified"):
        launcher_of(LaunchSettings("slurm", partition="gpu"), tmp_path).start([job("a", "")])


@pytest.mark.slow
def test_a_grid_of_which_a_job_is_killed_comes_to_the_same(four_cells):
    expected, start = four_cells
    launched = start("--launcher", "slurm", "--launch", "cluster=local")
    os.kill(worker_of(launched.wait_for("wsn/0")), signal.SIGKILL)
    launched.check(expected)
    assert launched.starts("wsn/0") == 2
