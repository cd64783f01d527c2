import io
import logging
import sys

import pytest
from fake_run import NAMES, a_matrix, closed, epoch
from rich.console import Console

from vcl.listeners.progress import Progress, counting


def start(resumed=False):
    return {"kind": "start", "time": 0.0, "videos": list(NAMES[:3]), "sessions": 3, "resumed": resumed}


def step(session, number, steps=8):
    return {
        "kind": "step",
        "session": session,
        "epoch": 0,
        "epochs": 2,
        "step": number,
        "steps": steps,
        "video": "bear",
    }


def row(session):
    return {"kind": "row", **a_matrix()["rows"][session]}


def a_run(progress):
    progress(start())
    for s in range(3):
        progress(step(s, 1))
        progress(epoch(s, 0, psnr=20.5))
        progress(epoch(s, 1, psnr=21.25))
        progress(closed(s, NAMES[s]))
        progress(row(s))
    progress({"kind": "end", "time": 1.0})


@pytest.fixture
def terminal():
    return Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)


@pytest.fixture
def pipe():
    return Console(file=io.StringIO(), force_terminal=False)


def test_where_there_is_no_terminal_a_run_is_a_line_for_what_matters(pipe, caplog):
    caplog.set_level(logging.INFO, "vcl")
    with Progress(pipe) as progress:
        a_run(progress)
    assert caplog.messages == [
        "3 sessions: bear, camel, swan",
        "session 0 bear: 8 steps in 2 epochs",
        "session 0 bear: epoch 1 of 2, 20.50 dB, loss 0.1, 10 s",
        "session 0 bear: epoch 2 of 2, 21.25 dB, loss 0.1, 20 s",
        "session 0 bear: trained in 25 s, 70 % of the weights are free",
        "session 0 bear: 30.00 dB",
        "session 1 camel: 8 steps in 2 epochs",
        "session 1 camel: epoch 1 of 2, 20.50 dB, loss 0.1, 10 s",
        "session 1 camel: epoch 2 of 2, 21.25 dB, loss 0.1, 20 s",
        "session 1 camel: trained in 25 s, 49 % of the weights are free",
        "session 1 camel: 32.00 dB, average 29.00 dB over 2 videos",
        "session 2 swan: 8 steps in 2 epochs",
        "session 2 swan: epoch 1 of 2, 20.50 dB, loss 0.1, 10 s",
        "session 2 swan: epoch 2 of 2, 21.25 dB, loss 0.1, 20 s",
        "session 2 swan: trained in 25 s, 28 % of the weights are free",
        "session 2 swan: 35.00 dB, average 31.33 dB over 3 videos",
    ]
    assert pipe.file.getvalue() == ""


def test_a_resumed_run_says_so(pipe, caplog):
    caplog.set_level(logging.INFO, "vcl")
    with Progress(pipe) as progress:
        progress(start(resumed=True))
    assert caplog.messages == ["resumed, 3 sessions: bear, camel, swan"]


@pytest.mark.parametrize(("epochs", "lines"), [(1, 1), (3, 3), (10, 10), (25, 10), (150, 10)])
def test_a_session_takes_ten_lines_of_epochs_at_most_and_ends_with_one(pipe, caplog, epochs, lines):
    caplog.set_level(logging.INFO, "vcl")
    with Progress(pipe) as progress:
        for number in range(epochs):
            progress(epoch(0, number, epochs=epochs, steps=epochs))
    plural = "s" * (epochs > 1)
    assert len(caplog.messages) == 1 + lines
    assert caplog.messages[0] == f"session 0: {epochs} step{plural} in {epochs} epoch{plural}"
    assert f"epoch {epochs} of {epochs}" in caplog.messages[-1]


def test_that_rehearsal_makes_fewer_epochs_for_the_same_work_is_said_once_a_run(pipe, caplog):
    caplog.set_level(logging.INFO, "vcl")
    with Progress(pipe, epochs=4) as progress:
        for session, epochs in enumerate((4, 2, 2)):
            progress(epoch(session, 0, epochs=epochs))
    lines = [line for line in caplog.messages if "same work" in line]
    assert lines == ["session 1 makes 2 of 4 epochs, for the same work: its steps also train on earlier videos"]


def test_a_run_that_is_to_be_quiet_says_nothing_of_fewer_epochs(pipe, caplog):
    caplog.set_level(logging.INFO, "vcl")
    with Progress(pipe, quiet=True, epochs=4) as progress:
        progress(epoch(1, 0, epochs=2))
    assert caplog.messages == []


def test_a_method_without_masks_says_nothing_of_free_weights(pipe, caplog):
    caplog.set_level(logging.INFO, "vcl")
    with Progress(pipe) as progress:
        progress(closed(0, "bear", layers=False))
    assert caplog.messages == ["session 0: trained in 25 s"]


def test_on_a_terminal_bars_show_session_video_epoch_and_psnr(terminal, caplog):
    caplog.set_level(logging.INFO, "vcl")
    with Progress(terminal) as progress:
        progress(start())
        progress(step(0, 1))
        progress(epoch(0, 0, psnr=20.5))
        progress._show._bars.refresh()
        shown = terminal.file.getvalue()
        assert "session 0 bear" in shown
        assert "epoch 1/2" in shown
        assert "20.50 dB" in shown
        assert "50%" in shown
        assert "0 of 3 sessions closed" in shown
        assert "-:--:--" in shown or "0:00:" in shown
    assert caplog.messages == []


def test_on_a_terminal_a_line_for_each_measured_session_stays(terminal):
    with Progress(terminal) as progress:
        a_run(progress)
    shown = terminal.file.getvalue()
    assert "session 2 swan: 35.00 dB, average 31.33 dB over 3 videos" in shown
    # The bars give way at the end: the cursor goes up and the lines are erased.
    assert shown.rstrip().endswith("\x1b[2K")


def test_the_run_s_bar_counts_sessions_and_what_is_done_of_the_one_that_goes_on(terminal):
    with Progress(terminal) as progress:
        progress(start(resumed=True))
        progress(step(2, 2, steps=8))
        run, session = progress._show._bars.tasks
        assert (run.completed, run.total) == (2.25, 3)
        assert (session.completed, session.total) == (2, 8)
        assert session.description == "session 2 swan"


def test_a_new_session_starts_its_bar_anew(terminal):
    with Progress(terminal) as progress:
        progress(start())
        progress(epoch(0, 1, steps=8))
        progress(step(1, 1, steps=20))
        run, session = progress._show._bars.tasks
        assert (run.completed, session.completed, session.total) == (1.05, 1, 20)
        assert session.description == "session 1 camel"


def test_what_is_logged_while_bars_are_shown_goes_above_them(terminal, monkeypatch):
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    handler = logging.StreamHandler(stderr)
    logging.getLogger().addHandler(handler)
    try:
        with Progress(terminal):
            logging.getLogger("vcl.test").warning("a word")
            assert handler.stream is not stderr
        assert handler.stream is stderr
    finally:
        logging.getLogger().removeHandler(handler)
    assert "a word" in terminal.file.getvalue()
    assert stderr.getvalue() == ""


@pytest.mark.parametrize("console", ["terminal", "pipe"])
def test_quiet_says_nothing(console, request, caplog):
    caplog.set_level(logging.INFO, "vcl")
    console = request.getfixturevalue(console)
    with Progress(console, quiet=True) as progress:
        a_run(progress)
    assert caplog.messages == []
    assert console.file.getvalue() == ""


def test_a_run_that_fails_leaves_no_bars_behind(terminal):
    def fail(progress):
        progress(start())
        progress(step(0, 1))
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"), Progress(terminal) as progress:
        fail(progress)
    assert terminal._live_stack == []


def a_count(progress):
    for name, frames in (("bear", 3), ("camel", 2)):
        for done in range(frames + 1):
            progress(name, done, frames if name == "bear" else None)


def test_counting_says_a_line_for_each_job_with_and_without_a_terminal(terminal, pipe, caplog):
    caplog.set_level(logging.INFO, "vcl")
    for console in (terminal, pipe):
        with counting(console) as progress:
            a_count(progress)
        assert caplog.messages == ["bear: 3 frames", "camel: 2 frames"]
        caplog.clear()
    assert "bear" in terminal.file.getvalue()
    assert "67%" not in terminal.file.getvalue()  # Of camel nobody knows how many frames it has.


def test_counting_nothing_says_nothing(pipe, caplog):
    with counting(pipe):
        pass
    assert caplog.messages == []


@pytest.mark.parametrize("name", ["clip [abc123]", "a[/b]", ":smile:"])
def test_names_in_brackets_stand_as_they_are(name, terminal):
    with counting(terminal) as tell:
        tell(name, 1, 3)
    assert name in terminal.file.getvalue()
    terminal.file.truncate(0)
    with Progress(terminal) as progress:
        progress({**start(), "videos": [name] * 3})
        progress(step(0, 1))
        progress(row(0))
    shown = terminal.file.getvalue()
    assert f"session 0 {name}: 30.00 dB" in shown
    assert f"session 0 {name} ━" in shown
