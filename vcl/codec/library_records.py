"""The records of a library: which of them a session has, and how they are made."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vcl.codec.container import Container
from vcl.codec.container_layout import OPTIONAL, Section
from vcl.codec.container_writer import Record
from vcl.codec.encode import Draws, encode_session
from vcl.codec.fields import FieldReader
from vcl.codec.payloads import ARCHITECTURE, MASK, META, OWN, STRICT, VIDEO, WEIGHTS, Architecture, Video, meta_to_bytes
from vcl.codec.strict import HASH_BYTES, Exponents, StrictNetwork, calibrate
from vcl.errors import BitstreamError, ConfigError
from vcl.subnet.ledger import Ledger, Subnetwork
from vcl.subnet.record import SessionRecord

log = logging.getLogger(__name__)

KINDS = (ARCHITECTURE, VIDEO, MASK, WEIGHTS, OWN, STRICT, META)


@dataclass(frozen=True)
class StrictFrames:
    """How a session's frames are decoded bit for bit on every machine, and what they then are.

    Args:
        exponents: of the activations.
        hashes: by frame, the first bytes of its SHA-256.
    """

    exponents: Exponents
    hashes: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """As the record holds it."""
        exponents = self.exponents.to_bytes()
        return bytes([len(exponents)]) + exponents + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, payload: bytes, frames: int) -> StrictFrames:
        """What ``to_bytes`` gave, of a video of so many frames; raises BitstreamError."""
        reader = FieldReader(payload, "the frame hashes of the library")
        exponents = Exponents.from_bytes(reader.raw(reader.number("B")))
        hashes = tuple(reader.raw(HASH_BYTES) for _ in range(frames))
        reader.end()
        return cls(exponents, hashes)


def first_records(architecture: Architecture, notes: Mapping[str, str]) -> list[Record]:
    """What a library begins with."""
    return [Record(ARCHITECTURE, 0, architecture.to_bytes()), Record(META, 0, meta_to_bytes(notes))]


def session_records(
    record: SessionRecord,
    ledger: Ledger,
    video: Video,
    draws: Draws,
) -> list[Record]:
    """What a session adds to a library, but for its strict frames.

    Args:
        record: of the session, with its weights.
        ledger: of the sessions before; it is not changed.
        video: of the session.
        draws: of the session.

    Raises:
        BitstreamError: the record's numbers do not fit their steps.
    """
    session = len(ledger)
    payloads = encode_session(record, ledger, draws)
    records = [Record(VIDEO, session, video.to_bytes())]
    records += [
        Record(kind, session, payload) for kind, payload in zip((MASK, WEIGHTS, OWN), payloads, strict=True) if payload
    ]
    return records


def strict_record(architecture: Architecture, subnetwork: Subnetwork, session: int, frames: int) -> list[Record]:
    """The record of a session's strict frames; none, and a line in the log, where the network has no strict profile.

    Args:
        architecture: of the library.
        subnetwork: of the session.
        session: its index.
        frames: of its video.
    """
    network = architecture.backbone, architecture.size, architecture.sessions or 1, subnetwork
    try:
        exponents = calibrate(*network, session, frames)
        hashes = StrictNetwork(*network, exponents).frame_hashes(session, frames)
    except ConfigError as error:
        log.info("no strict profile: %s", error)
        return []
    return [Record(STRICT, session, StrictFrames(exponents, tuple(hashes)).to_bytes())]


def sections_by_session(container: Container) -> list[dict[int, Section]]:
    """Sections by session and kind; of notes, which any session may have more of, the latest.

    Raises:
        BitstreamError: a session has two of a kind or is missing, or a section needs a newer vcl.
    """
    sessions: dict[int, dict[int, Section]] = {}
    for section in container.sections:
        if section.version != 1 and section.kind & OPTIONAL:
            continue
        if section.version != 1:
            raise BitstreamError(
                f"a record of kind {section.kind:#x} has version {section.version}; a newer vcl reads it"
            )
        of_session = sessions.setdefault(section.session, {})
        if section.kind in of_session and section.kind != META:
            raise BitstreamError(f"session {section.session} has two records of kind {section.kind:#x}")
        of_session[section.kind] = section
    if sorted(sessions) != list(range(len(sessions))):
        raise BitstreamError(f"sessions must be numbered from 0, got {sorted(sessions)[:8]}")
    if not sessions:
        raise BitstreamError("it has no session")
    return [sessions[session] for session in range(len(sessions))]


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Let a BitstreamError begin with the name of the file that it is about."""
    try:
        yield
    except BitstreamError as error:
        if str(error).startswith(str(path)):
            raise
        raise BitstreamError(f"{path}: {error}") from error
