"""One raw video inside a 7z archive."""

import struct
import zlib

import numpy as np
import py7zr
import pytest
from raw_video import SIZE, SMALL, pack, planes

from vcl.datasets.prepare import prepare
from vcl.errors import VideoError
from vcl.video.transform import Transform


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
def test_an_archive_of_raw_video_is_converted_as_bt709_says(source, tmp_path, manifest, bits, monkeypatch):
    monkeypatch.setattr("vcl.video.readers.container.HD_HEIGHT", SIZE[0])
    y, u, v, content = planes(4, bits)
    pack(source / f"HoneyBee_32x24_120fps_420_{bits}bit_YUV_RAW.7z", {"HoneyBee_YUV.yuv": content})
    path = manifest("videos: [{name: bee, files: [HoneyBee], frames: 4}]")
    prepare(path, source, tmp_path / "out", Transform(*SIZE))
    frames = np.load(tmp_path / "out" / "bee.npy").transpose(0, 2, 3, 1)
    assert np.abs(frames - bt709(y, u, v, bits)).max() <= 1.5


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
