"""What a run stores: the bytes of the library that it exports to, by session, kind and layer."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vcl import __version__
from vcl.codec.footprint import Footprint, SessionBytes
from vcl.errors import RunFolderError, VclError
from vcl.rundir import RunFolder
from vcl.rundir.files import write_whole

FILE = "footprint.json"
"""Where a run folder keeps its footprint, so that it is exported once only."""


def stored_bytes(folder: RunFolder, sessions: int) -> dict[str, int]:
    """What is stored of a run's videos: their library, and the buffer that the next session needs.

    A buffer, which a method keeps to learn the next video, is no part of a library: its bytes are those in the latest
    session's file.

    Args:
        folder: the run.
        sessions: how many of its sessions to count, 1 or more.

    Returns:
        Bytes by ``KINDS``, and of the ``buffer``.

    Raises:
        VclError: the run cannot be exported.
    """
    footprint = footprint_of(folder)
    if folder.session_notes(sessions - 1).state_kind != "shared_latest":
        footprint = footprint.first(sessions)
    return {**footprint.by_kind(), "buffer": folder.session_bytes(sessions - 1).get("buffer", 0)}


def footprint_of(folder: RunFolder) -> Footprint:
    """What a run's sessions take in a library, without the frame hashes that ``vcl export`` adds by default.

    The library is written to a temporary file, once: the folder keeps the footprint, if it can be written.

    Args:
        folder: with one closed session or more.

    Raises:
        VclError: the run cannot be exported.
    """
    key = _key(folder)
    footprint = _kept(folder, key)
    if footprint is None:
        footprint = _measured(folder)
        if key == _key(folder) and len(footprint.sessions) == folder.sessions():  # No session was added meanwhile.
            keep_footprint(folder, footprint)
    return footprint


def keep_footprint(folder: RunFolder, footprint: Footprint) -> None:
    """Let a run folder keep its footprint for as long as its sessions stay as they are."""
    key = _key(folder)
    if key is not None:
        with suppress(RunFolderError):
            write_whole(folder.path / FILE, json.dumps({"key": key, **asdict(footprint)}, indent=1).encode())


def _key(folder: RunFolder) -> list[str] | None:
    """What a footprint depends on; None where a session has no hash, as in older runs.

    The event of a session is there before its file is.
    """
    hashes = {event["session"]: event.get("state_sha256") for event in folder.events("session")}
    known = [digest for session in range(folder.sessions()) if isinstance(digest := hashes.get(session), str)]
    return [__version__, *known] if known and len(known) == folder.sessions() else None


def _kept(folder: RunFolder, key: list[str] | None) -> Footprint | None:
    """The footprint that the folder keeps; None where there is none of this key, or something else."""
    try:
        values: Any = json.loads((folder.path / FILE).read_bytes())
        if key is None or values["key"] != key:
            return None
        return Footprint(tuple(SessionBytes(**session) for session in values["sessions"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _measured(folder: RunFolder) -> Footprint:
    from vcl.codec.library import Library  # These load torch, which a kept footprint does not need.
    from vcl.export import export

    with TemporaryDirectory() as place:
        path = Path(place) / "run.vcl"
        try:
            export(folder, path, strict=False)
        except VclError as error:
            raise VclError(f"{folder.path} cannot be exported: {error}") from error
        return Library.open(path).footprint()
