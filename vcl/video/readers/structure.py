"""Whether a video file is whole and in order, by the container's own byte counts, before anything is decoded.

FFmpeg reads a cut file up to the cut and then often reports a plain end, and the frame count or the duration in a
header cannot tell either: edit lists legally hide frames, and sound may run longer than the picture. The sizes that
containers write around their parts are exact. In many containers FFmpeg does not report damage in the middle either: it
looks for the next part that it knows.
"""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from vcl.video.readers import avi, matroska, mp4, packets

_ASF_MAGIC = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_HEAD = 1024
"""Bytes at the beginning of a file that tell its container."""


class Damage(NamedTuple):
    """What is wrong with a file, as far as its container shows.

    Args:
        reason: for the message.
        start: byte from which on nothing can be trusted; ``None`` where all that is there can.
    """

    reason: str
    start: int | None


def find_damage(path: Path) -> Damage | None:
    """Find out whether a file is cut off, or damaged in the middle.

    Args:
        path: an existing file.

    Returns:
        What is wrong; ``None`` for a file that is whole and in order, or of a kind that cannot tell.

    Raises:
        OSError: the file cannot be read.
    """
    start = damaged_at(path)
    if missing := missing_bytes(path):
        return Damage(f"at least {missing} bytes are missing", start)
    return None if start is None else Damage(f"its parts do not follow one another at byte {start}", start)


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
        checks = _checks_of(file.read(_HEAD))
        return max(0, checks.announced_size(file, size) - size) if checks and checks.announced_size else 0


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
        checks = _checks_of(unbuffered.read(_HEAD))
        unbuffered.seek(0)
        return checks.damaged_at(unbuffered, size) if checks else None


def looks_like_video(path: Path) -> bool:
    """Whether a file begins as a video does, whatever its name; ``False`` where it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return _checks_of(head) is not None or head.startswith((b"YUV4MPEG2 ", b"GIF8", _ASF_MAGIC))


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


class _Checks(NamedTuple):
    """Of an open file and its size in bytes: where its parts stop following one another, and where they should end."""

    damaged_at: Callable[[BinaryIO, int], int | None]
    announced_size: Callable[[BinaryIO, int], int] | None = None


_BY_MAGIC = {
    b"\x1a\x45\xdf\xa3": _Checks(matroska.damaged_at, matroska.announced_size),
    b"\0\0\1\xba": _Checks(packets.ps_damaged_at),
    b"FLV\1": _Checks(packets.flv_damaged_at),
    b"OggS": _Checks(packets.ogg_damaged_at),
}


def _checks_of(head: bytes) -> _Checks | None:
    """The checks of the container that a file with such a head is."""
    if head[4:8] in mp4.FIRST_BOXES:
        return _Checks(mp4.damaged_at, mp4.announced_size)
    if packets.ts_layout(head):
        return _Checks(packets.ts_damaged_at)
    if packets.is_annex_b(head):
        return _Checks(packets.annex_b_damaged_at)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return _Checks(avi.damaged_at, avi.announced_size)
    return _BY_MAGIC.get(head[:4])
