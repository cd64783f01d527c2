"""Writing library files: a new one appears whole or not at all, and an append changes no byte that was there.

An append is written in two steps, each forced to disk: its records, then its commit. Whatever fails, a power cut
included, the file holds the old sections or the new ones. One process at a time writes to a file.
"""

import errno
import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from vcl.atomic_file import draft_folder
from vcl.codec import container_layout as layout
from vcl.codec.container import named_errors, opened, read_container
from vcl.codec.container_layout import COMMIT, COMMIT_VERSION, MAX_COMMITS, MAX_PAYLOAD, MAX_SECTIONS, Commit, Section
from vcl.errors import BitstreamError, LibraryInUseError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Record:
    """A section to be written.

    Args:
        kind: type of the record, a u16 other than ``COMMIT``; with the bit ``OPTIONAL`` a reader may ignore it.
        session: number of the session that it belongs to, a u32.
        payload: at most ``MAX_PAYLOAD`` bytes.
        version: of the payload's format, a u16.
    """

    kind: int
    session: int
    payload: bytes
    version: int = 1


def create(path: Path, records: Sequence[Record], overwrite: bool = False) -> None:
    """Write a new library; the same records give the same bytes.

    Args:
        path: the file; its folder must exist.
        records: what its first commit holds, in this order.
        overwrite: replace a file that exists.

    Raises:
        BitstreamError: the file exists, or cannot be written; the records exceed a limit.
        LibraryInUseError: another process writes to the file that is to be replaced.
    """
    with ExitStack() as stack:
        with named_errors(path, "written"):
            draft = stack.enter_context(draft_folder(path)) / path.name
            sections = _places(records, layout.HEADER.size)
            with draft.open("xb") as file:
                descriptor = file.fileno()
                _write(descriptor, 0, layout.pack_header(layout.library_uuid(sections)))
                _write_append(descriptor, layout.HEADER.size, records, sections, Commit(0, None, sections))
        publish(draft, path, overwrite)


def publish(draft: Path, path: Path, overwrite: bool = False) -> None:
    """Give a library that is written, all of it on disk, its name.

    Args:
        draft: the file, on the file system of ``path``.
        path: its name.
        overwrite: replace a file that exists.

    Raises:
        BitstreamError: the file exists, or cannot be written.
        LibraryInUseError: another process writes to the file that is to be replaced.
    """
    with _locked(path) if overwrite and path.exists() else named_errors(path, "written"):
        if overwrite:
            draft.replace(path)
        else:
            _name_new(draft, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # Without it a power cut could take the new name away again.
        finally:
            os.close(folder)


def _name_new(draft: Path, path: Path) -> None:
    """Name a draft as no file is named; a link fails where one is, also one that has come just now."""
    refusal = BitstreamError("exists, and is replaced only with overwrite")
    try:
        os.link(draft, path)
    except FileExistsError:
        raise refusal from None
    except OSError:  # Some file systems have no links.
        if os.path.lexists(path):
            raise refusal from None
        draft.rename(path)


def append(path: Path, records: Sequence[Record], after: Section | None = None) -> None:
    """Add sections to a library; bytes behind its last whole commit, which a killed process left, are cut off.

    Args:
        path: the library.
        records: what the new commit adds, in this order.
        after: the last commit of the library that the records continue; default any.

    Raises:
        BitstreamError: as :meth:`Container.open`; the file cannot be written; the records exceed a limit.
        LibraryInUseError: another process writes to the file, or has written to it behind ``after``.
    """
    with _locked(path) as descriptor:
        library = read_container(path, descriptor)
        if after not in (None, library.last_commit):
            raise LibraryInUseError(f"{path} is in use: another process has just written to it")
        if library.commits == MAX_COMMITS:
            raise BitstreamError(f"cannot hold more than {MAX_COMMITS} commits")
        added = _places(records, library.end, len(library.sections))
        commit = Commit(library.commits, library.last_commit, added)
        if commit.is_full:
            commit = replace(commit, entries=library.sections + added)
        try:
            if library.recovered:
                _cut_off(descriptor, library.end)
            _write_append(descriptor, library.end, records, added, commit)
        except BaseException:
            # Where this fails too, the next one to open the file does not see what lies behind the last whole commit.
            with suppress(OSError):
                _cut_off(descriptor, library.end)
            raise


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open a file as its only writer. The lock is one of the file itself, and ends with the process."""
    with opened(path, os.O_RDWR) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LibraryInUseError(f"{path} is in use: another process is writing to it") from None
        except OSError as error:
            rule = "make sure that no other process writes to this file"
            logger.warning("%s: its file system has no locks (%s): %s", path, error.strerror, rule)
        if not os.path.samestat(os.fstat(descriptor), path.stat()):
            raise LibraryInUseError(f"{path} is in use: another process has just replaced it")
        yield descriptor


def _places(records: Sequence[Record], position: int, present: int = 0) -> tuple[Section, ...]:
    """Sections of records that are written from a position on, into a library that has some already."""
    if present + len(records) > MAX_SECTIONS:
        raise BitstreamError(f"cannot hold more than {MAX_SECTIONS} sections, got {present + len(records)}")
    sections = []
    for record in records:
        if record.kind == COMMIT:
            raise BitstreamError(f"cannot hold a section of type {COMMIT:#06x}, which is that of commits")
        if len(record.payload) > MAX_PAYLOAD:
            raise BitstreamError(f"cannot hold a section of more than {MAX_PAYLOAD} bytes, got {len(record.payload)}")
        sections.append(_place(record, position))
        position = sections[-1].end
    return tuple(sections)


def _place(record: Record, position: int) -> Section:
    digest = hashlib.sha256(record.payload).digest()
    offset = position + layout.RECORD.size
    return Section(record.kind, record.version, record.session, offset, len(record.payload), digest)


def _write_append(
    descriptor: int, position: int, records: Sequence[Record], sections: Sequence[Section], commit: Commit
) -> None:
    """Write records from a position on; behind them their commit, only when they are on disk."""
    for section, record in zip(sections, records, strict=True):
        _write_record(descriptor, section, record.payload)
        position = section.end
    os.fsync(descriptor)
    payload = layout.pack_commit(commit)
    place = _place(Record(COMMIT, 0, payload, COMMIT_VERSION), position)
    _write_record(descriptor, place, payload)
    _write(descriptor, place.end, layout.pack_trailer(place))
    os.fsync(descriptor)


def _write_record(descriptor: int, section: Section, payload: bytes) -> None:
    _write(descriptor, section.start, layout.pack_record_header(section))
    _write(descriptor, section.offset, payload)
    _write(descriptor, section.end - section.padding, bytes(section.padding))


def _write(descriptor: int, offset: int, data: bytes) -> None:
    """Write all bytes, however few of them the system takes at a time."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        if not written:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rest = rest[written:]
        offset += written


def _cut_off(descriptor: int, end: int) -> None:
    os.ftruncate(descriptor, end)
    os.fsync(descriptor)
