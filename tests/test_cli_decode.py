"""``vcl decode`` through the front door."""

import hashlib
import signal
import subprocess
import sys

import av
import numpy as np
import pytest
import torch
from decode_command import decode, refused
from on_device import decoder_of
from PIL import Image

from vcl.decode import Decoder
from vcl.metrics import quality
from vcl.render import BATCH
from vcl.run import run_clips
from vcl.video.cache import Clip
from vcl.video.read import read_frames
from vcl.video.source import VideoSource
from vcl.video.write import write_video


@pytest.fixture
def finished(finished_run):
    """A run of three videos, which is not to be changed."""
    return finished_run()[1]


def images(folder):
    """Frames ``(T, 3, H, W)`` of a folder of PNG images."""
    return np.stack([np.asarray(Image.open(path)).transpose(2, 0, 1) for path in sorted(folder.iterdir())])


def test_the_images_of_all_videos_are_the_frames_that_were_measured(finished, clips, tmp_path, capsys):
    assert decode(finished.path, "-o", tmp_path / "out") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out'}: 15 frames of 3 videos\n"
    row = finished.matrix()["rows"][-1]
    for video, clip in enumerate(clips):
        decoded = images(tmp_path / "out" / clip.name)
        assert hashlib.sha256(np.ascontiguousarray(decoded).tobytes()).hexdigest() == row["sha256"][video]
        total = 0.0
        for first in range(0, len(decoded), BATCH):  # Added up as the matrix does, so that the last digit is the same.
            pair = (torch.from_numpy(np.array(frames[first : first + BATCH])) for frames in (decoded, clip.frames))
            total += float(quality.psnr(*map(quality.to_unit, pair)).double().sum())
        assert total / len(decoded) == row["psnr"][video]


def test_an_earlier_state_decodes_a_sealed_video_alike_and_one_that_forgets_otherwise(finished_run, tmp_path):
    for method, same in (("pfnr", True), ("finetune", False)):
        folder = finished_run(method)[1]
        for after in ("clip0", "1"):
            assert decode(folder.path, "--video", "clip0", "--after", after, "-o", tmp_path / f"{same}{after}.npy") == 0
        before, later = (np.load(tmp_path / f"{same}{after}.npy") for after in ("clip0", "1"))
        assert np.array_equal(before, later) == same
        for frames, session in ((before, 0), (later, 1)):
            digest = hashlib.sha256(frames.tobytes()).hexdigest()
            assert digest == folder.matrix()["rows"][session]["sha256"][0]


def test_after_a_session_all_videos_are_those_so_far(finished, tmp_path):
    assert decode(finished.path, "--after", "1", "--format", "mkv", "-o", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["clip0.mkv", "clip1.mkv"]


@pytest.mark.parametrize(("asked", "frames"), [("1:3", [1, 2]), ("4:", [4, 5]), (":2", [0, 1]), ("3:5", [3, 4])])
def test_some_frames_are_those_of_the_whole_video_and_keep_their_numbers(finished, tmp_path, asked, frames):
    assert decode(finished.path, "--video", "clip2", "-o", tmp_path / "whole.npy") == 0
    assert decode(finished.path, "--video", "clip2", "--frames", asked, "-o", tmp_path / "some") == 0
    assert [path.name for path in sorted((tmp_path / "some").iterdir())] == [f"{t:05d}.png" for t in frames]
    assert np.array_equal(images(tmp_path / "some"), np.load(tmp_path / "whole.npy")[frames])


@pytest.mark.parametrize(
    ("words", "rate"), [((), 25), (("--rate", "30000/1001"), 30000 / 1001), (("--rate", "12.5"), 12.5)]
)
def test_a_video_file_plays_at_the_rate_asked_for_and_is_like_the_images(finished, tmp_path, capsys, words, rate):
    for out in ("clip.mp4", "clip.mkv", "clip.y4m", "images"):
        given = words if "." in out else ()
        assert decode(finished.path, "--video", "clip1", *given, "-o", tmp_path / out) == 0
    assert f"clip.mp4: 4 frames of clip1 at {rate:g} frames a second\n" in capsys.readouterr().out
    expected = images(tmp_path / "images").astype(int)
    for suffix, error in (("mkv", 0), ("y4m", 2), ("mp4", 12)):
        with av.open(str(tmp_path / f"clip.{suffix}")) as container:
            assert float(container.streams.video[0].average_rate) == pytest.approx(rate, rel=1e-4)
        read = np.stack(list(read_frames(VideoSource("clip", tmp_path / f"clip.{suffix}")))).transpose(0, 3, 1, 2)
        assert np.abs(read - expected).max() <= error
        assert np.abs((read - expected).mean((0, 2, 3))).max() <= 1  # No cast of colour.


def test_a_decoder_and_one_function_write_a_video(finished, tmp_path):
    assert write_video(tmp_path / "a.mkv", decoder_of(finished, 2).frames(1)) == 4
    assert decode(finished.path, "--video", "1", "-o", tmp_path / "b.mkv") == 0
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()


def test_a_name_that_looks_like_a_number_is_a_name_first(tmp_path, tiny_config, clips, capsys):
    named = [Clip(name, clip.frames, clip.sha256) for name, clip in zip(("1", "0", "-1"), clips, strict=True)]
    folder = run_clips(tiny_config(train={"epochs": 1}), named, tmp_path / "run")
    hashes = folder.matrix()["rows"][2]["sha256"]
    for word, session in (("0", 1), ("1", 0), ("2", 2), ("-1", 2)):
        assert decode(folder.path, "--video", word, "-o", tmp_path / f"{word}.npy") == 0
        assert hashlib.sha256(np.load(tmp_path / f"{word}.npy").tobytes()).hexdigest() == hashes[session]
    assert refused(capsys, folder.path, "--video", "3", "-o", tmp_path / "3.npy").endswith("; it has 1, 0, -1")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--video", "clip3", "-o", "a.mkv"], "has no video clip3; did you mean clip"),
        (["--video", "-1", "-o", "a.mkv"], "has no video -1; it has clip0, clip1, clip2"),
        (["--video", "dog", "--after", "9", "-o", "a.mkv"], "has no video 9; it has clip0, clip1, clip2"),
        (["--video", "2", "--after", "0", "-o", "a.mkv"], "clip2 is session 2, which is still to come after session 0"),
        (
            ["-o", "a.mkv"],
            "--out is one file for 3 videos (clip0, clip1, clip2): choose one with --session, or a folder",
        ),
        (
            ["--video", "0", "-o", "a.avi"],
            "--out must end in .mp4, .mkv, .y4m, .npy, or be a folder, with / at its end ",
        ),
        (
            ["--video", "0", "-o", "a.png"],
            "--out must end in .mp4, .mkv, .y4m, .npy, or be a folder, with / at its end ",
        ),
        (["--video", "0", "-o", f"{'a' * 300}.mkv"], "File name too long"),
        (["--video", "0", "-o", "a" * 300], "File name too long"),
        (["--video", "0", "-o", "none/a.mkv"], "the folder none must exist"),
        (["--video", "0", "-o", "none/frames"], "the folder none must exist"),
        (["--video", "0", "-o", "there.mkv"], "there.mkv: exists already"),
        (["-o", "full"], "full: must be a new folder or an empty one, but it holds mine.txt"),
        (["-o", "full", "--overwrite"], "full: must be a new folder or an empty one, but it holds mine.txt"),
        (["--video", "0", "-o", "a.mkv", "--format", "mp4"], "--format is for what goes into a folder"),
        (["--video", "0", "-o", "a", "--rate", "25"], "--rate is for video files, and png has none"),
        (["--video", "0", "-o", "a.mkv", "--device", "cuda:99"], "--device must be on this machine, got cuda:99"),
        (["--video", "0", "-o", "a.mkv", "--device", "tpu"], "--device must be auto, cpu, cuda or cuda:N, got tpu"),
        (["--video", "0", "-o", "a.mkv", "--threads", "0"], "--threads must "),
    ],
)
def test_what_cannot_be_done_is_one_line_before_a_frame_is_decoded(
    finished, tmp_path, capsys, monkeypatch, words, line
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.mkv").write_bytes(b"before")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    monkeypatch.setattr(Decoder, "frames", None)
    before = sorted(tmp_path.rglob("*"))
    assert line in refused(capsys, finished.path, *words)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ("5:", "--frames must lie within 0:5, the frames of clip0, got 5:"),
        ("2:2", "--frames must lie within 0:5, the frames of clip0, got 2:2"),
        ("3:2", "--frames must lie within 0:5, the frames of clip0, got 3:2"),
        ("0:5", "--frames must lie within 0:4, the frames of clip1, got 0:5"),
        *(
            (asked, f"--frames must be A:B, A: or :B, got {asked}")
            for asked in ("3", "-2:", "1:2:1", "²:", ":9999999999")
        ),
    ],
)
def test_frames_that_are_not_there_are_refused_with_those_that_are(finished, tmp_path, capsys, asked, line):
    assert refused(capsys, finished.path, "-o", tmp_path / "a", f"--frames={asked}") == line


@pytest.mark.parametrize("asked", ["0", "-25", "fast", "1e9", "nan", "25/0", "1001", "0.09", "٢٥"])
def test_a_rate_that_no_video_plays_at_is_refused(finished, tmp_path, capsys, asked):
    line = refused(capsys, finished.path, "--video", "0", "-o", tmp_path / "a.mkv", f"--rate={asked}")
    assert line == f"--rate must be a number such as 25, 29.97 or 30000/1001, from 0.1 to 1000, got {asked}"


def test_a_video_that_is_there_is_replaced_when_asked(finished, tmp_path):
    (tmp_path / "clip.npy").write_bytes(b"before")
    assert decode(finished.path, "--video", "0", "-o", tmp_path / "clip.npy", "--overwrite") == 0
    assert np.load(tmp_path / "clip.npy").shape == (5, 3, 32, 48)


@pytest.mark.parametrize("out", ["clip.mp4", "clip.mkv", "clip.y4m", "clip.npy", "frames/"])
def test_ctrl_c_leaves_nothing(finished, tmp_path, capsys, monkeypatch, out):
    frames = Decoder.frames

    def stopped(self, *asked, **more):
        yield next(frames(self, *asked, **more))
        raise KeyboardInterrupt

    monkeypatch.setattr(Decoder, "frames", stopped)
    with pytest.raises(SystemExit, match="130"):
        decode(finished.path, "--video", "2", "-o", f"{tmp_path}/{out}")
    assert capsys.readouterr().err == "vcl: stopped; nothing was written\n"
    assert list(tmp_path.iterdir()) == []


def test_a_polite_kill_leaves_nothing_and_is_as_it_was_afterwards(finished, tmp_path, capsys, monkeypatch):
    frames, handler = Decoder.frames, signal.getsignal(signal.SIGTERM)

    def killed(self, *asked, **more):
        yield next(frames(self, *asked, **more))
        assert signal.getsignal(signal.SIGTERM) != handler  # Else the next line would end the tests.
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Decoder, "frames", killed)
    with pytest.raises(SystemExit, match="130"):
        decode(finished.path, "-o", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) == handler


def test_an_odd_size_is_no_mp4_but_an_mkv(tmp_path, tiny_config, capsys):
    odd = np.random.default_rng(0).integers(0, 256, (2, 3, 35, 45), np.uint8)
    config = tiny_config(stream={"size": [35, 45]}, backbone={"strides": [5, 1]}, train={"epochs": 1})
    folder = run_clips(config, [Clip("odd", odd, "")], tmp_path / "run")
    line = refused(capsys, folder.path, "-o", tmp_path / "odd.mp4")
    assert line.endswith("odd.mp4: .mp4 needs an even height and width, got 35x45; .mkv takes any")
    assert ".mp4 needs an even" in refused(capsys, folder.path, "--format", "mp4", "-o", tmp_path / "odd")
    assert decode(folder.path, "-o", tmp_path / "odd.mkv") == 0
    assert decode(folder.path, "-o", tmp_path / "odd") == 0
    assert len(list((tmp_path / "odd").iterdir())) == 2


@pytest.mark.process
def test_decoding_tells_at_once_and_loads_no_training_library(finished, tmp_path):
    script = "import sys, vcl.cli\nstatus = vcl.cli.main(sys.argv[1:])\n"
    script += "heavy = {'avalanche', 'wandb', 'matplotlib', 'tensorboard', 'torch._dynamo'} & set(sys.modules)\n"
    script += "assert not heavy, heavy\nsys.exit(status)"
    words = ["decode", finished.path, "--video", "0", "-o", tmp_path / "a.mp4"]
    asked = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert (asked.returncode, asked.stderr.splitlines()[-1]) == (0, "clip0: 5 frames"), asked.stderr
    assert asked.stderr.splitlines()[0] == f"decoding {finished.path} to {tmp_path / 'a.mp4'}"
