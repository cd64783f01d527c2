"""Is a video file all there, and in order? Asked of the container's own byte counts, before anything is decoded.

FFmpeg reads a cut file up to the cut and then often reports a plain end, and the frame count or the duration in a
header cannot tell either: edit lists legally hide frames, and sound may run longer than the picture. The sizes that
containers write around their parts are exact. Of damage in the middle FFmpeg says nothing in many containers: it looks
for the next part that it knows.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from vcl.video.readers import matroska, walks

_MP4_FIRST_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"})
_ASF_MAGIC = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_AVI_SIZE_UNKNOWN = frozenset({0, 0xFFFFFFFF})


def missing_bytes(path: Path) -> int:
    """Count the bytes that the container announces and the file does not have.

    Knows MP4 and MOV, Matroska and WebM, and AVI. A file of another kind, or one written as a live stream without
    sizes, counts as whole.

    Args:
        path: an existing file.

    Returns:
        0 for a whole file, else how many bytes are missing at least.

    Raises:
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        file.seek(0)
        measure = _measure_for(head)
        return max(0, measure(file, size) - size) if measure else 0


def damaged_at(path: Path) -> int | None:
    """Find the first byte at which the parts of a container stop following one another.

    Knows MP4 and MOV (fragments alone: other files have one part for all frames), Matroska and WebM, AVI, MPEG
    transport and program streams, FLV, Ogg, and bare H.264 and HEVC. A file of another kind counts as in order.

    Args:
        path: an existing file.

    Returns:
        The byte; ``None`` where all follow one another to the end of the file.

    Raises:
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb", buffering=0) as unbuffered:
        head = unbuffered.read(1024)
        unbuffered.seek(0)
        walk = _walk_for(head)
        return walk(unbuffered, size) if walk else None


def looks_like_video(path: Path) -> bool:
    """Tell whether a file begins as a video does, whatever it is called.

    Returns:
        Also ``False`` where it cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError:
        return False
    return bool(_walk_for(head) or _measure_for(head)) or head.startswith((b"YUV4MPEG2 ", b"GIF8", _ASF_MAGIC))


def partial_y4m_bytes(path: Path, frame_bytes: int) -> int:
    """Count the bytes of an unfinished last frame in a YUV4MPEG2 file, which has no sizes to check against.

    Args:
        path: an existing ``.y4m`` file.
        frame_bytes: bytes of one frame without its header line.

    Returns:
        0 when the file ends with a whole frame, else the bytes after the last whole frame.

    Raises:
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        end = len(file.readline())
        while end < size:
            file.seek(end)
            header = file.readline(256)
            following = end + len(header) + frame_bytes
            if following > size:
                return size - end
            end = following
    return 0


def _walk_for(head: bytes) -> Callable[[BinaryIO, int], int | None] | None:
    if head[4:8] in _MP4_FIRST_BOXES:
        return walks.mp4_damaged_at
    if walks.ts_packet(head):
        return walks.ts_damaged_at
    if walks.is_annex_b(head):
        return walks.annex_b_damaged_at
    if head[:4] == b"RIFF":
        return walks.avi_damaged_at if head[8:12] == b"AVI " else None
    by_magic = {
        matroska.MAGIC: matroska.damaged_at,
        b"\0\0\1\xba": walks.ps_damaged_at,
        b"FLV\1": walks.flv_damaged_at,
        b"OggS": walks.ogg_damaged_at,
    }
    return by_magic.get(head[:4])


def _measure_for(head: bytes) -> Callable[[BinaryIO, int], int] | None:
    if head[4:8] in _MP4_FIRST_BOXES:
        return _announced_mp4
    if head[:4] == matroska.MAGIC:
        return _announced_matroska
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return _announced_avi
    return None


def _announced_mp4(file: BinaryIO, size: int) -> int:
    """Walk the top-level boxes; return where the last one ends."""
    end = 0
    while end < size:
        file.seek(end)
        header = file.read(16)
        if len(header) < 8:
            return end + 8
        length, kind = struct.unpack(">I4s", header[:8])
        if not kind.isalnum():
            # Bytes that some cameras append after the last box: not a box, so nothing is announced.
            return end
        if length == 0:
            return size
        if length == 1:
            if len(header) < 16:
                return end + 16
            (length,) = struct.unpack(">Q", header[8:16])
        end += max(8, length)
    return end


def _announced_matroska(file: BinaryIO, size: int) -> int:
    """Walk the top-level elements; return where the last one ends, or the file's size when a size is left open."""
    end = 0
    while end < size:
        file.seek(end)
        header = file.read(12)
        id_length = _vint_length(header[:1])
        size_length = _vint_length(header[id_length : id_length + 1])
        if len(header) < id_length + size_length:
            return end + id_length + size_length
        digits = header[id_length : id_length + size_length]
        marker = 1 << (7 * size_length)
        length = int.from_bytes(digits, "big") & (marker - 1)
        if length == marker - 1:
            return size
        end += id_length + size_length + length
        if header[:id_length] == matroska.SEGMENT:
            return end
    return end


def _vint_length(first: bytes) -> int:
    """Length of an EBML number, told by the leading zeros of its first byte; 1 when there is no such byte."""
    return 9 - first[0].bit_length() if first and first[0] else 1


def _announced_avi(file: BinaryIO, size: int) -> int:
    """Walk the RIFF chunks (large files have several); return where the last one ends."""
    end = 0
    while end + 8 <= size:
        file.seek(end)
        kind, length = struct.unpack("<4sI", file.read(8))
        if kind != b"RIFF" or length in _AVI_SIZE_UNKNOWN:
            return size
        end += 8 + length
    return end
