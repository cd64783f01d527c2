"""What is logged, and what is left out."""

from collections import Counter
from importlib import import_module

import pytest
from fake_run import TOGETHER, epoch
from wandb_client import with_key

from vcl.config import FinetuneConfig
from vcl.listeners.tracking import open_tracking
from vcl.report.figures.plot import plot_run
from vcl.run import run


def test_what_the_server_has_is_not_sent_again(make_run, client):
    client.summary = {"train/step": 12, "matrix/session": 0, "shares/session": 1}
    folder = make_run(done=2)
    open_tracking(folder, folder.config())
    lines = client.run.lines
    assert [line["train/step"] for line in with_key(lines, "train/step")] == [16]
    assert [line["matrix/session"] for line in with_key(lines, "matrix/session")] == [1]
    assert with_key(lines, "shares/session") == []


def test_sessions_of_different_lengths_follow_each_other_on_one_axis(make_run, client):
    folder = make_run(done=0)
    tracking = open_tracking(folder, folder.config())
    for event in (epoch(0, 1, steps=10), epoch(1, 0, steps=40), epoch(1, 1, steps=40), epoch(2, 1, steps=2)):
        tracking(event)
    assert [line["train/step"] for line in client.run.lines] == [10, 30, 50, 52]


def test_the_end_of_the_run_is_the_end_of_the_listener(make_run, client):
    folder = make_run(done=1)
    tracking = open_tracking(folder, folder.config())
    count = len(client.run.lines)
    tracking({"kind": "end", "time": 1.0})
    tracking(epoch(1, 0))
    assert client.run.finished
    assert len(client.run.lines) == count


def test_pictures_come_from_the_frames_that_the_run_saved(make_run, client, monkeypatch):
    def never(*_, **__):
        raise AssertionError("a stream or a decoder was opened")

    monkeypatch.setattr("vcl.report.figures.frames.open_stream", never)
    monkeypatch.setattr("vcl.report.figures.frames.Decoder.of_run", never)
    folder = make_run(done=1)
    open_tracking(folder, folder.config())
    (row,) = with_key(client.run.lines, "matrix/session")
    assert "frames/bear" in row


@pytest.mark.parametrize(("done", "pictures"), [(3, [False, False, True]), (2, [False, False])])
def test_videos_that_wait_for_the_last_have_no_pictures(make_run, client, done, pictures):
    folder = make_run("joint", FinetuneConfig(), TOGETHER, done=done, state_kind="shared_latest")
    open_tracking(folder, folder.config())
    rows = with_key(client.run.lines, "matrix/session")
    assert ["matrix/figure" in line for line in rows] == pictures


def test_a_watched_run_and_its_figures_open_the_stream_once(tiny_config, stream, client, tmp_path, monkeypatch):
    calls = Counter()

    def counted(path):
        module, name = path.rsplit(".", 1)
        original = getattr(import_module(module), name)

        def call(*args):
            calls[name] += 1
            return original(*args)

        monkeypatch.setattr(path, call)

    counted("vcl.datasets.stream.difficulty")
    counted("vcl.report.figures.frames.open_stream")
    counted("vcl.run.open_stream")
    monkeypatch.setattr("vcl.report.figures.style.figure_bytes", lambda figure, kind: b"not rendered")
    config = tiny_config(
        stream={**stream, "order": "easy_to_hard"},
        wandb={"mode": "offline"},
        train={"epochs": 1},
        matrix={"upper": False},
    )
    folder = run(config, tmp_path / "run", lambda folder: [open_tracking(folder, config)])
    rows = with_key(client.run.lines, "matrix/session")
    assert sum(key.startswith("frames/") for line in rows for key in line) == 3
    assert {"frames.png", "first_video.png"} <= {path.name for path in plot_run(folder)}
    assert calls == {"open_stream": 1, "difficulty": 3}
