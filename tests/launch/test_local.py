"""Jobs as processes of this machine."""

import logging
import time

import pytest

from vcl.errors import VclError
from vcl.launch import Job
from vcl.launch.local import LocalLauncher

pytestmark = pytest.mark.process


def test_no_more_jobs_run_at_once_than_there_is_room_for(job, statuses, tmp_path):
    script = (
        "import pathlib, sys, time\n"
        "mine = pathlib.Path(sys.argv[1], 'running-NAME'); mine.touch()\n"
        "time.sleep(0.2); print(len(list(mine.parent.glob('running-*')))); mine.unlink()"
    )
    launcher = LocalLauncher(2)
    tasks = launcher.start([job(name, script.replace("NAME", name)) for name in "abcd"])
    assert statuses(tasks) == [0, 0, 0, 0]
    assert {int((tmp_path / "logs" / f"{name}.log").read_text()) for name in "abcd"} <= {1, 2}


def test_a_job_that_is_killed_is_started_again_so_often_and_no_more(job, statuses, tmp_path, caplog):
    killed = "import os, sys; print('start', flush=True); os.kill(os.getpid(), 9)"
    launcher = LocalLauncher(2, retries=2)
    tasks = launcher.start([job("a", killed), job("b", "raise SystemExit(2)")])
    assert statuses(tasks) == [-9, 2]
    assert (tmp_path / "logs" / "a.log").read_text() == 3 * "start\n"
    assert caplog.messages == 2 * ["a: ended by signal 9; it is started again"]


def test_a_job_that_was_stopped_is_not_started_again_and_one_that_waits_never(job, statuses, tmp_path):
    launcher = LocalLauncher(1)
    script = "import pathlib, sys, time; pathlib.Path(sys.argv[1], 'up').touch(); time.sleep(60)"
    tasks = launcher.start([job("a", script), job("b", script)])
    while not (tmp_path / "up").exists():
        assert tasks[0].status() is None
        time.sleep(0.01)
    for task in tasks:
        task.stop()
    ended, waiting = statuses(tasks)
    assert ended != 0
    assert waiting == 130
    assert not (tmp_path / "logs" / "b.log").exists()


def test_closing_ends_what_still_runs(job, statuses, tmp_path):
    launcher = LocalLauncher(1)
    (task,) = launcher.start([job("a", "import time; time.sleep(60)")])
    launcher.close()
    assert task.status() is not None


def test_jobs_are_dealt_out_over_devices_and_take_one_that_is_free(job, statuses, tmp_path, caplog):
    caplog.set_level(logging.ERROR)
    script = "import os, time; print(os.environ['CUDA_VISIBLE_DEVICES']); time.sleep(DELAY)"
    launcher = LocalLauncher(8, devices=["0", "3"])
    jobs = [job(name, script.replace("DELAY", delay)) for name, delay in (("a", "1"), ("b", "0"), ("c", "0"))]
    assert statuses(launcher.start(jobs)) == [0, 0, 0]
    assert [(tmp_path / "logs" / f"{name}.log").read_text().strip() for name in "abc"] == ["0", "3", "3"]


def test_a_command_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(VclError, match=r"^a cannot be started: /no/such/program \(No such file or directory\)$"):
        LocalLauncher(1).start([Job("a", ("/no/such/program",), tmp_path / "a.log")])
