"""The walks over the parts of containers other than Matroska.

Each walk takes a file and its size and returns the first byte at which no part begins, or at which one begins that goes
beyond the end of the file; ``None`` for a file in order.
"""

import re
import struct
from typing import BinaryIO

import numpy as np

_MP4_NESTED = frozenset({b"moof", b"traf"})
_TS_PACKETS = ((188, 0), (192, 4), (204, 0))
_TS_SYNC = 0x47
_BLOCK = 1 << 20
_ANNEX_B_DAMAGE = re.compile(rb"\0\0(?:\0[^\0\1]|\x02|\x03[^\0-\3])")
"""What an encoder keeps from coming about: more zeros than two, unless a start code or the end of the file follows."""


def mp4_damaged_at(file: BinaryIO, size: int) -> int | None:
    """Fragments must follow one another. A last box that is cut off, or bytes appended by a camera, are no damage."""
    place = 0
    while place < size:
        kind, body, end = _box(file, place, size)
        if not kind.isalnum():
            return place if _holds(file, place, b"moof") else None
        if kind in _MP4_NESTED and not _boxes_fill(file, body, end):
            return place
        place = end
    return None


def _box(file: BinaryIO, place: int, end: int) -> tuple[bytes, int, int]:
    file.seek(place)
    header = file.read(16)
    if len(header) < 8:
        return b"", place, place
    length, kind = struct.unpack(">I4s", header[:8])
    body = place + 8
    if length == 1 and len(header) == 16:
        (length,) = struct.unpack(">Q", header[8:16])
        body = place + 16
    return kind, body, end if length == 0 else max(body, place + length)


def _boxes_fill(file: BinaryIO, place: int, end: int) -> bool:
    while place < end:
        kind, body, after = _box(file, place, end)
        if not kind.isalnum() or after > end or (kind in _MP4_NESTED and not _boxes_fill(file, body, after)):
            return False
        place = after
    return True


def _holds(file: BinaryIO, place: int, word: bytes) -> bool:
    file.seek(place)
    last = b""
    while block := file.read(_BLOCK):
        if word in last + block:
            return True
        last = block[-len(word) :]
    return False


def avi_damaged_at(file: BinaryIO, size: int) -> int | None:
    """Chunks of every list must follow one another; a writer may leave out the byte that fills up an odd one."""
    place = 0
    while place + 12 <= size:
        file.seek(place)
        kind, length = struct.unpack("<4sI", file.read(8))
        if kind != b"RIFF":
            return None  # Appended after the video.
        end = size if length in (0, 0xFFFFFFFF) else min(size, place + 8 + length)
        damage = _chunks_damaged_at(file, place + 12, end)
        if damage is not None:
            return damage
        place = end + end % 2
    return None


def _chunks_damaged_at(file: BinaryIO, place: int, end: int) -> int | None:
    while place + 8 <= end:
        file.seek(place)
        kind, length = struct.unpack("<4sI", file.read(8))
        if not _printable(kind):
            file.seek(place - 1)
            if not _printable(file.read(4)):
                return place
            place -= 1
            continue
        if kind == b"LIST":
            file.seek(place + 8)
            if file.read(4) in {b"movi", b"rec "}:
                within = end if length in (0, 0xFFFFFFFF) else min(end, place + 8 + length)
                damage = _chunks_damaged_at(file, place + 12, within)
                if damage is not None:
                    return damage
        if place + 8 + length > end:
            return place
        place += 8 + length + length % 2
    return None


def _printable(kind: bytes) -> bool:
    return len(kind) == 4 and all(32 <= byte < 127 for byte in kind)


def ts_damaged_at(file: BinaryIO, size: int) -> int | None:
    """Every packet must begin with the sync byte."""
    packet, offset = ts_packet(file.read(1024)) or (188, 0)
    file.seek(0)
    for start in range(0, size, _BLOCK * packet):
        block = np.frombuffer(file.read(_BLOCK * packet), np.uint8)
        wrong = np.flatnonzero(block[offset::packet] != _TS_SYNC)
        if len(wrong):
            return start + int(wrong[0]) * packet
    return size - size % packet if size % packet else None


def ts_packet(head: bytes) -> tuple[int, int] | None:
    """Bytes of a transport stream's packet and where its sync byte lies; ``None`` for the head of something else."""
    for packet, offset in _TS_PACKETS:
        syncs = head[offset::packet]
        if len(syncs) >= 3 and set(syncs) == {_TS_SYNC}:
            return packet, offset
    return None


def ps_damaged_at(file: BinaryIO, size: int) -> int | None:
    """An MPEG program stream: packs, headers and packets, filled up with zeros at the end alone."""
    place = 0
    while place < size:
        file.seek(place)
        head = file.read(14)
        if head[:3] != b"\0\0\1" or len(head) < 4 or head[3] < 0xB9:
            return None if not head.strip(b"\0") and _is_zero(file, place) else place
        if head[3] == 0xB9:
            length = 4
        elif head[3] == 0xBA:
            length = 12 if head[4:5] and head[4] >> 4 == 2 else 14 + (head[13] & 7 if len(head) == 14 else 0)
        else:
            length = 6 + int.from_bytes(head[4:6], "big")
        if place + length > size:
            return place
        place += length
    return None


def _is_zero(file: BinaryIO, place: int) -> bool:
    file.seek(place)
    return all(not block.strip(b"\0") for block in iter(lambda: file.read(_BLOCK), b""))


def flv_damaged_at(file: BinaryIO, size: int) -> int | None:
    """Every tag is followed by its own length."""
    file.seek(5)
    place = int.from_bytes(file.read(4), "big") + 4
    while place < size:
        file.seek(place)
        head = file.read(11)
        length = 11 + int.from_bytes(head[1:4], "big")
        file.seek(place + length)
        if len(head) < 11 or head[0] & 0x1F not in (8, 9, 18) or file.read(4) != length.to_bytes(4, "big"):
            return place
        place += length + 4
    return None


def ogg_damaged_at(file: BinaryIO, size: int) -> int | None:
    """Pages must follow one another, and the last one say that it is the last."""
    place, flags = 0, 0
    while place < size:
        file.seek(place)
        head = file.read(27)
        segments = file.read(head[26]) if len(head) == 27 else b""
        if head[:4] != b"OggS" or len(head) < 27 or len(segments) < head[26]:
            return place
        flags = head[5]
        end = place + 27 + len(segments) + sum(segments)
        if end > size:
            return place
        place = end
    return None if flags & 4 else size


def annex_b_damaged_at(file: BinaryIO, size: int) -> int | None:
    """H.264 or HEVC without a container: no unit holds the bytes that separate units, nor some that come near them."""
    place, last, unit = 0, b"", 0
    for block in iter(lambda: file.read(_BLOCK), b""):
        content = last + block
        damage = _ANNEX_B_DAMAGE.search(content)
        code = content.rfind(b"\0\0\1", 0, damage.start() if damage else None)
        unit = unit if code < 0 else place - len(last) + code
        if damage:
            return unit
        place += len(block)
        last = content[-3:]
    return None


def is_annex_b(head: bytes) -> bool:
    """Whether a file begins with a start code and a unit of H.264 or HEVC, not one of MPEG-1 or MPEG-2."""
    return re.match(rb"\0\0\0?\x01[\0-\x7f]", head) is not None
