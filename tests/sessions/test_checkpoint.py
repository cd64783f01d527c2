"""Checkpoints written beside training: which are written, and what becomes of errors, stops and threads."""

import os
import signal
import threading
import time

import pytest

from vcl.errors import Interrupted, RunFolderError, TrainingError
from vcl.run import run_clips
from vcl.rundir import RunFolder

STEPS = 3 * 3 + 3 * 2 + 3 * 3
"""Of the tiny config's sessions of 5, 4 and 6 frames, 2 a step, 3 epochs."""


@pytest.fixture
def checkpoints(monkeypatch):
    """Notes of the checkpoints that were written, in order; ``slow`` and ``fail`` say by session and step how."""

    class Written(list):
        slow, fail = staticmethod(lambda notes: 0), staticmethod(lambda notes: None)

    written, write = Written(), RunFolder.write_checkpoint

    def watched(folder, tensors, notes):
        assert threading.current_thread() is not threading.main_thread()
        time.sleep(written.slow(notes))
        written.fail(notes)
        write(folder, tensors, notes)
        written.append((notes["session"], notes["step"]))

    monkeypatch.setattr(RunFolder, "write_checkpoint", watched)
    return written


def run_tiny(tmp_path, config, clips, listener=lambda event: None):
    try:
        return run_clips(config, clips, tmp_path / "run", lambda _: [listener])
    finally:
        assert [thread.name for thread in threading.enumerate() if thread.name == "checkpoint"] == []
        assert list((tmp_path / "run").rglob("*.part")) == []


def config_of(tiny_config, seconds, **train):
    return tiny_config("wsn", train={"checkpoint_seconds": seconds, **train}, matrix={"upper": False})


def test_zero_seconds_save_every_step_and_every_end_of_a_session(tmp_path, tiny_config, clips, checkpoints):
    run_tiny(tmp_path, config_of(tiny_config, 0), clips)
    steps = [(session, step) for session, count in enumerate((9, 6, 9)) for step in (*range(1, count + 1), count)]
    assert checkpoints == steps
    assert len(steps) == STEPS + 3


def test_training_goes_on_while_a_checkpoint_is_written_and_saves_do_not_queue(
    tmp_path, tiny_config, clips, checkpoints
):
    checkpoints.slow = lambda notes: 0.5 if notes["step"] == 1 else 0
    seen = []
    config = config_of(tiny_config, 1e-9, epochs=2)

    def listener(event):
        if event["kind"] == "epoch":
            seen.append((event["session"], event["step"], list(checkpoints)))

    run_tiny(tmp_path, config, clips[:1], listener)
    assert seen[0] == (0, 3, [])  # An epoch has ended before the checkpoint of its first step is on disk.
    assert checkpoints[0] == (0, 1)
    assert checkpoints[-1] == (0, 6)
    assert len(checkpoints) < 6


def test_the_checkpoint_of_a_session_is_on_disk_before_its_session_is(tmp_path, tiny_config, clips, checkpoints):
    checkpoints.slow = lambda notes: 0.2
    seen = []

    def listener(event):
        if event["kind"] == "session":
            seen.append((event["session"], checkpoints[-1], RunFolder(tmp_path / "run").sessions()))

    run_tiny(tmp_path, config_of(tiny_config, 1000), clips[:2], listener)
    assert seen == [(0, (0, 9), 0), (1, (1, 6), 1)]


@pytest.mark.parametrize("seconds", [0, 1000])
def test_a_full_disk_ends_the_run_in_one_line_and_the_checkpoint_before_is_whole(
    tmp_path, tiny_config, clips, checkpoints, monkeypatch, seconds
):
    fsync = os.fsync

    def full(number):
        if threading.current_thread().name == "checkpoint" and (1, 6) > checkpoints[-1] >= (0, 9):
            raise OSError(28, "No space left on device")
        fsync(number)

    checkpoints.append((-1, 0))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFolderError, match=r"^[^\n]*No space left on device$"):
        run_tiny(tmp_path, config_of(tiny_config, seconds), clips)
    notes = RunFolder(tmp_path / "run").checkpoint_notes()
    assert (notes["session"], notes["step"]) == (0, 9)


def test_memory_that_ran_out_in_the_thread_is_raised_as_itself(tmp_path, tiny_config, clips, checkpoints):
    def fail(notes):
        raise MemoryError

    checkpoints.fail = fail
    with pytest.raises(MemoryError):
        run_tiny(tmp_path, config_of(tiny_config, 1000), clips)


def test_a_stop_waits_for_its_own_checkpoint(tmp_path, tiny_config, clips, checkpoints):
    checkpoints.slow = lambda notes: 0.1

    def listener(event):
        if event["kind"] == "epoch":
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match=r"^stopped in session 0, step 3$"):
        run_tiny(tmp_path, config_of(tiny_config, 1000), clips, listener)
    assert checkpoints == [(0, 3)]


def test_an_exception_in_training_waits_for_the_checkpoint_that_is_being_written(
    tmp_path, tiny_config, clips, checkpoints
):
    checkpoints.slow = lambda notes: 0.3

    def listener(event):
        if event["kind"] == "epoch":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_tiny(tmp_path, config_of(tiny_config, 1e-9), clips, listener)
    assert checkpoints == [(0, 1)]


def test_a_state_that_is_no_longer_finite_never_replaces_a_checkpoint(tmp_path, tiny_config, clips, checkpoints):
    checkpoints.slow = lambda notes: 0.05
    config = config_of(tiny_config, 0, lr=1e38, loss="l2", epochs=20, batch=1)
    with pytest.raises(TrainingError, match=r"last good checkpoint: session 0, step (\d+) ") as stopped:
        run_tiny(tmp_path, config, clips)
    tensors, notes = RunFolder(tmp_path / "run").read_checkpoint()
    assert f"step {notes['step']} " in str(stopped.value)
    assert tensors["means"].isfinite().all()
