"""What is measured of a run: the cells of its matrix, the samples that verify it, forward transfer."""

import hashlib
import math

import numpy as np
import pytest
import torch
from on_device import decoder_of

from vcl.errors import ConfigError, ForgettingError, VideoError
from vcl.evaluate import measure_video
from vcl.metrics import quality
from vcl.report.summary import summarise
from vcl.report.terminal import matrix_text
from vcl.run import run, run_clips
from vcl.video.cache import Clip
from vcl.video.pixels import read_png, to_uint8


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


def test_a_batch_is_hashed_while_the_next_is_decoded_and_two_are_in_memory(clips, monkeypatch):
    order = []

    class Digest:
        def update(self, pixels):
            order.append(("hash", pixels[0, 0, 0, 0]))

        def hexdigest(self):
            return ""

    def decoding(truth):
        for t in range(len(truth)):
            order.append(("decode", t))
            yield torch.full((1, 3, 32, 48), t / 255)

    monkeypatch.setattr("hashlib.sha256", Digest)
    measure_video(decoding(clips[1].frames), clips[1])
    steps = [("decode", 0), ("decode", 1), ("hash", 0), ("decode", 2), ("hash", 1), ("decode", 3), ("hash", 2)]
    assert order == [*steps, ("hash", 3)]


@pytest.mark.gpu
def test_on_cuda_a_row_is_measured_as_frame_by_frame(clips):
    truth = np.random.default_rng(0).integers(0, 256, (9, 3, 200, 176), np.uint8)
    decoded = (torch.from_numpy(truth).cuda().float() + 3).clamp(max=255)
    cell = measure_video((decoded / 255).split(4), Clip("noise", truth, ""))
    pair = quality.to_unit(decoded.to(torch.uint8)), quality.to_unit(torch.from_numpy(truth).cuda())
    for name in ("psnr", "ssim", "ms_ssim"):
        alone = torch.cat([getattr(quality, name)(pair[0][t : t + 1], pair[1][t : t + 1]) for t in range(9)])
        assert cell[name] == pytest.approx(alone.double().mean().item(), rel=1e-6)
    assert cell["sha256"] == hashlib.sha256(decoded.to(torch.uint8).cpu().numpy().tobytes()).hexdigest()


def test_a_row_says_how_long_decoding_took(finished):
    _, folder = finished()
    for row in folder.matrix()["rows"]:
        assert 0 < row["decode_seconds"] < row["seconds"]
        assert row["decoded"] == 15


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


@pytest.mark.parametrize("method", ["pfnr", "wsn", "packnet", "single"])
def test_forward_transfer_and_samples_go_together(finished, method):
    _, folder = finished(method, train={"epochs": 2}, matrix={"transfer_epochs": 1, "verify": "hash"})
    assert len(folder.events("probe")) == 5


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
