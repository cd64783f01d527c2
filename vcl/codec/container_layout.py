"""The bytes of a library file, without any reading or writing of files.

::

    library = header, append, append, ...
    append  = record, record, ..., commit record, trailer
    record  = record header, payload, zeros up to a multiple of 8 bytes

    header         magic 8s | major u16 | minor u16 | incompatible flags u32 | compatible flags u32 | UUID 16s | CRC-32
    record header  "VREC" | type u16 | version u16 | session u32 | payload length u64 | CRC-32
    entry          type u16 | version u16 | session u32 | payload offset u64 | payload length u64 | SHA-256
    commit         number u32 | number of entries u32 | entry of the previous commit, or zeros | entries
    trailer        entry of the commit | CRC-32 | "VCLT"

All numbers are little-endian. A CRC-32, that of zlib, covers the bytes of its structure before it; a SHA-256 covers the
payload of its entry. Commits are numbered from 0. One whose number is a multiple of ``FULL_TABLE_PERIOD`` lists every
section of the library, any other only those of its append. The message of an error here continues the file's name.
"""

import hashlib
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from vcl.errors import BitstreamError

MAGIC = b"\x89VCL\r\n\x1a\n"
"""First bytes of a library; like those of PNG they show a transfer that changed line ends or cleared the eighth bit."""

MAJOR, MINOR = 1, 0
"""Another major version cannot be read; a higher minor one adds only what may be ignored."""

OPTIONAL = 0x8000
"""Bit of a record's type: a reader that does not know the type may ignore the record."""

COMMIT = 0x00C0
"""Type of the record that ends an append; all other types belong to the callers."""

COMMIT_VERSION = 1

FULL_TABLE_PERIOD = 16
"""Opening reads at most so many commits. A full table in each of T would take O(T^2) bytes."""

MAX_PAYLOAD = 2**28
"""Bytes of a section: 8 bits for each weight of the largest network here (50 M) take a fifth of it."""

MAX_SECTIONS = 2**18
"""Sections of a library: its full table takes 15 MB, and ten thousand videos need a fifth of it."""

MAX_COMMITS = 2**20
"""Appends to a library: more than it may have sections."""

ALIGNMENT = 8

HEADER = struct.Struct("<8sHHII16sI")
RECORD = struct.Struct("<4sHHIQI")
ENTRY = struct.Struct("<HHIQQ32s")
COMMIT_START = struct.Struct(f"<II{ENTRY.size}s")
TRAILER = struct.Struct(f"<{ENTRY.size}sI4s")

MAX_COMMIT = COMMIT_START.size + ENTRY.size * MAX_SECTIONS

TRAILER_MAGIC = b"VCLT"
_RECORD_MAGIC = b"VREC"
_NAMESPACE = UUID("3f0b6c1e-52a5-4c57-9d0e-8a3c1f6b7e24")


@dataclass(frozen=True)
class Section:
    """Where a payload lies in the file, and what it must be.

    Args:
        kind: type of its record, a u16; with the bit ``OPTIONAL`` a reader may ignore it.
        version: of the payload's format, a u16.
        session: number of the session that it belongs to, a u32.
        offset: first byte of the payload, a multiple of 8.
        length: bytes of the payload.
        sha256: digest of the payload, 32 bytes.
    """

    kind: int
    version: int
    session: int
    offset: int
    length: int
    sha256: bytes

    @property
    def start(self) -> int:
        """First byte of the record."""
        return self.offset - RECORD.size

    @property
    def end(self) -> int:
        """First byte behind the record and its padding."""
        return self.offset + self.length + self.padding

    @property
    def padding(self) -> int:
        """Zeros behind the payload."""
        return -self.length % ALIGNMENT

    def __str__(self) -> str:
        return f"the section of type {self.kind:#06x} of session {self.session} at byte {self.offset}"


@dataclass(frozen=True)
class Commit:
    """What a commit record says.

    Args:
        number: how many commits precede it.
        previous: the commit before it; ``None`` in the first one.
        entries: sections in the order of the file: all of the library's, or those of its own append.
    """

    number: int
    previous: Section | None
    entries: tuple[Section, ...]

    @property
    def is_full(self) -> bool:
        """Whether the entries are those of the whole library."""
        return self.number % FULL_TABLE_PERIOD == 0


def library_uuid(entries: Sequence[Section]) -> UUID:
    """UUID of a library whose first commit has these entries; the same content has the same UUID."""
    return uuid5(_NAMESPACE, hashlib.sha256(b"".join(map(_pack_entry, entries))).hexdigest())


def pack_header(uuid: UUID) -> bytes:
    """Header of a new library, 40 bytes."""
    return _with_crc(HEADER.pack(MAGIC, MAJOR, MINOR, 0, 0, uuid.bytes, 0))


def unpack_header(data: bytes) -> UUID:
    """UUID from the header of a file.

    Args:
        data: first 40 bytes of the file, fewer where it is shorter.

    Raises:
        BitstreamError: it is no library, needs a newer version of vcl, or is damaged.
    """
    if not data.startswith(MAGIC):
        raise BitstreamError("is no vcl library")
    if len(data) < HEADER.size:
        raise BitstreamError(f"is cut off: a library has a header of {HEADER.size} bytes, got {len(data)}")
    _, major, _, incompatible, _, uuid, _ = HEADER.unpack(data)
    if major != MAJOR:
        raise BitstreamError(f"has format version {major}; this vcl reads version {MAJOR}")
    if data != _with_crc(data):
        raise BitstreamError("has a damaged header: its CRC-32 differs")
    if incompatible:
        raise BitstreamError(f"needs a newer vcl: it has the incompatible flags {incompatible:#010x}")
    return UUID(bytes=uuid)


def pack_record_header(section: Section) -> bytes:
    """Header of a section's record, 24 bytes."""
    fields = section.kind, section.version, section.session, section.length
    return _with_crc(RECORD.pack(_RECORD_MAGIC, *fields, 0))


def pack_commit(commit: Commit) -> bytes:
    """Payload of a commit record, ``64 + 56 * entries`` bytes."""
    previous = _pack_entry(commit.previous) if commit.previous else bytes(ENTRY.size)
    start = COMMIT_START.pack(commit.number, len(commit.entries), previous)
    return start + b"".join(map(_pack_entry, commit.entries))


def unpack_commit(data: bytes) -> Commit:
    """The inverse of ``pack_commit``.

    Raises:
        BitstreamError: the numbers contradict each other, or a limit.
    """
    if len(data) < COMMIT_START.size:
        raise BitstreamError(f"is damaged: a commit has at least {COMMIT_START.size} bytes, got {len(data)}")
    number, count, link = COMMIT_START.unpack_from(data)
    if len(data) != COMMIT_START.size + ENTRY.size * count:
        raise BitstreamError(f"is damaged: a commit of {len(data)} bytes cannot have {count} entries")
    if number >= MAX_COMMITS:
        raise BitstreamError(f"is damaged: a library has at most {MAX_COMMITS} commits, got number {number}")
    if (number == 0) != (link == bytes(ENTRY.size)):
        raise BitstreamError(
            f"is damaged: every commit but the first names the one before it, commit {number} does not"
        )
    entries = tuple(Section(*fields) for fields in ENTRY.iter_unpack(data[COMMIT_START.size :]))
    return Commit(number, unpack_commit_entry(link) if number else None, entries)


def check_table(sections: Sequence[Section], stop: int) -> None:
    """Check that the sections of a library follow each other and keep to the limits.

    Args:
        sections: all of them, in the order of the file.
        stop: first byte behind them all, that of the last commit.

    Raises:
        BitstreamError: they are too many, overlap, are not aligned, are too long, or one is a commit.
    """
    if len(sections) > MAX_SECTIONS:
        raise BitstreamError(f"has {len(sections)} sections; a library has at most {MAX_SECTIONS}")
    position = HEADER.size
    for section in sections:
        if section.start < position or section.offset % ALIGNMENT or section.length > MAX_PAYLOAD or section.end > stop:
            raise BitstreamError(f"is damaged: {section} has {section.length} bytes, which cannot lie there")
        if section.kind == COMMIT:
            raise BitstreamError(f"is damaged: it lists {section}, which is the type of commits")
        position = section.end


def pack_trailer(commit: Section) -> bytes:
    """Trailer that follows a commit record, 64 bytes."""
    return TRAILER.pack(_pack_entry(commit), zlib.crc32(_pack_entry(commit)), TRAILER_MAGIC)


def unpack_trailer(data: bytes, position: int) -> Section | None:
    """The commit that a trailer names.

    Args:
        data: 64 bytes, whatever they are.
        position: of these bytes in the file.

    Returns:
        The commit; ``None`` where the bytes are no trailer, or do not follow their commit.
    """
    entry, crc, magic = TRAILER.unpack(data)
    if magic != TRAILER_MAGIC or crc != zlib.crc32(entry):
        return None
    try:
        commit = unpack_commit_entry(entry)
    except BitstreamError:
        return None
    return commit if commit.end == position else None


def unpack_commit_entry(data: bytes) -> Section:
    """Where a commit lies.

    Args:
        data: an entry, 56 bytes.

    Raises:
        BitstreamError: it is no entry of a commit, or beyond the limits.
    """
    commit = Section(*ENTRY.unpack(data))
    if (commit.kind, commit.version, commit.session) != (COMMIT, COMMIT_VERSION, 0):
        raise BitstreamError(f"is damaged: {commit} is no commit")
    if commit.start < HEADER.size or commit.offset % ALIGNMENT or commit.length > MAX_COMMIT:
        raise BitstreamError(f"is damaged: {commit} has {commit.length} bytes, which cannot lie there")
    return commit


def _pack_entry(section: Section) -> bytes:
    fields = section.kind, section.version, section.session, section.offset, section.length
    return ENTRY.pack(*fields, section.sha256)


def _with_crc(structure: bytes) -> bytes:
    """A structure whose last four bytes are the CRC-32 of those before it."""
    return structure[:-4] + zlib.crc32(structure[:-4]).to_bytes(4, "little")
