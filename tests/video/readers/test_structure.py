"""Byte counts of containers, built by hand."""

import struct

import pytest

from vcl.video.readers.structure import missing_bytes, partial_y4m_bytes


def box(kind, body, *, wide=False, length=None):
    if wide:
        return struct.pack(">I4sQ", 1, kind, 16 + len(body)) + body
    return struct.pack(">I4s", 8 + len(body) if length is None else length, kind) + body


FTYP = box(b"ftyp", b"isom")
EBML = b"\x1a\x45\xdf\xa3\x84abcd"
SEGMENT = b"\x18\x53\x80\x67"


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        (FTYP + box(b"mdat", bytes(20)), 0),
        (FTYP + box(b"mdat", bytes(20))[:-5], 5),
        (FTYP + box(b"mdat", bytes(20), wide=True), 0),
        (FTYP + box(b"mdat", bytes(20), wide=True)[:-3], 3),
        (FTYP + box(b"mdat", bytes(20), wide=True)[:10], 6),
        (FTYP + box(b"mdat", bytes(20), length=0), 0),
        (FTYP + box(b"mdat", b"")[:5], 3),
        (FTYP + b"\xff\xff\xff\xff\x01\x02\x03\x04 not a box", 0),
        (EBML + SEGMENT + b"\x8a" + bytes(10), 0),
        (EBML + SEGMENT + b"\x8a" + bytes(7), 3),
        (EBML + SEGMENT + b"\x40\x0a" + bytes(7), 3),
        (EBML + SEGMENT + b"\x01" + b"\xff" * 7 + bytes(7), 0),
        (EBML + SEGMENT[:2], 3),
        (EBML + b"\xec\x82ab" + SEGMENT + b"\x8a" + bytes(9), 1),
        (b"RIFF" + struct.pack("<I", 14) + b"AVI " + bytes(10), 0),
        (b"RIFF" + struct.pack("<I", 14) + b"AVI " + bytes(6), 4),
        (b"RIFF" + struct.pack("<I", 14) + b"AVI " + bytes(10) + b"RIFF" + struct.pack("<I", 9) + b"AVIX", 5),
        (b"RIFF" + struct.pack("<I", 0) + b"AVI " + bytes(6), 0),
        (b"something else altogether", 0),
        (b"", 0),
    ],
)
def test_missing_bytes_are_those_the_container_announces(tmp_path, content, missing):
    (tmp_path / "file").write_bytes(content)
    assert missing_bytes(tmp_path / "file") == missing


@pytest.mark.parametrize(("tail", "partial"), [(b"", 0), (b"FRA", 3), (b"FRAME\n12345", 11), (b"FRAME Ip\n123456", 0)])
def test_an_unfinished_y4m_frame_is_counted(tmp_path, tail, partial):
    (tmp_path / "file").write_bytes(b"YUV4MPEG2 W2 H2\n" + b"FRAME\n123456" * 2 + tail)
    assert partial_y4m_bytes(tmp_path / "file", 6) == partial
