"""From archives, raw files and folders to prepared videos."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest
from PIL import Image
from raw_video import SIZE, SMALL, planes

from vcl.config import StreamConfig
from vcl.datasets import prepare as preparing
from vcl.datasets.prepare import PRESETS, prepare
from vcl.datasets.prepared import prepared_clip, read_prepared, verify
from vcl.datasets.resolve import resolve
from vcl.datasets.stream import open_stream
from vcl.errors import VideoError
from vcl.video.transform import Transform, fit


def test_a_2160p_clip_is_prepared_in_less_than_a_gibibyte(source, tmp_path):
    raw = source / "Beauty_3840x2160_120fps_420_8bit_YUV.yuv"
    with raw.open("wb") as file:
        file.truncate(12 * 3840 * 2160 * 3 // 2)
    code = f"""
from pathlib import Path
from vcl.cli import main
words = ["--source", {str(source)!r}, "--out", {str(tmp_path / "out")!r}, "--videos", "beauty", "--as-found"]
assert main(["data", "prepare", "uvg17", *words]) == 0
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert int(done.stdout.splitlines()[-1]) < 2**20  # In KiB; torch, which takes more than half of it, is not loaded.
    assert np.load(tmp_path / "out" / "beauty.npy", mmap_mode="r").shape == (12, 3, 720, 1280)


def test_what_was_made_is_recorded_and_read_as_it_lies(source, tmp_path, benchmark, write_folder, clip):
    frames = clip[:4, :24, :32]
    content = planes(4)[3]
    (source / "HoneyBee_32x24_420_8bit.yuv").write_bytes(content)
    write_folder("downloads/dog", frames)
    out = tmp_path / "out"
    told = []
    prepared = prepare(benchmark, source, out, SMALL, progress=lambda *now: told.append(now))
    assert told == [(name, done, 4) for name in ("bee", "dog") for done in range(5)]
    bee, dog = prepared["bee"], prepared["dog"]
    assert (bee.frames, bee.source, bee.source_size, bee.rate) == (4, "HoneyBee_32x24_420_8bit.yuv", SIZE, 50)
    assert bee.source_sha256 == hashlib.sha256(content).hexdigest()
    assert dog.sha256 == hashlib.sha256(np.load(out / "dog.npy").tobytes()).hexdigest()
    assert read_prepared(out).videos == prepared

    clips = open_stream(StreamConfig(benchmark, str(out), size=(16, 16), cache=str(tmp_path / "cache")))
    assert clips[0].frames.shape == (4, 3, 16, 16)  # Another size than prepared: through the cache.
    assert (tmp_path / "cache").is_dir()
    shutil.rmtree(tmp_path / "cache")
    direct = [prepared_clip(source, SMALL) for source in resolve(benchmark, out)]
    assert [(clip.name, clip.sha256) for clip in direct] == [("bee", bee.sha256), ("dog", dog.sha256)]
    assert isinstance(direct[0].frames, np.memmap)
    part = prepared_clip(resolve(benchmark, out)[0], Transform(12, 16, frames=3))
    assert part.sha256 == hashlib.sha256(direct[0].frames[:3].tobytes()).hexdigest()
    assert len(part.frames) == 3
    assert prepared_clip(resolve(benchmark, out)[0], Transform(12, 16, frames=5)) is None
    assert not (tmp_path / "cache").exists()


def test_the_digest_of_the_first_frames_is_made_once(source, tmp_path, benchmark, monkeypatch):
    (source / "HoneyBee_32x24_420_8bit.yuv").write_bytes(planes(4)[3])
    out = tmp_path / "out"

    def prefix():
        return prepared_clip(resolve(benchmark, out, ["bee"])[0], Transform(12, 16, frames=3))

    prepare(benchmark, source, out, SMALL, videos=["bee"])
    first = prefix().sha256
    assert first == hashlib.sha256(np.load(out / "bee.npy")[:3].tobytes()).hexdigest()
    with monkeypatch.context() as patched:
        patched.setattr("vcl.datasets.prepared.hashlib.sha256", None)
        patched.setattr(
            "vcl.datasets.prepared.stamp", lambda path: json.loads((out / "leading.json").read_text())["bee:3"]["stamp"]
        )
        assert prefix().sha256 == first
    frames = np.load(out / "bee.npy", mmap_mode="r+")
    frames[0] ^= 1
    frames.flush()
    os.utime(out / "bee.npy", ns=(1, 1))
    assert prefix().sha256 == hashlib.sha256(frames[:3].tobytes()).hexdigest() != first


def test_a_prepared_folder_that_cannot_be_written_is_read(source, tmp_path, benchmark, monkeypatch):
    (source / "HoneyBee_32x24_420_8bit.yuv").write_bytes(planes(4)[3])
    out = tmp_path / "out"
    prepare(benchmark, source, out, SMALL, videos=["bee"])

    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("vcl.datasets.prepared.remember", refused)
    assert len(prepared_clip(resolve(benchmark, out, ["bee"])[0], Transform(12, 16, frames=3)).frames) == 3
    assert not (out / "leading.json").exists()


def test_what_is_prepared_is_skipped_until_its_source_is_written_anew(source, tmp_path, benchmark, write_folder, clip):
    (source / "HoneyBee_32x24_420_8bit.yuv").write_bytes(planes(4)[3])
    dog = write_folder("downloads/dog", clip[:4, :24, :32])
    seen = []
    prepare(benchmark, source, tmp_path / "out", SMALL)
    prepare(benchmark, source, tmp_path / "out", SMALL, progress=lambda name, *_: seen.append(name))
    assert seen == []
    os.utime(dog / "img1.png", ns=(1, 1))
    prepare(benchmark, source, tmp_path / "out", SMALL, progress=lambda name, *_: seen.append(name))
    assert set(seen) == {"dog"}


def test_a_corrected_layout_is_prepared_anew(source, tmp_path):
    (source / "bee.yuv").write_bytes(planes(4)[3])
    own = tmp_path / "own.yaml"
    out = tmp_path / "out"
    for width in (32, 64):  # The second is as many bytes a frame: height 12.
        own.write_text(f"videos: [{{name: bee, path: bee.yuv, raw: {{height: {768 // width}, width: {width}}}}}]")
        made = prepare(str(own), source, out, SMALL)["bee"]
        assert made.source_size == (768 // width, width)
        assert read_prepared(out).videos == {"bee": made}
        prepare(str(own), source, out, SMALL, progress=lambda *_: pytest.fail("is prepared already"))


def test_a_record_that_says_no_layout_is_read(source, tmp_path, write_folder, clip):
    write_folder("downloads/dog", clip[:4])
    made = prepare("folder", source, tmp_path / "out", SMALL)
    record = json.loads((tmp_path / "out" / "prepared.json").read_text())
    del record["videos"]["dog"]["source_raw"]
    (tmp_path / "out" / "prepared.json").write_text(json.dumps(record))
    assert prepare("folder", source, tmp_path / "out", SMALL, progress=lambda *_: pytest.fail("again")) == made


def test_a_killed_preparation_leaves_nothing_half_written_and_goes_on(source, tmp_path, benchmark, write_folder, clip):
    (source / "HoneyBee_32x24_420_8bit.yuv").write_bytes(planes(4)[3])
    write_folder("downloads/dog", clip[:4, :24, :32])
    out = tmp_path / "out"
    code = f"""
import os, signal
from pathlib import Path
from vcl.datasets.prepare import prepare
from vcl.video.transform import Transform
def stop(name, done, of):
    if (name, done) == ("dog", 2):
        os.kill(os.getpid(), signal.SIGKILL)
prepare({benchmark!r}, Path({str(source)!r}), Path({str(out)!r}), Transform(12, 16), progress=stop)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert [path.name for path in sorted(out.glob("*.npy"))] == ["bee.npy"]
    seen = []
    prepare(benchmark, source, out, SMALL, progress=lambda name, *_: seen.append(name))
    assert set(seen) == {"dog"}
    assert sorted(path.name for path in out.iterdir()) == [".lock", "bee.npy", "dog.npy", "prepared.json"]


def test_new_frames_never_stand_under_the_digest_of_old_ones(source, tmp_path, benchmark):
    raw, out = source / "HoneyBee_32x24_420_8bit.yuv", tmp_path / "out"
    raw.write_bytes(planes(4)[3])
    old = prepare(benchmark, source, out, SMALL, videos=["bee"])["bee"]
    raw.write_bytes(planes(4)[3][::-1])
    code = f"""
import os, signal
from pathlib import Path
from vcl.datasets import prepare
from vcl.video.transform import Transform
prepare.PreparedFolder.with_video = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
prepare.prepare({benchmark!r}, Path({str(source)!r}), Path({str(out)!r}), Transform(12, 16), videos=["bee"])
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
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


def test_frames_are_never_enlarged(source, tmp_path, benchmark):
    (source / "HoneyBee_32x24_420_8bit.yuv").write_bytes(planes(4)[3])
    with pytest.raises(VideoError, match="has frames of 24x32, smaller than the 48x64 asked for"):
        prepare(benchmark, source, tmp_path / "out", Transform(48, 64), videos=["bee"], as_found=True)


def test_a_range_is_prepared_alone(source, tmp_path, benchmark):
    (source / "HoneyBee_32x24_420_8bit.yuv").write_bytes(planes(4)[3])
    whole = prepare(benchmark, source, tmp_path / "whole", SMALL, videos=["bee"])
    part = prepare(benchmark, source, tmp_path / "part", Transform(12, 16, frames=2, stride=2), videos=["bee"])
    assert (whole["bee"].frames, part["bee"].frames) == (4, 2)
    arrays = [np.load(tmp_path / name / "bee.npy") for name in ("whole", "part")]
    assert (arrays[0][::2] == arrays[1]).all()


def test_one_damaged_video_does_not_keep_the_others(source, tmp_path, benchmark, write_folder, clip):
    (source / "HoneyBee_32x24_420_8bit.yuv").write_bytes(planes(4)[3])
    dog = write_folder("downloads/dog", clip[:4, :24, :32])
    (dog / "img3.png").write_bytes((dog / "img3.png").read_bytes()[:100])
    shutil.move(source / "HoneyBee_32x24_420_8bit.yuv", source / "zz.yuv")
    (tmp_path / "two.yaml").write_text("videos: [{name: dog}, {name: bee, path: zz.yuv, raw: {height: 24, width: 32}}]")
    with pytest.raises(
        VideoError, match=r"(?s)1 of 2 videos could not be read:\n  .*img3\.png: the image cannot be read"
    ):
        prepare(benchmark, source, tmp_path / "out", SMALL)
    assert [path.name for path in (tmp_path / "out").glob("*.npy")] == ["bee.npy"]


def test_a_folder_keeps_to_one_size_and_to_one_process(source, tmp_path, benchmark):
    (source / "HoneyBee_32x24_420_8bit.yuv").write_bytes(planes(4)[3])
    out = tmp_path / "out"
    prepare(benchmark, source, out, SMALL, videos=["bee"])
    with pytest.raises(VideoError, match=r"was prepared as 12x16, asked for 24x32, stride 2$"):
        prepare(benchmark, source, out, Transform(24, 32, stride=2), videos=["bee"])

    def second(*_):
        with pytest.raises(VideoError, match=r"is in use by process \d+ on "):
            prepare(benchmark, source, tmp_path / "new", SMALL, videos=["bee"])

    prepare(benchmark, source, tmp_path / "new", SMALL, videos=["bee"], progress=second)


def test_too_little_space_is_said_before_the_first_frame(source, tmp_path, benchmark, monkeypatch):
    (source / "HoneyBee_32x24_420_8bit.yuv").write_bytes(planes(4)[3])
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(preparing.shutil, "disk_usage", lambda path: usage(9999, 9000, 999))
    with pytest.raises(VideoError, match="preparing takes 2,304 bytes, found 999 free"):
        prepare(benchmark, source, tmp_path / "out", SMALL, videos=["bee"])


def test_a_disk_that_fills_up_is_one_line_and_leaves_nothing(source, tmp_path, benchmark, monkeypatch):
    (source / "HoneyBee_32x24_420_8bit.yuv").write_bytes(planes(4)[3])

    def full(done):
        raise OSError(28, "No space left on device")

    with pytest.raises(VideoError, match=r"must be writable and have space left \(No space left on device\)"):
        prepare(
            benchmark,
            source,
            tmp_path / "out",
            SMALL,
            videos=["bee"],
            progress=lambda name, done, of: done and full(done),
        )
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]


def test_verification_finds_what_is_missing_changed_or_strange(source, tmp_path, benchmark, write_folder, clip):
    (source / "HoneyBee_32x24_420_8bit.yuv").write_bytes(planes(4)[3])
    write_folder("downloads/dog", clip[:4, :24, :32])
    out = tmp_path / "out"
    prepare(benchmark, source, out, SMALL)
    assert dict(verify(out)) == {"bee": "", "dog": ""}
    frames = np.load(out / "bee.npy", mmap_mode="r+")
    frames[-1, -1, -1, -1] ^= 1
    frames.flush()
    (out / "dog.npy").rename(out / "cat.npy")
    found = dict(verify(out))
    assert found["bee"].startswith("bee.npy has other frames than were prepared: SHA-256 ")
    assert found["dog"] == "dog.npy is missing"
    assert found["cat"] == "cat.npy is not recorded in prepared.json"
    with pytest.raises(VideoError, match=r"must be a prepared folder, found no prepared\.json in it"):
        list(verify(source))


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        '{"version": 2}',
        '{"version": 1, "videos": {}}',
        '{"version": 1, "videos": {"a": {"source_size": [1e999, 2]}}}',
        "[" * 9999,
    ],
)
def test_a_damaged_record_is_refused(tmp_path, content):
    (tmp_path / "prepared.json").write_text(content)
    with pytest.raises(VideoError, match=r"prepared\.json: the record of a prepared folder cannot be read"):
        read_prepared(tmp_path)


def test_a_changed_array_is_prepared_again(source, tmp_path, benchmark):
    (source / "HoneyBee_32x24_420_8bit.yuv").write_bytes(planes(4)[3])
    out = tmp_path / "out"
    prepare(benchmark, source, out, SMALL, videos=["bee"])
    content = (out / "bee.npy").read_bytes()
    (out / "bee.npy").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    prepare(benchmark, source, out, SMALL, videos=["bee"])
    assert (out / "bee.npy").read_bytes() == content


def test_a_video_shorter_than_the_range_is_taken_whole(source, tmp_path, benchmark):
    (source / "HoneyBee_32x24_420_8bit.yuv").write_bytes(planes(4)[3])
    made = prepare(benchmark, source, tmp_path / "out", Transform(12, 16, frames=9), videos=["bee"])
    assert made["bee"].frames == 4


@pytest.mark.parametrize(("most", "frames"), [(4, 4), (10, 10), (99, 10)])
def test_a_compressed_video_shorter_than_the_range_is_taken_whole(source, tmp_path, write_video, clip, most, frames):
    write_video("downloads/clip.mkv", clip)
    made = prepare("folder", source, tmp_path / "out", Transform(12, 16, frames=most))["clip"]
    assert made.frames == frames == len(np.load(tmp_path / "out" / "clip.npy"))
    own = tmp_path / "own.yaml"
    own.write_text("videos: [{name: clip, path: clip.mkv, frames: 11}]")
    if most > 10:
        with pytest.raises(VideoError, match=r"clip: the benchmark says 11 frames but the clip .* has 10"):
            prepare(str(own), source, tmp_path / "own", Transform(12, 16, frames=most))


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
