"""Streams of packets, pages or units, built by hand."""

import io

import pytest

from vcl.video.readers.packets import (
    annex_b_damaged_at,
    flv_damaged_at,
    ogg_damaged_at,
    ps_damaged_at,
    ts_damaged_at,
)


def ogg(flags, body):
    return b"OggS\0" + bytes([flags]) + bytes(20) + bytes([1, len(body)]) + body


def tag(body):
    head = b"\x09" + len(body).to_bytes(3, "big") + bytes(7)
    return head + body + (11 + len(body)).to_bytes(4, "big")


FLV = b"FLV\1\1\0\0\0\x09\0\0\0\0"
PACK = b"\0\0\1\xba\x44" + bytes(8) + b"\xf8"
PES = b"\0\0\1\xe0\0\3abc"
PACKET = b"\x47" + bytes(187)
UNIT = b"\0\0\0\1\x65unit"


@pytest.mark.parametrize(
    ("damaged_at", "content", "damage"),
    [
        (ts_damaged_at, PACKET * 9, None),
        (ts_damaged_at, (b"time" + PACKET) * 9, None),
        (ts_damaged_at, PACKET * 4 + bytes(188) + PACKET * 4, 4 * 188),
        (ts_damaged_at, PACKET * 4 + PACKET[:50], 4 * 188),
        (ps_damaged_at, PACK + PES + PES + b"\0\0\1\xb9" + bytes(99), None),
        (ps_damaged_at, PACK + PES + bytes(9) + PES, 23),
        (ps_damaged_at, PACK + PES[:-1], 14),
        (flv_damaged_at, FLV + tag(b"abc") + tag(b""), None),
        (flv_damaged_at, FLV + tag(b"abc") + bytes(15) + tag(b""), 31),
        (flv_damaged_at, FLV + tag(b"abc")[:-1], 13),
        (annex_b_damaged_at, UNIT + UNIT + bytes(2 << 20) + UNIT + bytes(9), None),
        (annex_b_damaged_at, UNIT + b"ab\0\0\3\1cd" + UNIT, None),
        (annex_b_damaged_at, UNIT + UNIT + bytes(9) + b"ab" + UNIT, 10),
        (annex_b_damaged_at, UNIT + UNIT + bytes(2 << 20) + b"ab" + UNIT, 10),
        (annex_b_damaged_at, UNIT + b"ab\0\0\3\4cd" + UNIT, 1),
        (ogg_damaged_at, ogg(2, b"ab") + ogg(4, b"c"), None),
        (ogg_damaged_at, ogg(2, b"ab") + bytes(30) + ogg(4, b"c"), 30),
        (ogg_damaged_at, ogg(2, b"ab") + ogg(4, b"c")[:-1], 30),
        (ogg_damaged_at, ogg(2, b"ab") + ogg(0, b"c"), 59),
    ],
)
def test_parts_must_follow_one_another(damaged_at, content, damage):
    assert damaged_at(io.BytesIO(content), len(content)) == damage
