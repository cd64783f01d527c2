"""One raw video inside a 7z archive, unpacked as a stream: nothing of it ever lies on disk."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, BinaryIO

from vcl.errors import VideoError

if TYPE_CHECKING:
    from py7zr import SevenZipFile


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Args:
        name: its path in there.
        size: bytes when unpacked.
    """

    name: str
    size: int


def raw_member(path: Path) -> Member:
    """Find the one ``.yuv`` file of an archive.

    Args:
        path: a ``.7z`` file.

    Raises:
        VideoError: no archive, a locked one, one that would write outside its folder, or not one ``.yuv`` file.
    """
    with _opened(path) as archive:
        files = [Member(entry.filename, entry.uncompressed) for entry in archive.list() if not entry.is_directory]
    for file in files:
        leads = [PurePosixPath(file.name), PureWindowsPath(file.name)]
        if any(lead.is_absolute() or lead.drive or ".." in lead.parts for lead in leads):
            raise VideoError(f"{path}: an archive must stay inside its folder, found {file.name!r} in it")
    raw = [file for file in files if file.name.lower().endswith(".yuv")]
    if len(raw) != 1:
        found = ", ".join(file.name for file in files) or "nothing"
        raise VideoError(f"{path}: an archive must hold one .yuv file, found {found}")
    return raw[0]


@contextmanager
def unpacked(path: Path, member: Member) -> Iterator[BinaryIO]:
    """Read a file of an archive as it is unpacked, in a thread of its own and a pipe ahead of the reader.

    Args:
        path: a ``.7z`` file.
        member: what :func:`raw_member` found in it.

    Yields:
        Its bytes, from first to last; cannot be sought in.

    Raises:
        VideoError: on leaving, when the archive is damaged.
    """
    reading, writing = os.pipe()
    failures: list[Exception] = []

    def unpack() -> None:
        try:
            with os.fdopen(writing, "wb") as pipe, _opened(path) as archive:
                archive.extract(targets=[member.name], factory=_into(pipe))
        except BrokenPipeError:
            pass  # The reader has what it wants.
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=unpack, daemon=True)
    try:
        with os.fdopen(reading, "rb") as pipe:
            thread.start()
            yield pipe
    finally:
        thread.join()
        # Also where the reader has failed: an archive that is cut off looks to it like a video that is.
        if failures:
            raise VideoError(_refusal(path, failures[0])) from failures[0]


@contextmanager
def _opened(path: Path) -> Iterator["SevenZipFile"]:
    try:
        from py7zr import SevenZipFile
    except ImportError as error:
        raise VideoError(f"{path}: reading 7z archives takes the py7zr package: pip install py7zr") from error
    try:
        archive = SevenZipFile(path)
    except Exception as error:  # A damaged header ends in errors of every kind.
        raise VideoError(_refusal(path, error)) from error
    with archive:
        yield archive


def _into(pipe: BinaryIO) -> Any:
    """What py7zr asks for: something that takes the bytes of each member."""
    from py7zr import Py7zIO, WriterFactory

    class Taker(Py7zIO):
        written = 0

        def write(self, s: bytes | bytearray) -> int:
            self.written += len(s)
            return pipe.write(s)

        def read(self, size: int | None = None) -> bytes:
            return b""

        def seek(self, offset: int, whence: int = 0) -> int:
            return offset

        def flush(self) -> None:
            pipe.flush()

        def size(self) -> int:
            return self.written

    class Takers(WriterFactory):
        def create(self, filename: str) -> Py7zIO:
            return Taker()

    return Takers()


def _refusal(path: Path, error: Exception) -> str:
    if isinstance(error, VideoError):
        return str(error)
    return f"{path}: the archive is locked, cut off or damaged ({type(error).__name__}: {error})"
