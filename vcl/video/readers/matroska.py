"""Matroska and WebM: how many bytes the elements announce, and whether each begins where the one before ends."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_SEGMENT = b"\x18\x53\x80\x67"
_TRACKS = b"\x16\x54\xae\x6b"
_CLUSTER = b"\x1f\x43\xb6\x75"
_AFTER_CLUSTERS = frozenset(
    bytes.fromhex(kind)
    for kind in ("114d9b74", "1549a966", "1f43b675", "1654ae6b", "1c53bb6b", "1941a469", "1043a770", "1254c367")
)
_CLUSTER_CHILDREN = frozenset(bytes.fromhex(kind) for kind in ("e7", "a3", "a0", "ab", "a7", "af", "5854", "ec", "bf"))
_SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK = b"\xa3", b"\xa0", b"\xa1"
_UNBOUNDED = 1 << 64
_TRACK_ENTRY, _TRACK_NUMBER = b"\xae", b"\xd7"


class _Element(NamedTuple):
    """``end`` is ``None`` where a live stream leaves the size open."""

    kind: bytes
    body: int
    end: int | None


class _Damage(Exception):
    """No element begins at ``offset``; a header there that the file cuts off would end at ``header_end``."""

    def __init__(self, offset: int, header_end: int | None = None) -> None:
        super().__init__(offset)
        self.offset = offset
        self.header_end = header_end


def announced_size(file: BinaryIO, size: int) -> int:
    """Walk the top-level elements; return the byte at which the last one ends, ``size`` where a size is left open."""
    offset = 0
    try:
        while offset < size:
            element = _element(file, offset, _UNBOUNDED)
            if element.end is None:
                return size
            offset = element.end
            if element.kind == _SEGMENT:
                break
    except _Damage as damage:
        return damage.header_end or size
    return offset


def damaged_at(file: BinaryIO, size: int) -> int | None:
    """Find the first byte at which the elements of a file stop following one another.

    FFmpeg looks for the next element that it knows, and loses what lies between without an error.

    Args:
        file: opened for reading.
        size: its bytes.

    Returns:
        The byte; ``None`` for a file in order. Bytes after the segment are not looked at.
    """
    try:
        for element in _children(file, 0, _UNBOUNDED):  # The segment of a cut file ends beyond the file.
            if element.kind == _SEGMENT:
                _check_segment(file, element.body, size if element.end is None else element.end, size)
                break
    except _Damage as damage:
        return damage.offset
    return None


def _check_segment(file: BinaryIO, offset: int, end: int, size: int) -> None:
    tracks: set[int] = set()
    while offset < end:
        element = _element(file, offset, end)
        if element.kind == _CLUSTER:
            offset = _check_cluster(file, element, min(end, element.end or end), size, tracks)
            continue
        if element.end is None or element.end > size:
            raise _Damage(offset)
        if element.kind == _TRACKS:
            tracks = {
                _number(file, field)
                for entry in _children(file, element.body, element.end)
                if entry.kind == _TRACK_ENTRY and entry.end is not None
                for field in _children(file, entry.body, entry.end)
                if field.kind == _TRACK_NUMBER
            }
        offset = element.end


def _check_cluster(file: BinaryIO, cluster: _Element, end: int, size: int, tracks: set[int]) -> int:
    """Check a cluster's blocks; return where it ends: an open one at the next element that belongs to the segment."""
    offset = cluster.body
    while offset < end:
        element = _element(file, offset, end)
        if cluster.end is None and element.kind in _AFTER_CLUSTERS:
            return offset
        if element.end is None or element.end > size or element.kind not in _CLUSTER_CHILDREN:
            raise _Damage(offset)
        block: _Element | None = element if element.kind == _SIMPLE_BLOCK else None
        if element.kind == _BLOCK_GROUP:
            block = next((part for part in _children(file, element.body, element.end) if part.kind == _BLOCK), None)
            if block is None:
                raise _Damage(offset)
        if block is not None and tracks and _vint(file, block.body, offset) not in tracks:
            raise _Damage(offset)
        offset = element.end
    return offset


def _children(file: BinaryIO, offset: int, end: int) -> Iterator[_Element]:
    while offset < end:
        element = _element(file, offset, end)
        yield element
        if element.end is None:
            return
        offset = element.end


def _element(file: BinaryIO, offset: int, end: int) -> _Element:
    """Read the header of the element at ``offset``, which must end where its parent does at the latest."""
    file.seek(offset)
    header = file.read(12)
    id_length = _length(header[:1])
    size_length = _length(header[id_length : id_length + 1])
    header_length = id_length + size_length
    if id_length > 4 or size_length > 8:
        raise _Damage(offset)
    if len(header) < header_length:
        raise _Damage(offset, offset + header_length)
    marker = 1 << (7 * size_length)
    length = int.from_bytes(header[id_length:header_length], "big") & (marker - 1)
    body = offset + header_length
    is_open = length == marker - 1
    if not is_open and body + length > end:
        raise _Damage(offset)
    return _Element(header[:id_length], body, None if is_open else body + length)


def _length(first: bytes) -> int:
    """Length of an EBML number: the leading zeros of its first byte and 1; at least 1 where that byte is missing."""
    return 9 - first[0].bit_length() if first else 1


def _vint(file: BinaryIO, offset: int, block: int) -> int:
    """Read the EBML number that a block, which begins at ``block``, has at ``offset``."""
    file.seek(offset)
    content = file.read(8)
    length = _length(content[:1])
    if length > 8:
        raise _Damage(block)
    return int.from_bytes(content[:length], "big") & ((1 << (7 * length)) - 1)


def _number(file: BinaryIO, field: _Element) -> int:
    file.seek(field.body)
    return int.from_bytes(file.read((field.end or field.body) - field.body), "big")
