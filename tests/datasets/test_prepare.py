"""From archives, raw files and folders to prepared videos."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import weakref
from collections import namedtuple

import numpy as np
import pytest
from PIL import Image
from raw_video import SIZE, SMALL, planes
from video_fixtures import encode

import vcl.video.cache
import vcl.video.transform
from vcl.config import StreamConfig
from vcl.datasets import prepare as preparing
from vcl.datasets.prepare import PRESETS, prepare
from vcl.datasets.prepared import PreparedFolder, prepared_clip, read_prepared
from vcl.datasets.resolve import resolve
from vcl.datasets.stream import open_stream
from vcl.errors import VideoError
from vcl.video.transform import Transform, fit


@pytest.fixture
def bee(source):
    """A raw video of four frames among the downloads."""
    path = source / "HoneyBee_32x24_420_8bit.yuv"
    path.write_bytes(planes(4)[3])
    return path


@pytest.mark.parametrize(
    ("module", "generator"), [(vcl.video.transform, "read_frames"), (vcl.video.cache, "transformed_frames")]
)
def test_only_the_frame_being_written_and_the_next_are_in_memory(
    source, bee, tmp_path, write_video, clip, monkeypatch, module, generator
):
    frames, alive = [], []
    real = getattr(module, generator)

    def watched(*arguments):
        for frame in real(*arguments):
            frames.append(weakref.ref(frame))
            alive.append(sum(reference() is not None for reference in frames))
            yield frame

    monkeypatch.setattr(module, generator, watched)
    write_video("downloads/cat.mkv", clip)
    prepare("folder", source, tmp_path / "out", SMALL)
    assert len(alive) == 4 + len(clip)
    assert max(alive) <= 2


def test_a_prepared_video_is_recorded_and_mapped(source, bee, tmp_path, benchmark, write_folder, clip):
    frames = clip[:4, :24, :32]
    write_folder("downloads/dog", frames)
    out = tmp_path / "out"
    calls = []
    videos = prepare(benchmark, source, out, SMALL, progress=lambda *call: calls.append(call))
    assert calls == [(name, count, 4) for name in ("bee", "dog") for count in range(5)]
    first, second = videos["bee"], videos["dog"]
    assert (first.frames, first.source, first.source_size, first.rate) == (4, bee.name, SIZE, 50)
    assert first.source_sha256 == hashlib.sha256(bee.read_bytes()).hexdigest()
    assert second.sha256 == hashlib.sha256(np.load(out / "dog.npy").tobytes()).hexdigest()
    assert read_prepared(out).videos == videos

    clips = open_stream(StreamConfig(benchmark, str(out), size=(16, 16), cache=str(tmp_path / "cache")))
    assert clips[0].frames.shape == (4, 3, 16, 16)  # Another size than prepared: through the cache.
    assert (tmp_path / "cache").is_dir()
    shutil.rmtree(tmp_path / "cache")
    mapped = [prepared_clip(source, SMALL) for source in resolve(benchmark, out)]
    assert [(clip.name, clip.sha256) for clip in mapped] == [("bee", first.sha256), ("dog", second.sha256)]
    assert isinstance(mapped[0].frames, np.memmap)
    leading = prepared_clip(resolve(benchmark, out)[0], Transform(12, 16, frames=3))
    assert leading.sha256 == hashlib.sha256(mapped[0].frames[:3].tobytes()).hexdigest()
    assert len(leading.frames) == 3
    assert prepared_clip(resolve(benchmark, out)[0], Transform(12, 16, frames=5)) is None
    assert not (tmp_path / "cache").exists()


def test_a_prepared_video_is_skipped_until_its_source_changes(source, bee, tmp_path, benchmark, write_folder, clip):
    dog = write_folder("downloads/dog", clip[:4, :24, :32])
    seen = []
    prepare(benchmark, source, tmp_path / "out", SMALL)
    prepare(benchmark, source, tmp_path / "out", SMALL, progress=lambda name, *_: seen.append(name))
    assert seen == []
    os.utime(dog / "img1.png", ns=(1, 1))
    prepare(benchmark, source, tmp_path / "out", SMALL, progress=lambda name, *_: seen.append(name))
    assert set(seen) == {"dog"}


def test_a_corrected_layout_is_prepared_anew(source, tmp_path, manifest):
    (source / "bee.yuv").write_bytes(planes(4)[3])
    out = tmp_path / "out"
    for width in (32, 64):  # The second is as many bytes per frame: height 12.
        path = manifest(f"videos: [{{name: bee, path: bee.yuv, raw: {{height: {768 // width}, width: {width}}}}}]")
        video = prepare(path, source, out, SMALL)["bee"]
        assert video.source_size == (768 // width, width)
        assert read_prepared(out).videos == {"bee": video}
        prepare(path, source, out, SMALL, progress=lambda *_: pytest.fail("is prepared already"))


def test_a_killed_preparation_leaves_whole_arrays_and_goes_on(source, bee, tmp_path, benchmark, write_folder, clip):
    write_folder("downloads/dog", clip[:4, :24, :32])
    out = tmp_path / "out"
    code = f"""
import os, signal
from pathlib import Path
from vcl.datasets.prepare import prepare
from vcl.video.transform import Transform
def stop(name, count, total):
    if (name, count) == ("dog", 2):
        os.kill(os.getpid(), signal.SIGKILL)
prepare({benchmark!r}, Path({str(source)!r}), Path({str(out)!r}), Transform(12, 16), progress=stop)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert [path.name for path in sorted(out.glob("*.npy"))] == ["bee.npy"]
    seen = []
    prepare(benchmark, source, out, SMALL, progress=lambda name, *_: seen.append(name))
    assert set(seen) == {"dog"}
    assert sorted(path.name for path in out.iterdir()) == [".lock", "bee.npy", "dog.npy", "prepared.json"]


def test_new_frames_never_have_the_digest_of_old_ones(source, bee, tmp_path, benchmark, monkeypatch):
    out = tmp_path / "out"
    old = prepare(benchmark, source, out, SMALL, videos=["bee"])["bee"]
    bee.write_bytes(planes(4)[3][::-1])

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(PreparedFolder, "with_video", stop)  # Between the array and its record.
        with pytest.raises(KeyboardInterrupt):
            prepare(benchmark, source, out, SMALL, videos=["bee"])
    frames = np.load(out / "bee.npy")
    assert hashlib.sha256(frames).hexdigest() != old.sha256
    assert prepared_clip(resolve(benchmark, out, ["bee"])[0], SMALL) is None
    new = prepare(benchmark, source, out, SMALL, videos=["bee"])["bee"]
    assert new.sha256 == hashlib.sha256(frames).hexdigest()


def test_all_that_is_missing_or_wrong_is_listed_at_once_before_anything_is_read(source, tmp_path, benchmark, clip):
    (source / "HoneyBee_16x12_420_8bit.yuv").write_bytes(bytes(12 * 16 * 3 // 2 * 4))
    with pytest.raises(VideoError) as refusal:
        prepare(benchmark, source, tmp_path / "out", SMALL)
    assert str(refusal.value).splitlines() == [
        f"the two benchmark cannot be prepared, 2 of 2 videos in {source} are missing or not as expected:",
        "  bee: HoneyBee_16x12_420_8bit.yuv has frames of 12x16; expected 4 frames of 24x32 (height x width)",
        "  dog: missing; looked for dog, 4 frames of 24x32 (height x width)",
        "  --videos takes some of them alone, --as-found other sizes and numbers of frames",
    ]
    assert not (tmp_path / "out").exists()


def test_other_frame_counts_are_refused_and_taken_as_found_when_asked(source, tmp_path, benchmark):
    (source / "HoneyBee_32x24_420_8bit.yuv").write_bytes(planes(3)[3])
    with pytest.raises(VideoError, match=r"bee: HoneyBee_32x24_420_8bit\.yuv has 3 frames; expected 4 frames of 24x32"):
        prepare(benchmark, source, tmp_path / "out", SMALL, videos=["bee"])
    prepared = prepare(benchmark, source, tmp_path / "out", SMALL, videos=["bee"], as_found=True)
    assert prepared["bee"].frames == 3


def test_frames_are_never_enlarged(source, bee, tmp_path, benchmark):
    with pytest.raises(VideoError, match="has frames of 24x32, smaller than the 48x64 asked for"):
        prepare(benchmark, source, tmp_path / "out", Transform(48, 64), videos=["bee"], as_found=True)


def test_a_range_is_prepared_alone(source, bee, tmp_path, benchmark):
    whole = prepare(benchmark, source, tmp_path / "whole", SMALL, videos=["bee"])
    part = prepare(benchmark, source, tmp_path / "part", Transform(12, 16, frames=2, stride=2), videos=["bee"])
    assert (whole["bee"].frames, part["bee"].frames) == (4, 2)
    arrays = [np.load(tmp_path / name / "bee.npy") for name in ("whole", "part")]
    assert (arrays[0][::2] == arrays[1]).all()


def test_one_damaged_video_does_not_keep_the_others(source, bee, tmp_path, benchmark, write_folder, clip):
    dog = write_folder("downloads/dog", clip[:4, :24, :32])
    (dog / "img3.png").write_bytes((dog / "img3.png").read_bytes()[:100])
    (tmp_path / "two.yaml").write_text("videos: [{name: dog}, {name: bee, files: [HoneyBee]}]")
    with pytest.raises(
        VideoError, match=r"(?s)1 of 2 videos could not be read:\n  .*img3\.png: the image cannot be read"
    ):
        prepare(benchmark, source, tmp_path / "out", SMALL)
    assert [path.name for path in (tmp_path / "out").glob("*.npy")] == ["bee.npy"]


def test_a_folder_keeps_to_one_size_and_to_one_process(source, bee, tmp_path, benchmark):
    out = tmp_path / "out"
    prepare(benchmark, source, out, SMALL, videos=["bee"])
    with pytest.raises(VideoError, match=r"was prepared as 12x16, asked for 24x32, stride 2$"):
        prepare(benchmark, source, out, Transform(24, 32, stride=2), videos=["bee"])

    def prepare_again(name, count, total):
        if count == 0:
            with pytest.raises(VideoError, match=r"is in use by process \d+ on "):
                prepare(benchmark, source, tmp_path / "new", SMALL, videos=["bee"])

    prepare(benchmark, source, tmp_path / "new", SMALL, videos=["bee"], progress=prepare_again)


def test_too_little_space_is_refused_before_the_first_frame(source, bee, tmp_path, benchmark, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(preparing.shutil, "disk_usage", lambda path: usage(9999, 9000, 999))
    with pytest.raises(VideoError, match="preparing takes 2,304 bytes, found 999 free"):
        prepare(benchmark, source, tmp_path / "out", SMALL, videos=["bee"])


def test_a_disk_that_fills_up_is_one_line_and_leaves_nothing(source, bee, tmp_path, benchmark, monkeypatch):

    def fill_disk(name, count, total):
        if count:
            raise OSError(28, "No space left on device")

    with pytest.raises(VideoError, match=r"must be writable and have space left \(No space left on device\)"):
        prepare(benchmark, source, tmp_path / "out", SMALL, videos=["bee"], progress=fill_disk)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]


def test_a_changed_array_is_prepared_again(source, bee, tmp_path, benchmark):
    out = tmp_path / "out"
    prepare(benchmark, source, out, SMALL, videos=["bee"])
    content = (out / "bee.npy").read_bytes()
    (out / "bee.npy").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    prepare(benchmark, source, out, SMALL, videos=["bee"])
    assert (out / "bee.npy").read_bytes() == content


def test_a_video_shorter_than_the_range_is_taken_whole(source, bee, tmp_path, benchmark):
    videos = prepare(benchmark, source, tmp_path / "out", Transform(12, 16, frames=9), videos=["bee"])
    assert videos["bee"].frames == 4


@pytest.mark.parametrize(("limit", "frames"), [(4, 4), (10, 10), (99, 10)])
def test_a_compressed_video_shorter_than_the_range_is_taken_whole(
    source, tmp_path, manifest, write_video, clip, limit, frames
):
    write_video("downloads/clip.mkv", clip)
    video = prepare("folder", source, tmp_path / "out", Transform(12, 16, frames=limit))["clip"]
    assert video.frames == frames == len(np.load(tmp_path / "out" / "clip.npy"))
    path = manifest("videos: [{name: clip, path: clip.mkv, frames: 11}]")
    if limit > 10:
        with pytest.raises(VideoError, match=r"clip: the benchmark says 11 frames but the clip .* has 10"):
            prepare(path, source, tmp_path / "other", Transform(12, 16, frames=limit))


def test_presets_have_the_sizes_of_the_literature_and_its_crops():
    assert {name: (p.height, p.width, p.filter) for name, p in PRESETS.items()} == {
        "pfnr720": (720, 1280, "area"),
        "hnerv960": (960, 1920, "area"),
        "hnerv480": (480, 960, "bicubic"),
        "bunny640": (640, 1280, "area"),
    }
    rows = np.broadcast_to(np.arange(1080).reshape(-1, 1, 1) % 256, (1080, 1920, 3)).astype(np.uint8)
    assert (fit(rows, PRESETS["hnerv960"]) == rows[60:1020]).all()
    bunny = rows[:720, :1280]
    assert (fit(bunny, PRESETS["bunny640"]) == bunny[40:680]).all()
    centre = Image.fromarray(rows[60:1020]).resize((960, 480), Image.Resampling.BICUBIC)
    assert (fit(rows, PRESETS["hnerv480"]) == np.asarray(centre)).all()


def test_every_form_of_the_same_frames_gives_the_same_array(source, tmp_path, write_video, write_folder, clip):
    frames = clip[:4]
    write_video("downloads/mkv.mkv", frames)
    write_folder("downloads/folder", frames)
    np.save(source / "array.npy", frames.transpose(0, 3, 1, 2))
    prepare("folder", source, tmp_path / "out", Transform(24, 32))
    arrays = [np.load(tmp_path / "out" / f"{name}.npy") for name in ("mkv", "folder", "array")]
    expected = np.stack([fit(frame, Transform(24, 32)).transpose(2, 0, 1) for frame in frames])
    assert all((array == expected).all() for array in arrays)


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "libx264"), (".hevc", "libx265"), (".y4m", "wrapped_avframe")])
def test_lossy_and_elementary_streams_are_prepared_whole(source, tmp_path, suffix, codec):
    grey = np.repeat(np.arange(40, 240, 40, np.uint8), 48 * 64 * 3).reshape(5, 48, 64, 3)
    encode(source / f"clip{suffix}", grey, codec, "yuv420p")
    assert prepare("folder", source, tmp_path / "out", Transform(24, 32))["clip"].frames == 5
    levels = np.load(tmp_path / "out" / "clip.npy").mean(axis=(1, 2, 3))
    assert np.abs(levels - grey[:, 0, 0, 0]).max() < 3


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"\x80\x04.", b"", b"\x93NUMPY\x01\x00"])
def test_an_array_file_that_is_none_is_refused_and_runs_nothing(source, tmp_path, content):
    (source / "a.npy").write_bytes(content)
    with pytest.raises(VideoError, match=r"a\.npy: the array of frames cannot be read"):
        prepare("folder", source, tmp_path / "out", SMALL)
    np.save(source / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(VideoError, match=r"a\.npy: the array of frames cannot be read"):
        prepare("folder", source, tmp_path / "out", SMALL)
