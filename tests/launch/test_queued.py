"""A queue of jobs, without processes."""

import pytest

from vcl.launch import STOPPED, Job
from vcl.launch.queued import Queue


class Started:
    """A task that runs until it is told to end."""

    def __init__(self, job):
        self.job, self.ending = job, None

    def status(self):
        return self.ending

    def stop(self):
        self.ending = STOPPED


@pytest.fixture
def queue(monkeypatch):
    """A queue of one job at once, whose clock stands still; ``started`` has the tasks in their order."""
    started = []

    def start_one(job):
        started.append(Started(job))
        return started[-1]

    monkeypatch.setattr("vcl.launch.queued.time.monotonic", lambda: queue.now)
    queue = Queue(start_one, 1)
    queue.started, queue.now = started, 100.0
    return queue


def job(name, tmp_path, is_free=lambda: True):
    return Job(name, (name,), tmp_path / name, is_free)


def test_a_job_that_would_wait_for_somebody_else_is_passed_over_and_taken_when_it_is_free(queue, tmp_path):
    free = []
    held, other = queue.start([job("held", tmp_path, lambda: bool(free)), job("other", tmp_path)])
    assert [task.job.name for task in queue.started] == ["other"]
    queue.started[0].ending = 0
    assert (other.status(), held.status(), len(queue.started)) == (0, None, 1)
    free.append(True)
    assert held.status() is None
    assert len(queue.started) == 1  # It is asked again in some seconds, not at every look.
    queue.now += 5
    held.status()
    assert [task.job.name for task in queue.started] == ["other", "held"]


def test_a_job_that_is_stopped_in_the_queue_is_never_started(queue, tmp_path):
    running, waiting = queue.start([job("running", tmp_path), job("waiting", tmp_path)])
    waiting.stop()
    queue.started[0].ending = 0
    assert (running.status(), waiting.status(), len(queue.started)) == (0, STOPPED, 1)
