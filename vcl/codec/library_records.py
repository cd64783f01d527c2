"""The records of a library: which of them a session has, and how they are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from vcl.codec.container import Container
from vcl.codec.container_layout import OPTIONAL, Section
from vcl.codec.container_writer import Record
from vcl.codec.encode import Draws, encode_session
from vcl.codec.payloads import ARCHITECTURE, MASK, META, OWN, STRICT, VIDEO, WEIGHTS, Architecture, Video, meta_to_bytes
from vcl.errors import BitstreamError
from vcl.subnet.ledger import Ledger
from vcl.subnet.record import SessionRecord

KINDS = (ARCHITECTURE, VIDEO, MASK, WEIGHTS, OWN, STRICT, META)


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
