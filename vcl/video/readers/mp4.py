"""MP4 and MOV: how many bytes the boxes announce, and whether the fragments follow one another."""

import struct
from typing import BinaryIO, NamedTuple

FIRST_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"})
"""Kinds of boxes that a file may begin with."""

_NESTED = frozenset({b"moof", b"traf"})
_BLOCK = 1 << 20


class _Box(NamedTuple):
    """``end`` lies beyond the file where the file is cut off; of a header that is cut off ``kind`` is empty."""

    kind: bytes
    body: int
    end: int

    @property
    def is_known(self) -> bool:
        """Whether this is a box at all, not bytes that a camera appended after the last one."""
        return self.kind.isalnum()


def announced_size(file: BinaryIO, size: int) -> int:
    """Walk the top-level boxes; return the byte at which the last one ends."""
    offset = 0
    while offset < size:
        box = _box(file, offset, size)
        if box.kind and not box.is_known:
            return offset
        offset = box.end
    return offset


def damaged_at(file: BinaryIO, size: int) -> int | None:
    """Find the first fragment that does not follow another; ``None`` for a file in order.

    A last box that is cut off, or bytes appended by a camera, are no damage.
    """
    offset = 0
    while offset < size:
        box = _box(file, offset, size)
        if not box.is_known:
            return offset if _contains(file, offset, b"moof") else None
        if box.kind in _NESTED and not _boxes_fill(file, box.body, box.end):
            return offset
        offset = box.end
    return None


def _box(file: BinaryIO, offset: int, end: int) -> _Box:
    """Read the header of the box at ``offset``; one without a size reaches to ``end``."""
    file.seek(offset)
    header = file.read(16)
    if len(header) < 8:
        return _Box(b"", offset, offset + 8)
    length, kind = struct.unpack(">I4s", header[:8])
    body = offset + 8
    if length == 1:
        body = offset + 16
        length = int.from_bytes(header[8:], "big") if len(header) == 16 else 16
    return _Box(kind, body, end if length == 0 else max(body, offset + length))


def _boxes_fill(file: BinaryIO, offset: int, end: int) -> bool:
    """Whether boxes follow one another from ``offset`` to ``end`` without a gap."""
    while offset < end:
        box = _box(file, offset, end)
        if not box.is_known or box.end > end or (box.kind in _NESTED and not _boxes_fill(file, box.body, box.end)):
            return False
        offset = box.end
    return True


def _contains(file: BinaryIO, offset: int, word: bytes) -> bool:
    """Whether the rest of a file contains a word."""
    file.seek(offset)
    tail = b""
    while block := file.read(_BLOCK):
        if word in tail + block:
            return True
        tail = block[-len(word) :]
    return False
