"""What the real client writes, read back from its files."""

import json
import logging
import os
import socket

import pytest
from fake_run import a_matrix, closed, epoch, probe
from wandb_client import history, offline_files, records, warnings_of, with_key

from vcl.config import WandbConfig
from vcl.listeners.tracking import open_tracking
from vcl.rundir import SessionNotes


@pytest.fixture
def no_network(monkeypatch):
    """The client speaks to its own service through a Unix socket; any other connection from here fails."""
    connect = socket.socket.connect

    def refuse(self, address):
        assert self.family == socket.AF_UNIX, f"a connection to {address}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_a_run_is_logged_offline_into_its_own_folder(make_run, no_network, capfd):
    folder = make_run(done=0)
    tracking = open_tracking(folder, folder.config())
    matrix = a_matrix()
    tracking({"kind": "start", "time": 0.0, "videos": matrix["videos"], "sessions": 3, "resumed": False})
    for s, row in enumerate(matrix["rows"]):
        tracking({"kind": "step", "session": s, "epoch": 0, "epochs": 2, "step": 1, "steps": 8, "video": "bear"})
        tracking(epoch(s, 0, psnr=20.0 + s, loss=0.5))
        tracking(epoch(s, 1, psnr=21.0 + s, loss=0.25))
        tracking(closed(s, matrix["videos"][s]))
        folder.write_session(s, {}, SessionNotes("a", 1, 3, "shared_masked"))
        folder.write_matrix({**matrix, "rows": matrix["rows"][: s + 1]})
        tracking({"kind": "row", **row})
    tracking(probe(1, 25.0, False))
    tracking(probe(1, 24.0, True))
    tracking({"kind": "end", "time": 1.0})

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
    tracking = open_tracking(folder, folder.config())
    tracking.close()
    metrics = [record.metric for record in records(offline_files(folder)[0]) if record.HasField("metric")]
    axes = {metric.glob_name: metric.step_metric for metric in metrics if metric.glob_name}
    assert axes["train/*"] == "train/step"
    assert axes["matrix/*"] == "matrix/session"


def test_the_config_and_the_run_folder_s_name_are_logged(make_run):
    folder = make_run("pfnr-30", done=1, wandb=WandbConfig(project="clips", tags=("night",)))
    tracking = open_tracking(folder, folder.config())
    tracking.close()
    run = next(record.run for record in records(offline_files(folder)[0]) if record.HasField("run"))
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["method"] == {
        **{"name": "wsn", "bits": None, "quantised_share": 0.2, "capacity": 0.3, "mask_unit": "weight"},
        **{"mask_rate": 0.0, "reinit": True},
    }
    assert config["stream"]["size"] == [18, 32]
    assert (run.display_name, run.project, list(run.tags)) == ("pfnr-30", "clips", ["night"])


def test_a_run_that_goes_on_keeps_its_id_and_tells_everything_once(make_run):
    folder = make_run(done=2)
    before = open_tracking(folder, folder.config())
    before.close()
    after = open_tracking(folder, folder.config())
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


def test_online_without_a_key_is_offline_and_says_so_once(make_run, no_network, caplog):
    caplog.set_level(logging.INFO, "vcl")
    folder = make_run(done=1, wandb=WandbConfig(mode="online"))
    tracking = open_tracking(folder, folder.config())
    tracking.close()
    assert warnings_of(caplog) == ["W&B has no API key: the run is logged offline, into its own folder"]
    assert len(offline_files(folder)) == 1


def test_names_that_are_not_unicode_are_logged(make_run):
    folder = make_run(names=["caf\udce9", "a\tb", "swan"], done=1)
    tracking = open_tracking(folder, folder.config())
    tracking.close()
    (row,) = with_key(history(offline_files(folder)[0]), "matrix/session")
    assert row["matrix/psnr/caf\\udce9"] == 30
    assert "frames/caf\\udce9" in row


def test_nothing_reports_on_the_machine(make_run):
    folder = make_run(done=1)
    tracking = open_tracking(folder, folder.config())
    tracking.close()
    files = {path.name for path in (folder.path / "wandb").rglob("*") if path.is_file()}
    assert files.isdisjoint({"requirements.txt", "wandb-metadata.json", "output.log"})
    assert os.environ["WANDB_ERROR_REPORTING"] == "false"
