"""From archives, raw files and folders to prepared videos."""

import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from collections import namedtuple

import av
import numpy as np
import py7zr
import pytest
from PIL import Image

from vcl.config import StreamConfig
from vcl.errors import VideoError
from vcl.video import prepare as preparing
from vcl.video.benchmark import resolve
from vcl.video.prepare import PRESETS, prepare
from vcl.video.prepared import prepared_clip, read_prepared, verify
from vcl.video.read import frame_array
from vcl.video.stream import open_stream
from vcl.video.transform import Transform, fit

SIZE = 24, 32
SMALL = Transform(12, 16)


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder


@pytest.fixture
def benchmark(tmp_path):
    """A manifest of two videos of four frames, published at 24x32."""
    path = tmp_path / "two.yaml"
    path.write_text(
        "sizes: [[24, 32]]\nvideos: [{name: bee, files: [HoneyBee], frames: 4, rate: 50}, {name: dog, frames: 4}]"
    )
    return str(path)


def planes(frames, bits=8):
    """Levels ``(T, H, W)`` of random planes 4:2:0, and their bytes as a raw file holds them."""
    rng = np.random.default_rng(1)
    unit = 2 ** (bits - 8)
    luma = rng.integers(16 * unit, 236 * unit, (frames, *SIZE))
    chroma = [np.broadcast_to(rng.integers(64 * unit, 192 * unit, (frames, 1, 1)), (frames, 12, 16)) for _ in "uv"]
    kind = "<u2" if bits > 8 else "u1"
    content = b"".join(plane[t].astype(kind).tobytes() for t in range(frames) for plane in (luma, *chroma))
    return luma, *chroma, content


def pack(path, members):
    with py7zr.SevenZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(content, name)


def bt709(y, u, v, bits):
    """ITU-R BT.709, limited range, to RGB levels 0..255, in floats; chroma is constant over a frame here."""
    unit = 2.0 ** (bits - 8)
    luma = (y / unit - 16) / 219
    blue, red = (np.broadcast_to((c[..., :1, :1] / unit - 128) / 224, luma.shape) for c in (u, v))
    kr, kb = 0.2126, 0.0722
    r = luma + 2 * (1 - kr) * red
    b = luma + 2 * (1 - kb) * blue
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    return (255 * np.stack([r, g, b], axis=-1)).clip(0, 255)


@pytest.mark.parametrize("bits", [8, 10])
def test_an_archive_of_raw_video_is_converted_as_bt709_says(source, tmp_path, bits, monkeypatch):
    monkeypatch.setattr("vcl.video.container.HD_HEIGHT", SIZE[0])
    y, u, v, content = planes(4, bits)
    pack(source / f"HoneyBee_32x24_120fps_420_{bits}bit_YUV_RAW.7z", {"HoneyBee_YUV.yuv": content})
    own = tmp_path / "one.yaml"
    own.write_text("videos: [{name: bee, files: [HoneyBee], frames: 4}]")
    prepare(str(own), source, tmp_path / "out", Transform(*SIZE))
    frames = np.load(tmp_path / "out" / "bee.npy").transpose(0, 2, 3, 1)
    assert np.abs(frames - bt709(y, u, v, bits)).max() <= 1.5


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
    with av.open(str(source / f"clip{suffix}"), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for frame in grey:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())
    made = prepare("folder", source, tmp_path / "out", Transform(24, 32))
    assert made["clip"].frames == 5
    levels = np.load(tmp_path / "out" / "clip.npy").mean(axis=(1, 2, 3))
    assert np.abs(levels - grey[:, 0, 0, 0]).max() < 3


def test_a_2160p_clip_is_prepared_in_less_than_a_gibibyte(source, tmp_path):
    raw = source / "Beauty_3840x2160_120fps_420_8bit_YUV.yuv"
    with raw.open("wb") as file:
        file.truncate(12 * 3840 * 2160 * 3 // 2)
    code = f"""
from vcl.cli import main
from vcl.plan.machine import peak_memory
words = ["--source", {str(source)!r}, "--out", {str(tmp_path / "out")!r}, "--videos", "beauty", "--as-found"]
assert main(["data", "prepare", "uvg17", *words]) == 0
print(peak_memory())
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert int(done.stdout.splitlines()[-1]) < 2**30
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
from vcl.video.prepare import prepare
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
from vcl.video import prepare
from vcl.video.transform import Transform
prepare.Prepared.having = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
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


@pytest.mark.parametrize("name", ["../evil.yuv", "/evil.yuv", "a/../../evil.yuv", "C:\\evil.yuv"])
def test_an_archive_that_would_write_outside_its_folder_is_refused(source, tmp_path, name):
    path = source / "Beauty_32x24_420_8bit.7z"
    _write_archive(path, name, planes(4)[3])
    with pytest.raises(VideoError, match="an archive must stay inside its folder, found"):
        prepare("uvg8", source, tmp_path / "out", SMALL, videos=["beauty"], as_found=True)
    assert not (tmp_path / "out").exists()


def _write_archive(path, name, content):
    """Write an archive whose member has a name that py7zr itself would not give it."""
    harmless = "x" * len(name)
    with py7zr.SevenZipFile(path, "w") as archive:
        archive.set_encoded_header_mode(False)
        archive.writestr(content, harmless)
    path.write_bytes(_with_checksums(path.read_bytes().replace(harmless.encode("utf-16-le"), name.encode("utf-16-le"))))


def _with_checksums(raw):
    """A 7z file's start header holds the CRC-32 of the header, and of itself."""
    offset, size, _ = struct.unpack("<QQI", raw[12:32])
    header = raw[32 + offset : 32 + offset + size]
    start = struct.pack("<QQI", offset, size, zlib.crc32(header))
    return raw[:8] + struct.pack("<I", zlib.crc32(start)) + start + raw[32:]


def test_archives_that_hold_something_else_or_are_damaged_are_refused(source, tmp_path):
    path = source / "Beauty_32x24_420_8bit.7z"

    def refused(message):
        with pytest.raises(VideoError, match=message):
            prepare("uvg8", source, tmp_path / "out", SMALL, videos=["beauty"], as_found=True)
        assert list((tmp_path / "out").glob("*.npy")) == []

    pack(path, {"a.yuv": b"1", "b.yuv": b"2"})
    refused(r"an archive must hold one \.yuv file, found a\.yuv, b\.yuv")
    pack(path, {"a.yuv": planes(4)[3][:-5]})
    refused(r"must be a whole number of frames of 1152 bytes, found 3 and 1147 bytes more")
    pack(path, {"a.yuv": planes(4)[3]})
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    refused("the archive is locked, cut off or damaged")
    path.write_bytes(whole[:200] + b"\xff\xff\xff\xff" + whole[204:])
    refused("the archive is locked, cut off or damaged")
    path.write_bytes(b"no archive")
    refused("the archive is locked, cut off or damaged")


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
    with pytest.raises(VideoError, match=r"was prepared as 12x16, asked for 24x32, every 2\.$"):
        prepare(benchmark, source, out, Transform(24, 32, stride=2), videos=["bee"])

    def second(*_):
        with pytest.raises(VideoError, match="is being prepared by another process"):
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


def test_a_raw_file_in_a_folder_of_its_own_is_found_and_a_lossy_copy_beside_an_archive_is_not_chosen(source, tmp_path):
    (source / "Beauty_32x24_420_8bit").mkdir()
    raw = source / "Beauty_32x24_420_8bit" / "Beauty_32x24_420_8bit.yuv"
    raw.write_bytes(planes(4)[3])
    pack(source / "Beauty_32x24_420_8bit_RAW.7z", {"a.yuv": planes(4)[3]})
    assert resolve("uvg17", source, ["beauty"])[0].path == raw
    raw.unlink()
    (source / "Beauty.mp4").write_bytes(b"x")
    with pytest.raises(
        VideoError, match=r"beauty: there must be one file for beauty, found Beauty\.mp4, Beauty_32x24"
    ) as no:
        prepare("uvg8", source, tmp_path / "out", SMALL, videos=["beauty", "bee"])
    assert "bee: missing; looked for bee or HoneyBee*" in str(no.value)


def test_a_resolution_that_has_all_videos_comes_before_one_that_lacks_some(source, write_folder, clip):
    for place in ("1080p/bear", "480p/bear", "480p/boat"):
        (source / "JPEGImages" / place).mkdir(parents=True)
        write_folder(f"downloads/JPEGImages/{place}/x", clip[:1])
        for image in (source / "JPEGImages" / place / "x").iterdir():
            image.rename(image.parents[1] / image.name)
    found = resolve("davis50", source, ["bear", "boat"])
    assert [each.path.parent.name for each in found] == ["480p", "480p"]
    assert resolve("davis50", source, ["bear"])[0].path.parent.name == "1080p"


@pytest.mark.parametrize("name", ["../escaped", "/absolute", "a\\b", ".hidden"])
def test_a_name_that_would_lie_elsewhere_is_refused(source, tmp_path, name):
    own = tmp_path / "own.yaml"
    own.write_text(f"videos: [{{name: '{name}', path: x}}]")
    with pytest.raises(VideoError, match="a name must be that of one file, without / and not hidden"):
        prepare(str(own), source, tmp_path / "out", SMALL)
    made = {"frames": 1, "sha256": "0" * 64, "stamp": "", "source": "", "source_sha256": "", "source_stamp": ""}
    record = {"version": 1, "transform": {"height": 1, "width": 1}}
    (source / "prepared.json").write_text(
        json.dumps({**record, "videos": {name: {**made, "source_size": [1, 1], "rate": None}}})
    )
    with pytest.raises(VideoError, match="a name must be that of one file"):
        read_prepared(source)


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"\x80\x04.", b"", b"\x93NUMPY\x01\x00"])
def test_an_array_file_that_is_none_is_refused_and_runs_nothing(source, tmp_path, content):
    (source / "a.npy").write_bytes(content)
    with pytest.raises(VideoError, match=r"a\.npy: the array of frames cannot be read"):
        prepare("folder", source, tmp_path / "out", SMALL)
    np.save(source / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(VideoError, match=r"a\.npy: the array of frames cannot be read"):
        prepare("folder", source, tmp_path / "out", SMALL)


@pytest.mark.parametrize(
    "header",
    [
        "[[[[",
        "{[]: 1}",
        "-" * 9000 + "1",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999, 3, 4, 4), }",
    ],
)
def test_an_array_file_with_a_damaged_header_is_refused(source, header):
    (source / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(99))
    with pytest.raises(VideoError, match=r"a\.npy: the array of frames cannot be read \(.+\)$") as refusal:
        frame_array(source / "a.npy")
    assert "\n" not in str(refusal.value)


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
