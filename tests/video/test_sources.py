"""What preparing takes, converts and refuses: archives, raw and lossy files, arrays, names."""

import json
import struct
import zlib

import av
import numpy as np
import py7zr
import pytest
from raw_video import SIZE, SMALL, pack, planes

from vcl.datasets.prepare import prepare
from vcl.datasets.prepared import read_prepared
from vcl.datasets.resolve import resolve
from vcl.errors import VideoError
from vcl.video.read import frame_array
from vcl.video.transform import Transform, fit


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
    monkeypatch.setattr("vcl.video.readers.container.HD_HEIGHT", SIZE[0])
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
    with pytest.raises(VideoError, match=r"a name must be that of one file, got .*, which (holds a slash|is hidden)"):
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
