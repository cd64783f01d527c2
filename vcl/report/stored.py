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
        masks: by layer.
        weights: by layer, without the steps of their integers.
        steps: by layer.
        other: its own numbers, its video's record and the hashes of its frames.
    """

    video: str
    masks: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, int] = field(default_factory=dict)
    steps: Mapping[str, int] = field(default_factory=dict)
    other: int = 0

    def by_kind(self) -> dict[str, int]:
        """Bytes by ``KINDS``."""
        weights, masks, steps = (sum(part.values()) for part in (self.weights, self.masks, self.steps))
        return dict(zip(KINDS, (weights, masks, steps + self.other), strict=True))


@dataclass(frozen=True)
class Footprint:
    """Bytes of a library.

    Args:
        sessions: in order.
        container: what belongs to no session: header, network, notes, commits and the frames of records.
    """

    sessions: tuple[SessionBytes, ...]
    container: int

    @property
    def total(self) -> int:
        """Bytes of the file."""
        return self.container + sum(sum(session.by_kind().values()) for session in self.sessions)

    def first(self, sessions: int) -> Footprint:
        """That of a library with only the first sessions; the container is as it was."""
        return Footprint(self.sessions[:sessions], self.container)

    def by_kind(self) -> dict[str, int]:
        """Bytes by ``KINDS``; the container is side data."""
        kinds = dict(zip(KINDS, (0, 0, self.container), strict=True))
        for session in self.sessions:
            for kind, size in session.by_kind().items():
                kinds[kind] += size
        return kinds

    def by_layer(self) -> dict[str, dict[str, int]]:
        """By layer, in the order of the network, bytes by ``KINDS`` over all sessions: side data are steps here."""
        layers: dict[str, dict[str, int]] = {}
        for session in self.sessions:
            for kind, part in zip(KINDS, (session.weights, session.masks, session.steps), strict=True):
                for name, size in part.items():
                    layers.setdefault(name, dict.fromkeys(KINDS, 0))[kind] += size
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
        keep_footprint(folder, footprint)
    return footprint


def keep_footprint(folder: RunFolder, footprint: Footprint) -> None:
    """Let a run folder keep its footprint for as long as its sessions stay as they are."""
    key = _key(folder)
    if key is not None:
        with suppress(RunFolderError):
            write_whole(folder.path / FILE, json.dumps({"key": key, **asdict(footprint)}, indent=1).encode())


def _key(folder: RunFolder) -> list[str] | None:
    """What a footprint depends on; None where a session has no hash, as in older runs."""
    hashes = [event.get("state_sha256") for event in folder.events("session")]
    known = [digest for digest in hashes if isinstance(digest, str)]
    return [__version__, *known] if hashes and len(known) == len(hashes) else None


def _kept(folder: RunFolder, key: list[str] | None) -> Footprint | None:
    """The footprint that the folder keeps; None where there is none of this key, or something else."""
    try:
        values: Any = json.loads((folder.path / FILE).read_bytes())
        if key is None or values["key"] != key:
            return None
        return Footprint(tuple(SessionBytes(**session) for session in values["sessions"]), int(values["container"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _measured(folder: RunFolder) -> Footprint:
    from vcl.codec.container import Container  # These load torch, which a kept footprint does not need.
    from vcl.codec.encode import Footprint as Coded
    from vcl.codec.payloads import MASK, OWN, VIDEO, WEIGHTS
    from vcl.export import export

    coded = list[Coded]()
    with TemporaryDirectory() as place:
        path = Path(place) / "run.vcl"
        try:
            export(folder, path, strict=False, footprints=coded)
        except VclError as error:
            raise VclError(f"{folder.path} cannot be exported: {error}") from error
        container = Container.open(path)
        size = path.stat().st_size
    sessions = []
    for number, (part, video) in enumerate(
        zip(coded, (folder.session_notes(session).video for session in range(len(coded))), strict=True)
    ):
        own = sum(
            section.length
            for section in container.sections
            if section.session == number and section.kind in (MASK, WEIGHTS, OWN, VIDEO)
        )
        named = sum(sum(sizes.values()) for sizes in (part.masks, part.weights, part.steps))
        sessions.append(SessionBytes(video, part.masks, part.weights, part.steps, own - named))
    of_sessions = Footprint(tuple(sessions), 0)
    return Footprint(of_sessions.sessions, size - of_sessions.total)
