"""Streams of packets, pages or units without an index: MPEG-TS, MPEG-PS, FLV, Ogg, and bare H.264 and HEVC.

Each ``..._damaged_at`` takes a file and its size in bytes. It returns the first byte at which no packet begins, or at
which one begins that reaches beyond the end of the file; ``None`` for a file in order.
"""

import re
from typing import BinaryIO

import numpy as np

_TS_LAYOUTS = ((188, 0), (192, 4), (204, 0))
"""Bytes of a packet, and the byte in it that is the sync byte: plain, with a time code, with error correction."""
_TS_SYNC = 0x47
_BLOCK = 1 << 20
_ANNEX_B_DAMAGE = re.compile(rb"\0\0(?:\0[^\0\1]|\x02|\x03[^\0-\3])")
"""What an encoder never writes: more than two zeros that neither a start code nor the end of the file follows."""


def ts_damaged_at(file: BinaryIO, size: int) -> int | None:
    """Every packet must begin with the sync byte."""
    length, sync_offset = ts_layout(file.read(1024)) or (188, 0)
    file.seek(0)
    for start in range(0, size, _BLOCK * length):
        block = np.frombuffer(file.read(_BLOCK * length), np.uint8)
        damaged = np.flatnonzero(block[sync_offset::length] != _TS_SYNC)
        if len(damaged):
            return start + int(damaged[0]) * length
    return size - size % length if size % length else None


def ts_layout(head: bytes) -> tuple[int, int] | None:
    """Bytes of a transport stream's packet and offset of its sync byte; ``None`` for the head of something else."""
    for length, sync_offset in _TS_LAYOUTS:
        syncs = head[sync_offset::length]
        if len(syncs) >= 3 and set(syncs) == {_TS_SYNC}:
            return length, sync_offset
    return None


def ps_damaged_at(file: BinaryIO, size: int) -> int | None:
    """Packs, headers and packets of an MPEG program stream must follow one another; zeros may only pad the end."""
    offset = 0
    while offset < size:
        file.seek(offset)
        head = file.read(14)
        if head[:3] != b"\0\0\1" or len(head) < 4 or head[3] < 0xB9:
            return None if not head.strip(b"\0") and _is_zero(file, offset) else offset
        if head[3] == 0xB9:
            length = 4
        elif head[3] == 0xBA:
            length = 12 if head[4:5] and head[4] >> 4 == 2 else 14 + (head[13] & 7 if len(head) == 14 else 0)
        else:
            length = 6 + int.from_bytes(head[4:6], "big")
        if offset + length > size:
            return offset
        offset += length
    return None


def _is_zero(file: BinaryIO, offset: int) -> bool:
    file.seek(offset)
    return all(not block.strip(b"\0") for block in iter(lambda: file.read(_BLOCK), b""))


def flv_damaged_at(file: BinaryIO, size: int) -> int | None:
    """Every tag is followed by its own length."""
    file.seek(5)
    offset = int.from_bytes(file.read(4), "big") + 4
    while offset < size:
        file.seek(offset)
        head = file.read(11)
        length = 11 + int.from_bytes(head[1:4], "big")
        file.seek(offset + length)
        if len(head) < 11 or head[0] & 0x1F not in (8, 9, 18) or file.read(4) != length.to_bytes(4, "big"):
            return offset
        offset += length + 4
    return None


def ogg_damaged_at(file: BinaryIO, size: int) -> int | None:
    """Pages must follow one another, and the last page must say that it is the last."""
    offset, flags = 0, 0
    while offset < size:
        file.seek(offset)
        head = file.read(27)
        segments = file.read(head[26]) if len(head) == 27 else b""
        if head[:4] != b"OggS" or len(head) < 27 or len(segments) < head[26]:
            return offset
        flags = head[5]
        end = offset + 27 + len(segments) + sum(segments)
        if end > size:
            return offset
        offset = end
    return None if flags & 4 else size


def annex_b_damaged_at(file: BinaryIO, size: int) -> int | None:
    """No unit of H.264 or HEVC may contain the bytes that separate units, or some that resemble them."""
    offset, tail, unit = 0, b"", 0
    for block in iter(lambda: file.read(_BLOCK), b""):
        content = tail + block
        damage = _ANNEX_B_DAMAGE.search(content)
        start_code = content.rfind(b"\0\0\1", 0, damage.start() if damage else None)
        unit = unit if start_code < 0 else offset - len(tail) + start_code
        if damage:
            return unit
        offset += len(block)
        tail = content[-3:]
    return None


def is_annex_b(head: bytes) -> bool:
    """Whether a file begins with a start code and a unit of H.264 or HEVC, not one of MPEG-1 or MPEG-2."""
    return re.match(rb"\0\0\0?\x01[\0-\x7f]", head) is not None
