"""Whole runs, in this process, on real files."""

import hashlib
import json
import math
import shutil

import numpy as np
import pytest
import torch
from on_device import decoder_of

from vcl.device import choose_device
from vcl.errors import ConfigError, ForgettingError, RunFolderError, TrainingError, VideoError
from vcl.evaluate import measure_video
from vcl.metrics import quality
from vcl.report.summary import summarise
from vcl.report.terminal import matrix_text, proof_line
from vcl.run import run, run_clips
from vcl.rundir import RunFolder
from vcl.video.cache import Clip
from vcl.video.pixels import read_png, to_uint8, write_png

METRICS = ("psnr", "ssim", "ms_ssim")


@pytest.fixture
def finished(tmp_path, finished_run):
    """Call with a method's name and changes to the tiny config; gives the config and a copy of the finished folder."""

    def make(name="pfnr", **sections):
        config, folder = finished_run(name, **sections)
        copy = tmp_path / f"run-{len(list(tmp_path.glob('run-*')))}"
        return config, RunFolder.existing(shutil.copytree(folder.path, copy))

    return make


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


def test_every_cell_is_measured_and_small_frames_have_no_ms_ssim(finished):
    _, folder = finished()
    matrix = folder.matrix()
    assert matrix["videos"] == ["clip0", "clip1", "clip2"]
    assert matrix["frames"] == [5, 4, 6]
    for row in matrix["rows"]:
        assert all(math.isfinite(cell) for metric in ("psnr", "ssim") for cell in row[metric])
        assert row["ms_ssim"] == [None, None, None]
        assert row["sha256"].count(None) == 2 - row["session"]


def test_a_cell_is_what_numpy_finds_from_the_decoded_frames(finished, clips):
    _, folder = finished()
    decoder = decoder_of(folder, 2)
    decoded = torch.cat(list(decoder.frames(1)))
    pixels = np.rint(decoded.cpu().numpy().clip(0, 1) * 255) / 255
    errors = ((pixels - clips[1].frames / 255) ** 2).mean((1, 2, 3))
    assert folder.matrix()["rows"][2]["psnr"][1] == pytest.approx((-10 * np.log10(errors)).mean(), abs=1e-4)


@pytest.mark.parametrize("method", ["pfnr", "finetune", "joint"])
def test_middle_frames_are_kept_true_and_as_decoded_when_their_video_was_learned(finished, clips, method):
    _, folder = finished(method)
    assert len(list(folder.frames.iterdir())) == 2 * len(clips)
    for video, clip in enumerate(clips):
        t = len(clip.frames) // 2
        decoded = to_uint8(decoder_of(folder, 2 if method == "joint" else video).frame(video, t)).cpu()
        assert np.array_equal(read_png(folder.frame_path(video, "true")), clip.frames[t])
        assert np.array_equal(read_png(folder.frame_path(video, "decoded")), decoded)


def test_every_metric_of_a_cell_is_the_mean_over_its_frames(clips):
    truth = torch.from_numpy(clips[2].frames)
    decoded = truth.roll(1, dims=3)
    cell = measure_video(decoded.float().div(255).split(4), clips[2])
    pair = quality.to_unit(decoded), quality.to_unit(truth)
    assert cell["psnr"] == pytest.approx(quality.psnr(*pair).double().mean().item())
    assert cell["ssim"] == pytest.approx(quality.ssim(*pair).double().mean().item())
    assert cell["ms_ssim"] is None
    assert cell["sha256"] == hashlib.sha256(decoded.numpy().tobytes()).hexdigest()


def test_videos_can_be_decoded_by_turns(finished):
    _, folder = finished()
    decoder = decoder_of(folder, 2)
    whole = [torch.cat(list(decoder.frames(video))) for video in (0, 2)]
    by_turns = list(zip(decoder.frames(0), decoder.frames(2), strict=True))
    assert len(by_turns) == 2
    for video, frames in enumerate(zip(*by_turns, strict=True)):
        assert torch.equal(torch.cat(frames), whole[video])


@pytest.mark.parametrize(("video", "t"), [(-1, 0), (3, 0), (0, 5), (0, -1)])
def test_a_frame_that_is_not_there_is_refused(finished, video, t):
    _, folder = finished(train={"epochs": 1})
    with pytest.raises(VideoError, match=r"must lie in 0\.\."):
        decoder_of(folder, 2).frame(video, t)


def test_a_video_still_to_come_is_decoded_with_the_latest_mask_and_its_own_index(finished, clips):
    _, folder = finished()
    decoder = decoder_of(folder, 0)
    decoded = to_uint8(torch.cat(list(decoder.frames(2, length=6)))).cpu()
    truth = torch.from_numpy(clips[2].frames)
    expected = float(quality.psnr(quality.to_unit(decoded), quality.to_unit(truth)).mean())
    assert folder.matrix()["rows"][0]["psnr"][2] == pytest.approx(expected, abs=1e-5)


def test_the_upper_triangle_stays_empty_when_it_is_not_asked_for(finished):
    _, folder = finished(matrix={"upper": False})
    assert folder.matrix()["rows"][0]["psnr"][1:] == [None, None]


def test_verifying_by_hash_measures_the_diagonal_and_the_last_row_as_decoding_all_does(finished):
    _, whole = finished()
    _, sampled = finished(matrix={"verify": "hash", "verify_frames": 1})
    for all_cells, row in zip(whole.matrix()["rows"], sampled.matrix()["rows"], strict=True):
        session = row["session"]
        measured = [0, 1, 2] if session == 2 else [session, *range(session + 1, 3)]
        for key in ("psnr", "ssim", "sha256"):
            assert row[key] == [all_cells[key][video] if video in measured else None for video in range(3)]
        assert row["state_sha256"] == all_cells["state_sha256"]
        assert row["sample_sha256"].count(None) == 2 - session
    assert len({row["sample_sha256"][0] for row in sampled.matrix()["rows"]}) == 1
    assert summarise(sampled).forgetting == 0
    assert matrix_text(sampled).splitlines()[-1].startswith("nothing forgotten: 2 of 2 earlier videos")


@pytest.mark.parametrize(
    ("frames", "batches"), [(1, [0]), (4, [0]), (5, [0, 4]), (9, [0, 2, 4]), (99, [0, 1, 2, 3, 4])]
)
def test_a_sample_is_whole_batches_from_the_beginning_to_the_end(tmp_path, tiny_config, frames, batches):
    noise = np.random.default_rng(0).integers(0, 256, (18, 3, 32, 48), np.uint8)
    config = tiny_config(train={"epochs": 1}, matrix={"verify": "hash", "verify_frames": frames})
    folder = run_clips(config, [Clip("noise", noise, "")], tmp_path / "run")
    decoded = to_uint8(torch.cat(list(decoder_of(folder, 0).frames(0)))).cpu().numpy()
    digest = hashlib.sha256(b"".join(decoded[4 * place : 4 * place + 4].tobytes() for place in batches)).hexdigest()
    assert folder.matrix()["rows"][0]["sample_sha256"] == [digest]


def test_a_sampled_video_that_decodes_differently_ends_the_run(finished):
    config, folder = finished(matrix={"verify": "hash"})
    matrix = folder.matrix()
    del matrix["rows"][1:]
    matrix["rows"][0]["sample_sha256"][0] = "0" * 64
    folder.write_matrix(matrix)
    with pytest.raises(ForgettingError, match=r"but the SHA-256 of its frames was 0000"):
        run(config, folder.path)


def test_a_method_that_forgets_cannot_be_verified_by_hash(tiny_config):
    with pytest.raises(ConfigError, match=r"matrix\.verify must be decode for finetune, which forgets, got hash"):
        tiny_config("finetune", matrix={"verify": "hash"})


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


@pytest.mark.parametrize("method", ["pfnr", "wsn", "packnet", "single"])
def test_forward_transfer_and_samples_go_together(finished, method):
    _, folder = finished(method, train={"epochs": 2}, matrix={"transfer_epochs": 1, "verify": "hash"})
    assert len(folder.events("probe")) == 5


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


def test_forward_transfer_is_probed_beside_a_network_from_scratch(finished):
    _, folder = finished(matrix={"transfer_epochs": 2})
    probes = {(event["session"], event["scratch"]): event for event in folder.events("probe")}
    assert set(probes) == {(0, False), (1, False), (1, True), (2, False), (2, True)}
    assert all(event["epoch"] == 2 for event in probes.values())


def test_a_probe_of_the_whole_first_session_is_its_cell_of_the_matrix(finished):
    _, folder = finished(matrix={"transfer_epochs": 3})
    probe = folder.events("probe")[0]["psnr"]
    # The probe measures floats, the matrix what they are rounded to.
    assert probe == pytest.approx(folder.matrix()["rows"][0]["psnr"][0], abs=0.02)


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
