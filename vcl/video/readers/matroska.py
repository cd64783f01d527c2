"""Matroska and WebM: the walk over all elements, each of which must begin where the one before ends."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

MAGIC = b"\x1a\x45\xdf\xa3"
SEGMENT = b"\x18\x53\x80\x67"
_TRACKS = b"\x16\x54\xae\x6b"
_CLUSTER = b"\x1f\x43\xb6\x75"
_AFTER_CLUSTERS = frozenset(
    bytes.fromhex(kind)
    for kind in ("114d9b74", "1549a966", "1f43b675", "1654ae6b", "1c53bb6b", "1941a469", "1043a770", "1254c367")
)
_CLUSTER_CHILDREN = frozenset(bytes.fromhex(kind) for kind in ("e7", "a3", "a0", "ab", "a7", "af", "5854", "ec", "bf"))
_SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK = b"\xa3", b"\xa0", b"\xa1"
_ANYWHERE = 1 << 64
_TRACK_ENTRY, _TRACK_NUMBER = b"\xae", b"\xd7"


class _Element(NamedTuple):
    """``end`` is ``None`` where a live stream leaves the size open."""

    kind: bytes
    start: int
    body: int
    end: int | None


class _Damage(Exception):
    """The byte at which no element begins."""


def damaged_at(file: BinaryIO, size: int) -> int | None:
    """Find the first place where the elements of a file stop following one another.

    FFmpeg looks for the next element that it knows, and loses what lies between without an error.

    Args:
        file: opened for reading.
        size: its bytes.

    Returns:
        The byte; ``None`` for a file in order. Bytes after the segment are not looked at.
    """
    try:
        for element in _children(file, 0, _ANYWHERE):  # The segment of a cut file ends beyond the file.
            if element.kind == SEGMENT:
                _check_segment(file, element.body, size if element.end is None else element.end, size)
                break
    except _Damage as damage:
        return int(damage.args[0])
    return None


def _check_segment(file: BinaryIO, place: int, end: int, size: int) -> None:
    tracks: set[int] = set()
    while place < end:
        element = _element(file, place, end)
        if element.kind == _CLUSTER:
            place = _check_cluster(file, element, min(end, element.end or end), size, tracks)
            continue
        if element.end is None or element.end > size:
            raise _Damage(place)
        if element.kind == _TRACKS:
            tracks = {
                _number(file, field)
                for entry in _children(file, element.body, element.end)
                if entry.kind == _TRACK_ENTRY and entry.end is not None
                for field in _children(file, entry.body, entry.end)
                if field.kind == _TRACK_NUMBER
            }
        place = element.end


def _check_cluster(file: BinaryIO, cluster: _Element, end: int, size: int, tracks: set[int]) -> int:
    """Check a cluster's blocks; returns where it ends, which of an open one the next part of the segment tells."""
    place = cluster.body
    while place < end:
        element = _element(file, place, end)
        if cluster.end is None and element.kind in _AFTER_CLUSTERS:
            return place
        if element.end is None or element.end > size or element.kind not in _CLUSTER_CHILDREN:
            raise _Damage(place)
        block: _Element | None = element if element.kind == _SIMPLE_BLOCK else None
        if element.kind == _BLOCK_GROUP:
            block = next((part for part in _children(file, element.body, element.end) if part.kind == _BLOCK), None)
            if block is None:
                raise _Damage(place)
        if block is not None and tracks and _vint(file, block.body, place) not in tracks:
            raise _Damage(place)
        place = element.end
    return place


def _children(file: BinaryIO, place: int, end: int) -> Iterator[_Element]:
    while place < end:
        element = _element(file, place, end)
        yield element
        if element.end is None:
            return
        place = element.end


def _element(file: BinaryIO, place: int, end: int) -> _Element:
    """The element at a place, which must end where its parent does at the latest."""
    file.seek(place)
    header = file.read(12)
    id_length = _length(header[:1])
    size_length = _length(header[id_length : id_length + 1])
    body = id_length + size_length
    if id_length > 4 or size_length > 8 or len(header) < body:
        raise _Damage(place)
    marker = 1 << (7 * size_length)
    length = int.from_bytes(header[id_length:body], "big") & (marker - 1)
    open_end = length == marker - 1
    if not open_end and place + body + length > end:
        raise _Damage(place)
    return _Element(header[:id_length], place, place + body, None if open_end else place + body + length)


def _length(first: bytes) -> int:
    """Length of an EBML number, told by the leading zeros of its first byte; 9 where that is no number's."""
    return 9 - first[0].bit_length() if first else 9


def _vint(file: BinaryIO, place: int, block: int) -> int:
    file.seek(place)
    digits = file.read(8)
    length = _length(digits[:1])
    if length > 8:
        raise _Damage(block)
    return int.from_bytes(digits[:length], "big") & ((1 << (7 * length)) - 1)


def _number(file: BinaryIO, field: _Element) -> int:
    file.seek(field.body)
    return int.from_bytes(file.read((field.end or field.body) - field.body), "big")
