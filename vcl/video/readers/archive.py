"""One raw video inside a 7z archive, unpacked as a stream: nothing is written to disk."""

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
        name: its path inside the archive.
        size: bytes when unpacked.
    """

    name: str
    size: int


def raw_member(path: Path) -> Member:
    """Find the one ``.yuv`` file of an archive.

    Args:
        path: a ``.7z`` file.

    Raises:
        VideoError: the file is no archive, or one that is locked, would write outside its folder, or does not contain
            exactly one ``.yuv`` file.
    """
    with _open(path) as archive:
        files = [Member(entry.filename, entry.uncompressed) for entry in archive.list() if not entry.is_directory]
    for file in files:
        targets = [PurePosixPath(file.name), PureWindowsPath(file.name)]
        if any(target.is_absolute() or target.drive or ".." in target.parts for target in targets):
            raise VideoError(f"{path}: an archive must stay inside its folder, found {file.name!r} in it")
    raw_files = [file for file in files if file.name.lower().endswith(".yuv")]
    if len(raw_files) != 1:
        names = ", ".join(file.name for file in files) or "nothing"
        raise VideoError(f"{path}: an archive must hold one .yuv file, found {names}")
    return raw_files[0]


@contextmanager
def unpacked(path: Path, member: Member) -> Iterator[BinaryIO]:
    """Read a file of an archive while a second thread unpacks it into a pipe.

    Args:
        path: a ``.7z`` file.
        member: its file, as :func:`raw_member` returns it.

    Yields:
        The pipe, with the bytes of the file from first to last; it is not seekable.

    Raises:
        VideoError: on leaving, where the archive is damaged.
    """
    reading, writing = os.pipe()
    failures: list[Exception] = []

    def unpack() -> None:
        try:
            with os.fdopen(writing, "wb") as pipe, _open(path) as archive:
                archive.extract(targets=[member.name], factory=_writers_to(pipe))
        except BrokenPipeError:
            pass  # The reader has all the frames that it needs.
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=unpack, daemon=True)
    try:
        with os.fdopen(reading, "rb") as pipe:
            thread.start()
            yield pipe
    finally:
        thread.join()
        # Also where the reader has failed: to it an archive that is cut off looks like a video that is cut off.
        if failures:
            raise _archive_error(path, failures[0]) from failures[0]


@contextmanager
def _open(path: Path) -> Iterator["SevenZipFile"]:
    try:
        from py7zr import SevenZipFile
    except ImportError as error:
        raise VideoError(f"{path}: reading 7z archives takes the py7zr package: pip install py7zr") from error
    try:
        archive = SevenZipFile(path)
    except Exception as error:  # A damaged header may raise anything.
        raise _archive_error(path, error) from error
    with archive:
        yield archive


def _writers_to(pipe: BinaryIO) -> Any:
    """The factory from which py7zr gets a writer for each member; all of them write to the pipe."""
    from py7zr import Py7zIO, WriterFactory

    class PipeWriter(Py7zIO):
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

    class PipeWriters(WriterFactory):
        def create(self, filename: str) -> Py7zIO:
            return PipeWriter()

    return PipeWriters()


def _archive_error(path: Path, error: Exception) -> VideoError:
    if isinstance(error, VideoError):
        return VideoError(str(error))
    return VideoError(f"{path}: the archive is locked, cut off or damaged ({type(error).__name__}: {error})")
