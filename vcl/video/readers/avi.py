"""AVI: how many bytes the RIFF chunks announce, and whether the chunks of every list follow one another."""

import struct
from typing import BinaryIO

_LENGTH_UNKNOWN = frozenset({0, 0xFFFFFFFF})
"""What a writer leaves for the length of a chunk that it has not finished."""


def announced_size(file: BinaryIO, size: int) -> int:
    """Walk the RIFF chunks (large files have several); return the byte at which the last one ends."""
    offset = 0
    while offset + 8 <= size:
        kind, length = _chunk(file, offset)
        if kind != b"RIFF" or length in _LENGTH_UNKNOWN:
            return size
        offset += 8 + length
    return offset


def damaged_at(file: BinaryIO, size: int) -> int | None:
    """Find the first byte at which a chunk should begin and none does; ``None`` for a file in order.

    Writers may leave out the byte that pads an odd chunk.
    """
    offset = 0
    while offset + 12 <= size:
        kind, length = _chunk(file, offset)
        if kind != b"RIFF":
            return None  # Appended after the video.
        end = _end_of(offset, length, size)
        damage = _chunks_damaged_at(file, offset + 12, end)
        if damage is not None:
            return damage
        offset = end + end % 2
    return None


def _chunks_damaged_at(file: BinaryIO, offset: int, end: int) -> int | None:
    while offset + 8 <= end:
        kind, length = _chunk(file, offset)
        if not _is_printable(kind):
            file.seek(offset - 1)
            if not _is_printable(file.read(4)):
                return offset
            offset -= 1
            continue
        if kind == b"LIST":
            file.seek(offset + 8)
            if file.read(4) in {b"movi", b"rec "}:
                damage = _chunks_damaged_at(file, offset + 12, _end_of(offset, length, end))
                if damage is not None:
                    return damage
        if offset + 8 + length > end:
            return offset
        offset += 8 + length + length % 2
    return None


def _chunk(file: BinaryIO, offset: int) -> tuple[bytes, int]:
    """Kind of the chunk at ``offset``, and the bytes of its body."""
    file.seek(offset)
    kind, length = struct.unpack("<4sI", file.read(8))
    return kind, length


def _end_of(offset: int, length: int, end: int) -> int:
    """Where the body of a chunk ends, at the latest where its parent does."""
    return end if length in _LENGTH_UNKNOWN else min(end, offset + 8 + length)


def _is_printable(kind: bytes) -> bool:
    return len(kind) == 4 and all(32 <= byte < 127 for byte in kind)
