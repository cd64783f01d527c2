"""A command that ends with whoever asked for it."""

import os
import signal
import subprocess
import sys
import time

import pytest
from supervisors import worker_of

from vcl.launch.supervise import Supervised, passed_environment

pytestmark = pytest.mark.process

WAITING = (
    "import pathlib, signal, sys, time\n"
    "def stop(number, frame): print('stopped by', number); sys.exit(130)\n"
    "signal.signal(signal.SIGINT, stop)\n"
    "pathlib.Path(sys.argv[1], 'up').touch()\n"
    "time.sleep(60)\n"
)


@pytest.fixture
def supervised(tmp_path):
    """Call with a script; gives its command under a supervisor."""

    def make(script, retries=0, **environment):
        words = [sys.executable, "-uc", script, str(tmp_path)]
        return Supervised(words, tmp_path / "logs" / "a.log", tmp_path, environment, retries)

    return make


def log_of(folder):
    return (folder / "logs" / "a.log").read_text()


def wait_for(condition):
    while not condition():
        time.sleep(0.01)


def test_a_command_runs_in_its_folder_with_its_variables_and_gives_its_status(supervised, tmp_path):
    script = "import os, sys; print(os.getcwd(), os.environ['GIVEN']); sys.exit(3)"
    assert supervised(script, GIVEN="here").run() == 3
    assert log_of(tmp_path) == f"{tmp_path} here\n"


def test_a_command_that_is_killed_is_run_again_so_often_and_one_that_ends_is_not(supervised, tmp_path):
    assert supervised("import os; print('start'); os.kill(os.getpid(), 9)", retries=2).run() == -9
    assert log_of(tmp_path) == 3 * "start\n"
    assert supervised("import os; print('end'); os.kill(os.getpid(), 15)", retries=2).run() == -15
    assert log_of(tmp_path).endswith("start\nend\n")


def test_a_command_that_is_not_there_says_so_in_its_log(tmp_path):
    assert Supervised(["/no/such"], tmp_path / "a.log", tmp_path, {}, 3).run() == 2
    assert (tmp_path / "a.log").read_text() == "vcl: /no/such cannot be started: No such file or directory\n"


def test_what_interrupts_the_wait_stops_the_command_as_ctrl_c_does(supervised, tmp_path, monkeypatch):
    def interrupted(seconds):
        if (tmp_path / "up").exists():
            raise KeyboardInterrupt

    monkeypatch.setattr("vcl.launch.supervise.time.sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        supervised(WAITING).run()
    assert log_of(tmp_path) == "stopped by 2\n"


def start_worker(folder, script, before=""):
    """Start a process that waits for a command, as a worker of an engine does; Ray's block SIGINT."""
    worker = (
        f"import signal, sys; from pathlib import Path; from vcl.launch.supervise import Supervised\n{before}\n"
        "folder = Path(sys.argv[1])\n"
        "Supervised([sys.executable, '-uc', sys.argv[2], sys.argv[1]], folder / 'logs' / 'a.log', folder, {}, 0).run()"
    )
    return subprocess.Popen([sys.executable, "-c", worker, str(folder), script])


def test_a_command_is_stopped_gently_when_its_worker_is_killed(tmp_path):
    block = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])"
    worker = start_worker(tmp_path, WAITING, block)
    wait_for((tmp_path / "up").exists)
    assert worker_of(tmp_path / "logs" / "a.log") == worker.pid
    worker.kill()
    worker.wait()
    wait_for(lambda: log_of(tmp_path) == "stopped by 2\n")
    wait_for(lambda: worker_of(tmp_path / "logs" / "a.log") is None)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for it")
def test_a_command_dies_with_its_supervisor(tmp_path):
    worker = start_worker(tmp_path, f"import os; print(os.getppid(), os.getpid())\n{WAITING}")
    wait_for((tmp_path / "up").exists)
    supervisor, command = map(int, log_of(tmp_path).split())
    os.kill(supervisor, signal.SIGKILL)
    worker.wait()

    def is_gone():
        try:
            os.kill(command, 0)
        except ProcessLookupError:
            return True
        return False

    wait_for(is_gone)


def test_warnings_of_slurm_and_its_end_leave_the_command_to_end_first(tmp_path):
    worker = start_worker(tmp_path, f"import os; print(os.getppid(), os.getpid())\n{WAITING}")
    wait_for((tmp_path / "up").exists)
    supervisor, command = map(int, log_of(tmp_path).split())
    for process in (supervisor, command):
        os.kill(process, signal.SIGUSR2)
    os.kill(supervisor, signal.SIGTERM)
    time.sleep(0.1)
    os.kill(command, signal.SIGINT)
    worker.wait()
    assert log_of(tmp_path).endswith("stopped by 2\n")


def test_no_secret_is_passed_to_another_machine(monkeypatch):
    for name in ("VCL_PLUGINS", "OMP_NUM_THREADS", "PYTHONPATH", "WANDB_API_KEY", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "x")
    assert {"VCL_PLUGINS", "OMP_NUM_THREADS", "PYTHONPATH"} <= set(passed_environment())
    assert not {"WANDB_API_KEY", "CUDA_VISIBLE_DEVICES"} & set(passed_environment())
