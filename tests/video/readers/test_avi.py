"""AVI, built by hand."""

import io
import struct

import pytest

from vcl.video.readers.avi import damaged_at


def chunk(kind, body):
    return struct.pack("<4sI", kind, len(body)) + body


def riff(body):
    return chunk(b"RIFF", b"AVI " + body)


MOVI = chunk(b"LIST", b"movi" + chunk(b"00dc", b"ab") + chunk(b"00dc", b"cd"))
UNPADDED = chunk(b"LIST", b"movi" + chunk(b"00dc", b"abc") + chunk(b"00dc", b"de"))
INDEX = chunk(b"idx1", b"abc")


@pytest.mark.parametrize(
    ("content", "damage"),
    [
        (riff(MOVI + INDEX + b"\0"), None),
        (riff(MOVI + INDEX + chunk(b"JUNK", b"")), None),
        (riff(MOVI + chunk(b"JUNK", b"")) + b"appended after the video", None),
        (riff(UNPADDED), None),
        (riff(MOVI.replace(b"ab00dc", bytes(6))), 34),
        (riff(MOVI)[:-1], 34),
    ],
)
def test_chunks_must_follow_one_another(content, damage):
    assert damaged_at(io.BytesIO(content), len(content)) == damage
