"""Matroska, built by hand."""

import io

import pytest

from vcl.video.readers.matroska import damaged_at


def element(kind, body, size=None):
    return bytes.fromhex(kind) + (bytes([0x80 | len(body)]) if size is None else size) + body


OPEN = b"\x01" + b"\xff" * 7


HEAD = element("1a45dfa3", b"abcd")


TRACKS = element("1654ae6b", element("ae", element("d7", b"\1")))


BLOCK = element("a3", b"\x81\0\0\0pixels")


GROUP = element("a0", element("a1", b"\x81\0\0\0pixels"))


def segment(*parts):
    return HEAD + element("18538067", b"".join(parts), OPEN)


@pytest.mark.parametrize(
    ("content", "damage"),
    [
        (segment(TRACKS, element("1f43b675", BLOCK + GROUP)), None),
        (segment(TRACKS, element("1f43b675", BLOCK, OPEN), element("1f43b675", GROUP, OPEN)), None),
        (
            segment(TRACKS, element("1f43b675", BLOCK), element("ec", b"void"), element("4321", b"of another time")),
            None,
        ),
        (segment(element("1f43b675", BLOCK)), None),
        (segment(TRACKS, element("1f43b675", BLOCK)) + b"\0", 48),
        (segment(TRACKS, element("1f43b675", BLOCK + bytes(len(BLOCK)))), 48),
        (segment(TRACKS, element("1f43b675", BLOCK + BLOCK.replace(b"\x81", b"\x82"))), 48),
        (segment(TRACKS, element("1f43b675", BLOCK + BLOCK.replace(b"\xa3", b"\xa4"))), 48),
        (segment(TRACKS, element("1f43b675", BLOCK + GROUP.replace(b"\xa1", b"\xa2"))), 48),
        (segment(TRACKS, element("1f43b675", BLOCK, OPEN))[:-3], 43),
        (HEAD, 9),
    ],
)
def test_elements_must_follow_one_another(content, damage):
    assert damaged_at(io.BytesIO(content), len(content)) == damage
