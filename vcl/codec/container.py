"""The library file as its readers see it: payloads by section, each checked before it is used.

Readers take no lock and never write. A file that was cut off, or whose last bytes were never written, is read as of the
last commit that is whole. What a payload means is no matter here.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from vcl.codec import container_layout as layout
from vcl.codec.container_layout import OPTIONAL, Commit, Section
from vcl.errors import BitstreamError

logger = logging.getLogger(__name__)

_CHUNK = 2**20
"""Bytes read at a time where a whole payload need not be in memory."""

_FIRST_WINDOW = 2**12
"""Bytes of the first step back from the end in search of a trailer; each further one doubles, up to ``_CHUNK``."""


@dataclass(frozen=True)
class Container:
    """A library file as of the last commit that was whole when it was opened.

    Args:
        path: the file.
        uuid: names the library; appending does not change it.
        sections: its sections in the order of the file, without those that the caller need not know.
        commits: how many there are.
        last_commit: where the last of them lies.
        recovered: whether there are bytes behind it and its trailer, which are ignored.
    """

    path: Path
    uuid: UUID
    sections: tuple[Section, ...]
    commits: int
    last_commit: Section
    recovered: bool

    @classmethod
    def open(cls, path: Path, kinds: Collection[int] | None = None) -> Container:
        """Read what a library holds; its payloads are read later.

        Warns of bytes behind the last whole commit.

        Args:
            path: the file.
            kinds: types of sections that the caller understands; without it all sections are listed.

        Raises:
            BitstreamError: the file cannot be read, is no library, is damaged, or needs a newer vcl: an unknown major
                version, an incompatible flag, or a section of a type that is neither known nor optional.
        """
        with opened(path) as descriptor:
            container = read_container(path, descriptor)
            if container.recovered:
                ignored = os.fstat(descriptor).st_size - container.end
                logger.warning(
                    "%s: ignored %d bytes behind the last whole commit: an unfinished append, or damage", path, ignored
                )
            if kinds is None:
                return container
            return replace(container, sections=tuple(_understood(container.sections, kinds)))

    @property
    def end(self) -> int:
        """First byte behind the last whole commit and its trailer."""
        return self.last_commit.end + layout.TRAILER.size

    def read(self, section: Section) -> bytes:
        """Payload of a section.

        Args:
            section: one of ``sections``.

        Raises:
            BitstreamError: the payload is not the one that was written, or the file cannot be read.
        """
        with opened(self.path) as descriptor:
            return _read_payload(descriptor, section)

    def verify(self) -> None:
        """Read every byte of the file, and check that it is the one that was written.

        Raises:
            BitstreamError: a byte differs, or there are bytes behind the last whole commit.
        """
        with opened(self.path) as descriptor:
            if self.recovered:
                raise BitstreamError(f"must end with its last whole commit at byte {self.end}; an append is unfinished")
            uuid = layout.unpack_header(_read(descriptor, 0, layout.HEADER.size))
            # Only the places: the tables of all commits together may not fit into memory.
            places = [place for place, _ in _history(descriptor, self.last_commit)]
            sections: list[Section] = []
            position = layout.HEADER.size
            for number, place in enumerate(reversed(places)):
                commit = _read_commit(descriptor, place)
                added = commit.entries
                if commit.is_full:
                    added = commit.entries[len(sections) :]
                    if list(commit.entries[: len(sections)]) != sections:
                        raise BitstreamError(f"is damaged: commit {number} lists other sections than those before it")
                if number == 0 and uuid != layout.library_uuid(added):
                    raise BitstreamError("is damaged: its UUID is not that of its first commit")
                for section in (*added, place):
                    _verify_record(descriptor, section, position)
                    position = section.end
                _verify_bytes(descriptor, position, layout.pack_trailer(place), f"the trailer of commit {number}")
                position += layout.TRAILER.size
                sections += added


def read_container(path: Path, descriptor: int) -> Container:
    """What :meth:`Container.open` reads, with sections of all types and without the warning.

    Args:
        path: the file.
        descriptor: of the open file.
    """
    size = os.fstat(descriptor).st_size
    uuid = layout.unpack_header(_read(descriptor, 0, layout.HEADER.size))
    last = _last_commit(descriptor, size)
    commits: list[Commit] = []
    for _, commit in _history(descriptor, last):
        commits.append(commit)
        if commit.is_full:
            break
    sections = tuple(section for commit in reversed(commits) for section in commit.entries)
    layout.check_table(sections, last.start)
    container = Container(path, uuid, sections, commits[0].number + 1, last, recovered=False)
    return replace(container, recovered=container.end != size)


@contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    """Open a file; its errors are named as in :func:`named_errors`.

    Args:
        path: the file.
        flags: of ``os.open``.

    Yields:
        Its descriptor.
    """
    with named_errors(path, "read" if flags == os.O_RDONLY else "written"):
        # A pipe without a writer would be waited for; a file on disk does not know the flag.
        descriptor = os.open(path, flags | os.O_NONBLOCK)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


@contextmanager
def named_errors(path: Path, action: str) -> Iterator[None]:
    """Put the name of a file before the message of what is wrong with it.

    Args:
        path: the file.
        action: what an OSError keeps from being done, as in "cannot be read".

    Raises:
        BitstreamError: also in place of an OSError.
    """
    try:
        yield
    except BitstreamError as error:
        raise BitstreamError(f"{path} {error}") from None
    except OSError as error:
        raise BitstreamError(f"{path} cannot be {action} ({error.strerror or error})") from error


def _understood(sections: tuple[Section, ...], kinds: Collection[int]) -> Iterator[Section]:
    for section in sections:
        if section.kind in kinds:
            yield section
        elif not section.kind & OPTIONAL:
            raise BitstreamError(f"needs a newer vcl: {section} has a type that this one does not know")


def _last_commit(descriptor: int, size: int) -> Section:
    """Find the last commit that is whole; time and reads grow with the bytes behind it."""
    stop = size
    while commit := _last_trailer(descriptor, stop):
        if _sha256(descriptor, commit) == commit.sha256:
            return commit
        # No older commit ends within this one. Trailers that all claim the same bytes thus cost no more than one.
        stop = commit.start
    raise BitstreamError("is cut off or damaged: it holds no whole commit")


def _last_trailer(descriptor: int, stop: int) -> Section | None:
    """The commit named by the last trailer that ends at ``stop`` or before it."""
    window = _FIRST_WINDOW
    size = layout.TRAILER.size
    while stop >= layout.HEADER.size + size:
        start = max(stop - window, layout.HEADER.size)
        data = _read(descriptor, start, stop - start)
        magic = len(data)
        while (magic := data.rfind(layout.TRAILER_MAGIC, size - len(layout.TRAILER_MAGIC), magic)) >= 0:
            first = magic + len(layout.TRAILER_MAGIC) - size
            if commit := layout.unpack_trailer(data[first : first + size], start + first):
                return commit
        if start == layout.HEADER.size:
            break
        stop = start + size - 1
        window = min(2 * window, _CHUNK)
    return None


def _history(descriptor: int, last: Section) -> Iterator[tuple[Section, Commit]]:
    """Commits and their places, from the last to the first."""
    place, commit = last, _read_commit(descriptor, last)
    yield place, commit
    while commit.previous:
        number, start = commit.number, place.start
        place = commit.previous
        if place.end + layout.TRAILER.size > start:
            raise BitstreamError(f"is damaged: the commit before commit {number} does not lie before it")
        commit = _read_commit(descriptor, place)
        if commit.number != number - 1:
            raise BitstreamError(f"is damaged: commit {number} follows commit {commit.number}")
        yield place, commit


def _read_commit(descriptor: int, place: Section) -> Commit:
    return layout.unpack_commit(_read_payload(descriptor, place))


def _read_payload(descriptor: int, section: Section) -> bytes:
    payload = _read(descriptor, section.offset, section.length)
    if hashlib.sha256(payload).digest() != section.sha256:
        raise BitstreamError(f"is damaged: the SHA-256 of {section} differs")
    return payload


def _read(descriptor: int, offset: int, length: int) -> bytes:
    """Bytes of the file; fewer where it ends."""
    data = os.pread(descriptor, length, offset)
    while len(data) < length and (rest := os.pread(descriptor, length - len(data), offset + len(data))):
        data += rest
    return data


def _sha256(descriptor: int, section: Section) -> bytes:
    """Digest of a payload, without all of it in memory."""
    digest = hashlib.sha256()
    for offset in range(section.offset, section.offset + section.length, _CHUNK):
        digest.update(_read(descriptor, offset, min(_CHUNK, section.offset + section.length - offset)))
    return digest.digest()


def _verify_record(descriptor: int, section: Section, position: int) -> None:
    if section.start != position:
        raise BitstreamError(f"is damaged: {section} must start at byte {position}, got {section.start}")
    _verify_bytes(descriptor, section.start, layout.pack_record_header(section), f"the header of {section}")
    if _sha256(descriptor, section) != section.sha256:
        raise BitstreamError(f"is damaged: the SHA-256 of {section} differs")
    _verify_bytes(descriptor, section.end - section.padding, bytes(section.padding), f"the padding of {section}")


def _verify_bytes(descriptor: int, offset: int, expected: bytes, name: str) -> None:
    if _read(descriptor, offset, len(expected)) != expected:
        raise BitstreamError(f"is damaged: {name} differs")
