"""That nothing which goes wrong in the listener ends the run."""

import pytest
from fake_run import epoch
from wandb_client import ERRORS, warnings_of, with_key

from vcl.listeners.tracking import open_tracking


def failing(error):
    def fail(*_):
        raise error

    return fail


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("method", ["log", "finish"])
def test_a_client_that_fails_later_does_not_stop_the_run(make_run, client, caplog, error, method):
    folder = make_run(done=0)
    tracking = open_tracking(folder, folder.config())
    setattr(client.run, method, failing(error))
    tracking(epoch(0, 0))
    tracking(epoch(0, 1))
    tracking({"kind": "end", "time": 1.0})
    tracking.close()
    (line,) = warnings_of(caplog)
    assert line.startswith("W&B stopped, the run goes on without it: ")


def test_a_disk_that_is_full_is_warned_of_once_and_nothing_is_logged_after(make_run, client, caplog):
    folder = make_run(done=0)
    tracking = open_tracking(folder, folder.config())
    log = client.run.log
    client.run.log = failing(OSError(28, "No space left on device"))
    tracking(epoch(0, 0))
    client.run.log = log
    tracking(epoch(0, 1))
    assert warnings_of(caplog) == ["W&B stopped, the run goes on without it: [Errno 28] No space left on device"]
    assert client.run.lines == []


def test_a_run_folder_that_cannot_be_read_does_not_stop_the_run(make_run, client, caplog):
    folder = make_run(done=0)
    tracking = open_tracking(folder, folder.config())
    (folder.path / "matrix.json").mkdir()
    tracking({"kind": "row", "session": 0})
    (line,) = warnings_of(caplog)
    assert line.startswith("W&B stopped, the run goes on without it: ")
    assert "matrix.json" in line


def test_the_user_can_stop_while_the_client_works(make_run, client):
    folder = make_run(done=0)
    tracking = open_tracking(folder, folder.config())
    client.run.log = failing(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        tracking(epoch(0, 0))
    tracking.close()
    assert client.run.finished


def test_a_run_that_saved_no_frames_is_logged_without_them(make_run, client, caplog):
    folder = make_run(done=1)
    folder.frame_path(0, "decoded").unlink()
    open_tracking(folder, folder.config())
    (row,) = with_key(client.run.lines, "matrix/session")
    assert row["matrix/average"] == 30
    assert "matrix/figure" in row
    assert "W&B: no frames of session 0: " in caplog.text
    assert "000_decoded.png" in caplog.text


def test_a_picture_that_cannot_be_drawn_leaves_the_numbers(make_run, client, monkeypatch, caplog):
    monkeypatch.setattr("vcl.listeners.tracking.matrix_figure", failing(RuntimeError("no font\nat all")))
    folder = make_run(done=1)
    open_tracking(folder, folder.config())
    (row,) = with_key(client.run.lines, "matrix/session")
    assert row["matrix/average"] == 30
    assert warnings_of(caplog) == ["W&B: no frames of session 0: no font at all"]
