import json
import logging
import os
import socket
import struct
import time
from collections import Counter
from importlib import import_module

import numpy as np
import pytest
import wandb
from fake_run import SIZE, TOGETHER, a_matrix, closed, epoch, probe
from wandb.proto import wandb_internal_pb2

import vcl.datasets.stream
import vcl.render
from vcl.config import FinetuneConfig, WandbConfig
from vcl.listeners.wandb import wandb_sink
from vcl.report.figures.plot import plot_run
from vcl.run import run
from vcl.rundir import SessionNotes
from vcl.video.pixels import write_png


@pytest.fixture
def make_run(make_run):
    """A run that has kept the middle frames of its three videos already."""

    def make(*args, **kwargs):
        folder = make_run(*args, **kwargs)
        for session in range(3):
            for kind, level in (("true", 100), ("decoded", 90)):
                write_png(folder.frame_path(session, kind), np.full((3, *SIZE), level, np.uint8))
        return folder

    return make


@pytest.fixture(autouse=True)
def no_account(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    # monkeypatch puts back what the sink sets.
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "true")
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))


@pytest.fixture
def no_network(monkeypatch):
    """The client speaks to its own service through a Unix socket; any other connection from here fails."""
    connect = socket.socket.connect

    def refuse(self, address):
        assert self.family == socket.AF_UNIX, f"a connection to {address}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)


def records(path):
    """All messages of a .wandb file, once the client's service has written the last one."""
    for _ in range(200):
        found = list(written(path))
        if found and found[-1].WhichOneof("record_type") == "exit":
            return found
        time.sleep(0.1)
    raise AssertionError(f"{path} was never finished")


def written(path):
    """Read a .wandb file: a header of 7 bytes, then LevelDB's log of blocks, each record a message."""
    data = path.read_bytes()
    at, whole = 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield wandb_internal_pb2.Record.FromString(whole)
            whole = b""


def offline_files(folder):
    return sorted((folder.path / "wandb").glob("offline-run-*/*.wandb"))


def history(path):
    """Every logged line as a dict; of a picture or a table what JSON says of it."""
    lines = []
    for record in records(path):
        if record.WhichOneof("record_type") == "history":
            line = {}
            for item in record.history.item:
                first, *rest = item.nested_key or [item.key]
                if rest:
                    line.setdefault(first, {})[rest[0]] = json.loads(item.value_json)
                else:
                    line[first] = json.loads(item.value_json)
            lines.append(line)
    return lines


def said(caplog):
    return [record.message for record in caplog.records if record.name.startswith("vcl.")]


def with_key(lines, key):
    return [line for line in lines if key in line]


def test_a_run_is_logged_offline_into_its_own_folder(make_run, no_network, capfd):
    folder = make_run(done=0)
    (sink,) = wandb_sink(folder, folder.config())
    matrix = a_matrix()
    sink({"kind": "start", "time": 0.0, "videos": matrix["videos"], "sessions": 3, "resumed": False})
    for s, row in enumerate(matrix["rows"]):
        sink({"kind": "step", "session": s, "epoch": 0, "epochs": 2, "step": 1, "steps": 8, "video": "bear"})
        sink(epoch(s, 0, psnr=20.0 + s, loss=0.5))
        sink(epoch(s, 1, psnr=21.0 + s, loss=0.25))
        sink(closed(s, matrix["videos"][s]))
        folder.write_session(s, {}, SessionNotes("a", 1, 3, "shared_masked"))
        folder.write_matrix({**matrix, "rows": matrix["rows"][: s + 1]})
        sink({"kind": "row", **row})
    sink(probe(1, 25.0, False))
    sink(probe(1, 24.0, True))
    sink({"kind": "end", "time": 1.0})

    (path,) = offline_files(folder)
    lines = history(path)
    epochs = with_key(lines, "train/step")
    assert [line["train/step"] for line in epochs] == [4, 8, 12, 16, 20, 24]
    assert [line["train/psnr"] for line in epochs] == [20, 21, 21, 22, 22, 23]
    assert [line["train/loss"] for line in epochs] == [0.5, 0.25] * 3
    assert epochs[0]["train/lr"] == 5e-4

    rows = with_key(lines, "matrix/session")
    assert [line["matrix/session"] for line in rows] == [0, 1, 2]
    assert [line["matrix/average"] for line in rows] == pytest.approx([30, 29, 94 / 3])
    assert "matrix/bwt" not in rows[0]
    assert [line["matrix/bwt"] for line in rows[1:]] == pytest.approx([-4, -1.5])
    assert [line["matrix/forgetting"] for line in rows[1:]] == pytest.approx([4, 1.5])
    assert [line["matrix/psnr/bear"] for line in rows] == [30, 26, 28]
    assert "matrix/psnr/camel" not in rows[0]
    assert rows[2]["matrix/average_ssim"] == pytest.approx(94 / 120)
    assert "matrix/average_ms_ssim" not in rows[2]
    assert rows[2]["matrix/table"]["nrows"] == 3
    assert [key for line in rows for key in line if key.startswith("frames/")] == [
        "frames/bear",
        "frames/camel",
        "frames/swan",
    ]
    for picture in (rows[2]["matrix/figure"], rows[1]["frames/camel"]):
        assert (path.parent / "files" / picture["path"]).stat().st_size > 1000
        assert picture["width"] > 300

    shares = with_key(lines, "shares/session")
    assert [line["shares/stem.0/new"] for line in shares] == pytest.approx([0.3, 0.21, 0.21])
    assert [line["shares/stem.0/used_by_others_only"] for line in shares] == pytest.approx([0, 0.21, 0.42])
    assert [line["transfer/psnr"] for line in with_key(lines, "transfer/session")] == [25]
    assert [line["scratch/psnr"] for line in with_key(lines, "scratch/session")] == [24]
    assert "".join(capfd.readouterr()) == ""


def test_each_group_of_charts_has_its_own_axis(make_run):
    folder = make_run(done=1)
    (sink,) = wandb_sink(folder, folder.config())
    sink.close()
    metrics = [record.metric for record in records(offline_files(folder)[0]) if record.HasField("metric")]
    axes = {metric.glob_name: metric.step_metric for metric in metrics if metric.glob_name}
    assert axes["train/*"] == "train/step"
    assert axes["matrix/*"] == "matrix/session"


def test_the_config_and_the_run_folder_s_name_are_logged(make_run):
    folder = make_run("pfnr-30", done=1, wandb=WandbConfig(project="clips", tags=("night",)))
    (sink,) = wandb_sink(folder, folder.config())
    sink.close()
    run = next(record.run for record in records(offline_files(folder)[0]) if record.HasField("run"))
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["method"] == {"name": "wsn", "capacity": 0.3, "reinit": True}
    assert config["stream"]["size"] == [18, 32]
    assert (run.display_name, run.project, list(run.tags)) == ("pfnr-30", "clips", ["night"])


def test_a_run_that_goes_on_keeps_its_id_and_tells_everything_once(make_run):
    folder = make_run(done=2)
    (before,) = wandb_sink(folder, folder.config())
    before.close()
    (after,) = wandb_sink(folder, folder.config())
    # The checkpoint was older than the last epoch, which is told again and then another.
    after(epoch(1, 1, psnr=99.0))
    after(epoch(2, 0, psnr=22.0))
    after.close()
    after.close()

    first, second = offline_files(folder)
    assert first.name == second.name == f"run-{(folder.path / 'wandb_id').read_text()}.wandb"
    lines = history(second)
    assert [line["train/step"] for line in with_key(lines, "train/step")] == [4, 8, 12, 16, 20]
    assert [line["train/psnr"] for line in with_key(lines, "train/step")] == [20, 21, 21, 22, 22]
    rows = with_key(lines, "matrix/session")
    assert [line["matrix/session"] for line in rows] == [0, 1]
    assert ["matrix/figure" in line for line in rows] == [False, True]


def test_what_the_server_has_is_not_sent_again(make_run, monkeypatch):
    init = wandb.init

    def resume(**arguments):
        run = init(**arguments)
        run.summary.update({"train/step": 12, "matrix/session": 0, "shares/session": 1})
        return run

    monkeypatch.setattr(wandb, "init", resume)
    folder = make_run(done=2)
    (sink,) = wandb_sink(folder, folder.config())
    sink.close()
    lines = history(offline_files(folder)[0])
    assert [line["train/step"] for line in with_key(lines, "train/step")] == [16]
    assert [line["matrix/session"] for line in with_key(lines, "matrix/session")] == [1]
    assert with_key(lines, "shares/session") == []


def test_sessions_of_different_lengths_follow_each_other_on_one_axis(make_run):
    folder = make_run(done=0)
    (sink,) = wandb_sink(folder, folder.config())
    for event in (epoch(0, 1, steps=10), epoch(1, 0, steps=40), epoch(1, 1, steps=40), epoch(2, 1, steps=2)):
        sink(event)
    sink.close()
    assert [line["train/step"] for line in with_key(history(offline_files(folder)[0]), "train/step")] == [
        10,
        30,
        50,
        52,
    ]


def test_a_run_that_kept_no_frames_is_told_without_them(make_run, caplog):
    folder = make_run(done=1)
    folder.frame_path(0, "decoded").unlink()
    (sink,) = wandb_sink(folder, folder.config())
    sink.close()
    (row,) = with_key(history(offline_files(folder)[0]), "matrix/session")
    assert row["matrix/average"] == 30
    assert "matrix/figure" in row
    assert "W&B gets no frames of session 0: " in caplog.text
    assert "000_decoded.png" in caplog.text


def test_a_picture_that_cannot_be_drawn_leaves_the_numbers(make_run, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("no font\nat all")

    monkeypatch.setattr("vcl.listeners.wandb.matrix_figure", fail)
    folder = make_run(done=1)
    (sink,) = wandb_sink(folder, folder.config())
    sink.close()
    (row,) = with_key(history(offline_files(folder)[0]), "matrix/session")
    assert row["matrix/average"] == 30
    assert said(caplog) == ["W&B gets no frames of session 0: no font at all"]


def test_pictures_come_from_the_frames_that_the_run_kept(make_run, monkeypatch):
    def never(*_, **__):
        raise AssertionError("a stream or a decoder was opened")

    monkeypatch.setattr("vcl.report.figures.frames.open_stream", never)
    monkeypatch.setattr("vcl.report.figures.frames.Decoder.of_run", never)
    folder = make_run(done=1)
    (sink,) = wandb_sink(folder, folder.config())
    sink.close()
    (row,) = with_key(history(offline_files(folder)[0]), "matrix/session")
    assert "frames/bear" in row


@pytest.mark.parametrize("grid", [False, True])
def test_a_run_is_called_as_its_folder_and_a_cell_of_a_grid_by_its_choices(make_run, monkeypatch, grid):
    asked = {}

    def start(**arguments):
        asked.update(arguments)
        raise wandb.Error("not in a test")

    monkeypatch.setattr(wandb, "init", start)
    folder = make_run("grids/pfnr/seed0", done=0)
    wandb_sink(folder, folder.config(), folder.path.parents[1] if grid else None)
    assert (asked["name"], asked["group"]) == (("pfnr/seed0", "grids") if grid else ("seed0", None))


def test_disabled_opens_nothing(make_run):
    folder = make_run(done=1, wandb=WandbConfig(mode="disabled"))
    assert wandb_sink(folder, folder.config()) == []
    assert not (folder.path / "wandb").exists()
    assert not (folder.path / "wandb_id").exists()


def test_online_without_a_key_is_offline_and_says_so_once(make_run, no_network, caplog):
    caplog.set_level(logging.INFO, "vcl")
    folder = make_run(done=1, wandb=WandbConfig(mode="online"))
    (sink,) = wandb_sink(folder, folder.config())
    sink.close()
    assert said(caplog) == ["W&B has no API key: the run is logged offline, into its own folder"]
    assert len(offline_files(folder)) == 1


@pytest.mark.parametrize("where", ["environment", "netrc"])
def test_online_with_a_key_goes_online(make_run, monkeypatch, tmp_path, where):
    asked = {}

    def start(**arguments):
        asked.update(arguments)
        raise wandb.Error("not in a test")

    monkeypatch.setattr(wandb, "init", start)
    if where == "environment":
        monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    else:
        monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        (tmp_path / "netrc").write_text(f"machine wandb.example login user password {'k' * 40}\n")
    folder = make_run(done=1, wandb=WandbConfig(mode="online"))
    assert wandb_sink(folder, folder.config()) == []
    assert asked["mode"] == "online"
    assert asked["resume"] == "allow"


ERRORS = [wandb.Error("no service"), OSError(28, "no space"), ValueError("a tag"), TypeError("x\ny"), RuntimeError()]
"""What the client was seen to raise, or might."""


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_client_that_does_not_start_does_not_stop_the_run(make_run, monkeypatch, caplog, error):
    def start(**_):
        raise error

    monkeypatch.setattr(wandb, "init", start)
    folder = make_run(done=1)
    assert wandb_sink(folder, folder.config()) == []
    (line,) = said(caplog)
    assert line.startswith("W&B does not start, the run goes on without it: ")
    assert "\n" not in line


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("method", ["log", "finish"])
def test_a_client_that_fails_later_does_not_stop_the_run(make_run, monkeypatch, caplog, error, method):
    folder = make_run(done=0)
    (sink,) = wandb_sink(folder, folder.config())
    run = sink._run

    def fail(*_):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(run, method, fail)
        sink(epoch(0, 0))
        sink(epoch(0, 1))
        sink({"kind": "end", "time": 1.0})
        sink.close()
    (line,) = said(caplog)
    assert line.startswith("W&B stopped, the run goes on without it: ")
    run.finish()


def test_the_user_can_stop_while_the_client_works(make_run, monkeypatch):
    folder = make_run(done=0)
    (sink,) = wandb_sink(folder, folder.config())

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sink._run, "log", stop)
        with pytest.raises(KeyboardInterrupt):
            sink(epoch(0, 0))
    sink.close()


def test_names_that_are_not_unicode_are_logged(make_run):
    folder = make_run(names=["caf\udce9", "a\tb", "swan"], done=1)
    (sink,) = wandb_sink(folder, folder.config())
    sink.close()
    (row,) = with_key(history(offline_files(folder)[0]), "matrix/session")
    assert row["matrix/psnr/caf\\udce9"] == 30
    assert "frames/caf\\udce9" in row


def test_nothing_reports_on_the_machine(make_run):
    folder = make_run(done=1)
    (sink,) = wandb_sink(folder, folder.config())
    sink.close()
    files = {path.name for path in (folder.path / "wandb").rglob("*") if path.is_file()}
    assert files.isdisjoint({"requirements.txt", "wandb-metadata.json", "output.log"})
    assert os.environ["WANDB_ERROR_REPORTING"] == "false"


def test_a_watched_run_and_its_figures_open_the_stream_once(tiny_config, stream, tmp_path, monkeypatch):
    calls = Counter()

    def counted(path):
        module, name = path.rsplit(".", 1)
        original = getattr(import_module(module), name)

        def call(*args):
            calls[name] += 1
            return original(*args)

        monkeypatch.setattr(path, call)

    counted("vcl.datasets.stream.difficulty")
    monkeypatch.setattr("vcl.report.figures.frames.open_stream", vcl.datasets.stream.open_stream)
    monkeypatch.setattr("vcl.report.figures.frames.Decoder", vcl.decode.Decoder)
    counted("vcl.report.figures.frames.open_stream")
    counted("vcl.run.open_stream")
    config = tiny_config(
        stream={**stream, "order": "easy_to_hard"},
        wandb={"mode": "offline"},
        train={"epochs": 1},
        matrix={"upper": False},
    )
    folder = run(config, tmp_path / "run", lambda folder: wandb_sink(folder, config))
    rows = with_key(history(offline_files(folder)[0]), "matrix/session")
    assert sum(key.startswith("frames/") for line in rows for key in line) == 3
    assert {"frames.png", "first_video.png"} <= {path.name for path in plot_run(folder)}
    assert calls == {"open_stream": 1, "difficulty": 3}


def test_videos_that_wait_for_the_last_have_no_pictures(make_run):
    folder = make_run("joint", FinetuneConfig(), TOGETHER, state_kind="shared_latest")
    (sink,) = wandb_sink(folder, folder.config())
    sink({"kind": "end", "time": 1.0})
    rows = with_key(history(offline_files(folder)[0]), "matrix/session")
    assert ["matrix/figure" in line for line in rows] == [False, False, True]

    waits = make_run("waits", FinetuneConfig(), TOGETHER, done=2, state_kind="shared_latest")
    (sink,) = wandb_sink(waits, waits.config())
    sink.close()
    rows = with_key(history(offline_files(waits)[0]), "matrix/session")
    assert ["matrix/figure" in line for line in rows] == [False, False]
