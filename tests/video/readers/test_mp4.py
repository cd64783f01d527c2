"""MP4, built by hand."""

import io
import struct

import pytest

from vcl.video.readers.mp4 import damaged_at


def box(kind, body):
    return struct.pack(">I4s", 8 + len(body), kind) + body


FTYP = box(b"ftyp", b"isom")
MOOF = box(b"moof", box(b"mfhd", b"abcd") + box(b"traf", box(b"tfhd", b"")))


@pytest.mark.parametrize(
    ("content", "damage"),
    [
        (FTYP + MOOF + box(b"mdat", b"x") + MOOF, None),
        (FTYP + bytes(30) + MOOF, 12),
        (MOOF.replace(b"tfhd", bytes(4)), 0),
        (FTYP + box(b"mdat", b"x") + b"\xff\xff\xff\xffappended", None),
    ],
)
def test_fragments_must_follow_one_another(content, damage):
    assert damaged_at(io.BytesIO(content), len(content)) == damage


def test_a_fragment_after_bytes_that_are_no_box_is_found_across_blocks():
    """Its name, which tells damage from bytes that a camera appended, lies across the first MiB of the search."""
    content = FTYP + bytes((1 << 20) - 6) + MOOF
    assert damaged_at(io.BytesIO(content), len(content)) == 12
