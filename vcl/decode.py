"""The videos of a run folder: what each session sealed, checked against its hash, and decoded."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from vcl import backbones
from vcl.backbones import Backbone
from vcl.errors import RunFolderError, VideoError
from vcl.render import Renderer
from vcl.rundir import RunFolder, SessionNotes
from vcl.subnet.ledger import Ledger, Subnetwork
from vcl.subnet.record import SessionRecord, StateKind
from vcl.subnet.version_1 import from_version_1

log = logging.getLogger(__name__)


class SealedSessions:
    """The closed sessions of a run folder, as they stood after one of them.

    Numbers on disk are accepted only if they have the hash that was taken when they were sealed.

    Args:
        folder: the run.
        state: the session after which; default the latest.

    Raises:
        RunFolderError: there is no such session, or one that does not fit the network.
    """

    def __init__(self, folder: RunFolder, state: int | None = None) -> None:
        sessions = folder.sessions()
        state = sessions - 1 if state is None else state
        if not 0 <= state < sessions:
            wanted = "a session" if sessions == 0 else f"session {state}"
            raise RunFolderError(f"{folder.path} must hold {wanted} to decode it, got {sessions} sessions")
        self.folder = folder
        self.config = folder.resolved() or folder.config()
        self.ledger, self.notes = self._read(state)
        self._hashes = self._hashes_when_sealed()
        self._latest: tuple[int, Subnetwork, str] | None = None

    def subnetwork(self, session: int) -> Subnetwork:
        """What decodes a session's video; the last one is cached.

        Raises:
            RunFolderError: its numbers are not those that were sealed.
        """
        return self._checked(session)[0]

    def sha256(self, session: int) -> str:
        """Hash of the numbers that decode a session's video; raises as ``subnetwork``."""
        return self._checked(session)[1]

    def check(self) -> None:
        """Compare what later sessions build on with its hashes; raises as ``subnetwork``."""
        count = len(self.ledger)
        for session in range(count - 1 if self.ledger.state_kind == "shared_latest" else 0, count):
            self.sha256(session)

    def _read(self, state: int) -> tuple[Ledger, list[SessionNotes]]:
        with torch.device("meta"):
            # The number of sessions changes the input of a network, never the shape of a weight.
            layout = backbones.of_run(self.config, sessions=1).layout()
        ledger: Ledger | None = None
        notes: list[SessionNotes] = []
        for session in range(state + 1):
            tensors, own_notes = self.folder.read_session(session)
            notes.append(own_notes)
            try:
                if ledger is None:  # An empty one is false.
                    ledger = Ledger(layout, cast("StateKind", own_notes.state_kind))
                if own_notes.version == 1:
                    tensors = from_version_1(tensors, [note.frames for note in notes])
                ledger.append(
                    SessionRecord.from_tensors(
                        tensors, layout, ledger.state_kind, session, own_notes.frames, own_notes.mask_shapes
                    )
                )
            except ValueError as error:
                rule = f"has a session {session} that does not fit its network"
                raise RunFolderError(f"{self.folder.path} {rule}: {error}") from error
        assert ledger is not None
        return ledger, notes

    def _hashes_when_sealed(self) -> dict[int, str]:
        """Hashes by session, where they are known.

        Where later sessions overwrite the network, earlier videos are decoded with other numbers than those that were
        sealed; these were hashed when they were measured.
        """
        hashes = {event["session"]: event.get("state_sha256") for event in self.folder.events("session")}
        if self.ledger.state_kind == "shared_latest":
            latest = len(self.ledger) - 1
            rows = (self.folder.matrix() or {"rows": []})["rows"]
            measured = rows[latest].get("state_sha256", [])[:latest] if latest < len(rows) else []
            hashes = {**dict(enumerate(measured)), latest: hashes.get(latest)}
        return {session: sha256 for session, sha256 in hashes.items() if sha256 is not None}

    def _checked(self, session: int) -> tuple[Subnetwork, str]:
        if self._latest is None or self._latest[0] != session:
            subnetwork = self.ledger.subnetwork(session)
            sha256 = subnetwork.sha256()
            sealed = self._hashes.get(session)
            if sealed is None:
                # Numbers that a later session overwrote have no hash before they are measured.
                if self.ledger.state_kind != "shared_latest" or session == len(self.ledger) - 1:
                    log.warning("%s: no hash of session %d is known to compare with", self.folder.path, session)
            elif sha256 != sealed:
                raise RunFolderError(
                    f"{self.folder.path}: the numbers of session {session} ({self.notes[session].video}) must be those "
                    f"that were sealed, but their SHA-256 was {sealed[:12]} and is {sha256[:12]}"
                )
            self._latest = session, subnetwork, sha256
        return self._latest[1:]


class _Stopwatch:
    """Adds up the time that work takes on a device, which need not be done when the host goes on."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._seconds = device, 0.0
        self._begun: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the work that is given to the device meanwhile."""
        if self._device.type != "cuda":
            started = time.perf_counter()
            yield
            self._seconds += time.perf_counter() - started
            return
        stream = torch.cuda.current_stream(self._device)
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        start.record(stream)
        yield
        end.record(stream)
        self._begun.append((start, end))

    def seconds(self) -> float:
        """So far; waits for the work."""
        for start, end in self._begun:
            end.synchronize()
            self._seconds += start.elapsed_time(end) / 1000
        self._begun.clear()
        return self._seconds


class Decoder:
    """The videos of a run folder, as they stood after one of its sessions.

    ``decoded`` counts frames.
    """

    def __init__(self, renderer: Renderer, sealed: SealedSessions) -> None:
        self._renderer = renderer
        self._sealed = sealed
        self.decoded = 0
        self._stopwatch = _Stopwatch(renderer.device)
        self._loaded: int | None = None

    @classmethod
    def of_run(
        cls,
        folder: RunFolder | Path | str,
        state: int | None = None,
        device: torch.device | str = "cpu",
        precision: str | None = None,
    ) -> Decoder:
        """Open a run as it stood after one of its sessions.

        Args:
            folder: the run.
            state: the session, from 0; default the latest.
            device: where to decode.
            precision: of the network's layers; default the run's ``matrix.precision``.

        Raises:
            RunFolderError: it is no run folder, there is no such session, or one is damaged.
        """
        folder = folder if isinstance(folder, RunFolder) else RunFolder.existing(Path(folder))
        sealed = SealedSessions(folder, state)
        network = backbones.of_run(sealed.config, sealed.notes[0].sessions).to(device)
        return cls(Renderer(network, precision or sealed.config.matrix.precision), sealed)

    @property
    def seconds(self) -> float:
        """Time that decoding took so far; waits for what is being decoded."""
        return self._stopwatch.seconds()

    @property
    def network(self) -> Backbone:
        """What makes the frames, as of ``Renderer.network``."""
        return self._renderer.network

    @property
    def videos(self) -> Sequence[SessionNotes]:
        """Of each closed session, its video's name and number of frames."""
        return self._sealed.notes

    @property
    def decodes_ahead(self) -> bool:
        """Whether videos still to come can be decoded, which have no frame tensors yet."""
        return not self._sealed.ledger.layout.frame

    def sha256(self, video: int) -> str:
        """Hash of the numbers that decode a video: masked weights, session and frame tensors.

        Raises:
            RunFolderError: they are not those that were sealed.
        """
        return self._sealed.sha256(video)

    def frames(
        self,
        video: int,
        only: Sequence[float] | None = None,
        length: int | None = None,
        size: tuple[int, int] | None = None,
    ) -> Iterator[Tensor]:
        """Decode a video, or some of its frames.

        A video that is still to come is decoded with the latest session's subnetwork and its own index.

        Args:
            video: its session.
            only: frames to decode, from 0; also moments between two, such as 2.5. Default all.
            length: frames of a video that is still to come.
            size: height and width of the frames, for networks that make frames of any size; default the run's.

        Yields:
            Float frames ``(B, 3, H, W)`` in [0, 1].

        Raises:
            VideoError: there is no such video or frame.
            ConfigError: the network makes no frames of that size, or no moments between two.
            RunFolderError: the numbers that decode it are not those that were sealed.
        """
        closed = len(self.videos)
        if 0 <= video < closed:
            length = self.videos[video].frames
        if video < 0 or length is None or (video >= closed and not self.decodes_ahead):
            raise VideoError(f"video must lie in 0..{closed - 1}, or have a length, got {video}")
        if only and not (min(only) >= 0 and max(only) <= length - 1):
            raise VideoError(f"frames of video {video} must lie in 0..{length - 1}, got {min(only)}..{max(only)}")
        source = min(video, closed - 1)
        batches = self._renderer.frames(video, length, only, size)
        while True:
            if self._loaded != source:  # Checked at each batch, as another video may be decoded in between.
                self._renderer.load(self._sealed.subnetwork(source))
                self._loaded = source
            with self._stopwatch.running():
                batch = next(batches, None)
            if batch is None:
                return
            self.decoded += len(batch)
            yield batch

    def frame(self, video: int, t: float, size: tuple[int, int] | None = None) -> Tensor:
        """One frame, ``(3, H, W)``; arguments and errors as of ``frames``."""
        return next(self.frames(video, [t], size=size))[0]
