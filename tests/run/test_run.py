"""Whole runs, in this process, on real files."""

import json
import shutil

import numpy as np
import pytest
import torch

from vcl.device import choose_device
from vcl.errors import ConfigError, ForgettingError, RunFolderError, TrainingError, VideoError
from vcl.report.terminal import proof_line
from vcl.run import run
from vcl.rundir import RunFolder
from vcl.video.pixels import write_png


@pytest.mark.parametrize("method", ["pfnr", "wsn", "single"])
def test_methods_that_promise_it_forget_nothing_to_the_bit(finished, method):
    _, folder = finished(method)
    rows = folder.matrix()["rows"]
    for session, row in enumerate(rows):
        for video in range(session + 1):
            assert row["sha256"][video] == rows[video]["sha256"][video]
            assert row["state_sha256"][video] == rows[video]["state_sha256"][video]
            assert row["psnr"][video] == rows[video]["psnr"][video]


def test_finetune_forgets_and_the_run_goes_on(finished):
    _, folder = finished("finetune", train={"epochs": 20})
    rows = folder.matrix()["rows"]
    assert rows[2]["psnr"][0] < rows[0]["psnr"][0] - 1
    assert rows[2]["sha256"][0] != rows[0]["sha256"][0]


def test_a_finished_run_is_not_run_again(finished):
    config, folder = finished()
    before = (folder.path / "matrix.json").read_bytes()
    sessions = [path.stat().st_mtime_ns for path in sorted((folder.path / "sessions").iterdir())]
    epochs = len(folder.events_path.read_text().splitlines())
    run(config, folder.path)
    assert (folder.path / "matrix.json").read_bytes() == before
    assert [path.stat().st_mtime_ns for path in sorted((folder.path / "sessions").iterdir())] == sessions
    assert len(folder.events_path.read_text().splitlines()) == epochs


def test_a_session_that_changed_on_disk_ends_the_run(finished):
    config, folder = finished()
    tensors, notes = folder.read_session(0)
    tensors["weight/fc2.weight"][0] += 1
    folder.write_session(0, tensors, notes)
    matrix = folder.matrix()
    matrix["rows"].pop()
    folder.write_matrix(matrix)
    with pytest.raises(RunFolderError, match=r"the numbers of session 0 \(clip0\) must be those that were sealed"):
        run(config, folder.path)
    assert len(folder.matrix()["rows"]) == 2


def test_a_run_that_goes_on_on_another_machine_is_held_to_its_numbers(finished, caplog):
    config, folder = finished()
    matrix = folder.matrix()
    matrix["rows"].pop()
    matrix["rows"][0]["machine"]["cpu"] = "another"
    matrix["rows"][0]["sha256"][0] = "0" * 64
    folder.write_matrix(matrix)
    run(config, folder.path)
    assert "clip0 was sealed on another machine, and its frames differ in bits here" in caplog.text
    assert proof_line(folder.matrix()) == (
        "nothing forgotten: the numbers of all earlier videos are as sealed; sealed on another machine: clip0"
    )
    matrix["rows"][0]["state_sha256"][0] = "0" * 64
    folder.write_matrix(matrix)
    with pytest.raises(ForgettingError, match="but the SHA-256 of its weights was 0000"):
        run(config, folder.path)


@pytest.mark.parametrize("method", ["pfnr", "finetune"])
def test_a_run_whose_checkpoint_is_gone_does_not_go_on_from_nothing(tmp_path, tiny_config, stream, method):
    class StoppedError(Exception):
        pass

    def stop(event):
        if event["kind"] == "row" and event["session"] == 0:
            raise StoppedError

    config = tiny_config(method, stream=stream, train={"epochs": 1})
    with pytest.raises(StoppedError):
        run(config, tmp_path / "run", lambda _: [stop])
    (tmp_path / "run" / "checkpoint.safetensors").unlink()
    with pytest.raises(RunFolderError, match="must have the checkpoint of session 0 to train session 1, found none"):
        run(config, tmp_path / "run")
    assert RunFolder(tmp_path / "run").sessions() == 1


def test_a_run_goes_on_where_its_videos_were_moved_but_not_where_they_changed(tmp_path, tiny_config, stream):
    config = tiny_config(stream=stream)
    folder = run(config, tmp_path / "run")
    shutil.copytree(stream["root"], tmp_path / "moved")
    moved = tiny_config(stream={**stream, "root": str(tmp_path / "moved")})
    matrix = folder.matrix()
    matrix["rows"].pop()
    folder.write_matrix(matrix)
    run(moved, folder.path)
    assert len(folder.matrix()["rows"]) == 3
    write_png(tmp_path / "moved" / "clip1" / "0.png", np.zeros((3, 32, 48), np.uint8))
    folder.write_matrix(matrix)
    with pytest.raises(RunFolderError, match="began with other frames of clip1"):
        run(moved, folder.path)


def test_disk_grows_by_what_a_session_adds(finished):
    _, folder = finished()
    sizes = [folder.session_bytes(session) for session in range(3)]
    masked = sum(share["total"] for share in folder.events("session")[0]["layers"])
    assert all(size["mask"] < masked / 8 + 16 for size in sizes)
    assert all(size["session"] == sizes[0]["session"] for size in sizes)
    new = [sum(share["new"] for share in event["layers"]) for event in folder.events("session")]
    assert [size["weight"] for size in sizes] == [4 * count for count in new]


def test_shares_of_a_layer_add_up(finished):
    _, folder = finished(method={"capacity": 0.25})
    free = None
    for event in folder.events("session"):
        for share in event["layers"]:
            assert share["used"] == max(1, round(0.25 * share["total"])) == share["reused"] + share["new"]
        now = sum(share["free"] for share in event["layers"])
        assert free is None or now == free - sum(share["new"] for share in event["layers"])
        free = now


def test_a_loss_that_is_no_number_ends_the_run_and_names_the_last_good_checkpoint(tmp_path, tiny_config, stream):
    config = tiny_config("finetune", stream=stream, train={"epochs": 4, "lr": 1e38, "loss": "l2"})
    line = r"session 0, epoch \d: the loss is no longer finite; last good checkpoint: none"
    with pytest.raises(TrainingError, match=line):
        run(config, tmp_path / "run")
    assert RunFolder(tmp_path / "run").sessions() == 0


def test_bfloat16_trains_and_decodes(finished):
    _, folder = finished("pfnr", train={"precision": "bfloat16"})
    assert len(folder.matrix()["rows"]) == 3


def test_scores_that_are_not_drawn_anew_give_another_second_session(finished):
    _, drawn = finished("wsn")
    _, kept = finished("wsn", method={"reinit": False})
    masks = [[folder.read_session(session)[0]["mask/fc2.weight"] for folder in (drawn, kept)] for session in (0, 1)]
    assert torch.equal(*masks[0])
    assert not torch.equal(*masks[1])


def test_a_missing_video_leaves_no_run_folder(tmp_path, tiny_config, stream):
    config = tiny_config(stream={**stream, "videos": ["clip0", "clip9"]})
    with pytest.raises(VideoError, match="clip9"):
        run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_size_that_no_network_can_make_leaves_no_run_folder(tmp_path, tiny_config, stream):
    config = tiny_config(stream={**stream, "size": [33, 48]})
    with pytest.raises(ConfigError, match="multiples of 4"):
        run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_whose_video_is_gone_names_what_it_began_with(tmp_path, tiny_config, stream):
    folder = run(tiny_config(stream={**stream, "frames": 2}, train={"epochs": 1}), tmp_path / "run")
    shutil.copytree(stream["root"], tmp_path / "fewer")
    shutil.rmtree(tmp_path / "fewer" / "clip1")
    fewer = tiny_config(stream={**stream, "frames": 2, "root": str(tmp_path / "fewer")}, train={"epochs": 1})
    with pytest.raises(RunFolderError, match="began with the videos clip0, clip1, clip2, but there are clip0, clip2"):
        run(fewer, folder.path)


def test_listeners_see_each_event_after_the_folder_has_it(tmp_path, tiny_config, stream):
    config = tiny_config(stream=stream)
    seen = []

    def listeners(folder):
        def listen(event):
            if event["kind"] != "step":
                assert json.loads(folder.events_path.read_text().splitlines()[-1]) == event
            if event["kind"] == "row":
                assert len(folder.matrix()["rows"]) == event["session"] + 1
            seen.append(event["kind"])

        return [listen]

    run(config, tmp_path / "run", listeners)
    assert [kind for kind in seen if kind in ("start", "session", "row", "end")] == ["start"] + [
        "session",
        "row",
    ] * 3 + ["end"]


def test_a_device_that_is_not_here_is_refused():
    with pytest.raises(ConfigError, match=r"train.device must be on this machine, got cuda:99"):
        choose_device("cuda:99")


@pytest.mark.gpu
def test_a_run_on_a_gpu_forgets_nothing(finished):
    _, folder = finished(train={"device": "cuda"})
    rows = folder.matrix()["rows"]
    assert rows[2]["sha256"][0] == rows[0]["sha256"][0]
