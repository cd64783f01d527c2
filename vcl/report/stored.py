"""What a run stores: the bytes of the library that it exports to, by session, kind and layer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vcl import __version__
from vcl.errors import RunFolderError, VclError
from vcl.rundir import RunFolder
from vcl.rundir.files import write_whole

KINDS = ("weight", "mask", "side")
"""Kinds of bytes in a library; side data are all that are neither weights nor masks."""

FILE = "footprint.json"
"""Where a run folder keeps its footprint, so that it is exported once only."""


@dataclass(frozen=True)
class SessionBytes:
    """Bytes of a session in a library.

    Args:
        video: name of its video.
        weight: of the weights that it claimed, with the steps of their integers.
        mask: of its masks.
        side: of all else: its own numbers, its video's record, and what holds the file together.
        layers: bytes of ``weight`` and ``mask`` by layer, as far as they can be told apart in one stream.
    """

    video: str
    weight: int
    mask: int
    side: int
    layers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def by_kind(self) -> dict[str, int]:
        """Bytes of the session, by the names of ``KINDS``."""
        return dict(zip(KINDS, (self.weight, self.mask, self.side), strict=True))


@dataclass(frozen=True)
class Footprint:
    """Bytes of a library.

    Args:
        sessions: in order.
    """

    sessions: tuple[SessionBytes, ...]

    @property
    def total(self) -> int:
        """Bytes of the file."""
        return sum(self.by_kind().values())

    def first(self, sessions: int) -> Footprint:
        """That of a library with only the first sessions."""
        return Footprint(self.sessions[:sessions])

    def by_kind(self) -> dict[str, int]:
        """Bytes of all sessions together, by the names of ``KINDS``."""
        return {kind: sum(session.by_kind()[kind] for session in self.sessions) for kind in KINDS}

    def by_layer(self) -> dict[str, dict[str, float]]:
        """By layer, in the order of the network, bytes of weights and of masks over all sessions."""
        layers: dict[str, dict[str, float]] = {}
        for session in self.sessions:
            for name, sizes in session.layers.items():
                sums = layers.setdefault(name, {})
                for kind, size in sizes.items():
                    sums[kind] = sums.get(kind, 0) + size
        return layers


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
        library = Library.open(path)
        sessions = []
        for video, part in zip(library.videos, library.footprints(), strict=True):
            layers: dict[str, dict[str, float]] = {}
            for kind, bits in (("weight", part.layers.weights), ("mask", part.layers.masks)):
                for name, spent in bits.items():
                    layers.setdefault(name, {})[kind] = spent / 8
            sessions.append(SessionBytes(video.name, part.weights, part.masks, part.side, layers))
    return Footprint(tuple(sessions))
