"""Many videos into one file: a library that grows by one session, and one commit, at a time."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vcl import __version__, backbones
from vcl import config as configs
from vcl.codec import container_writer
from vcl.codec.container import Container
from vcl.codec.container_writer import Record
from vcl.codec.encode import Draws
from vcl.codec.library import Library, first_records, session_records, strict_record
from vcl.codec.payloads import META, Video, meta_to_bytes
from vcl.compile_config import check_config, config_of_library, config_to_store
from vcl.config import RunConfig
from vcl.config.rules import shown
from vcl.datasets.fitted import FittedVideo, fitted_videos, sources_of
from vcl.device import prepare_device
from vcl.errors import BitstreamError, LibraryInUseError, VideoError
from vcl.export import architecture_of, first_bounds
from vcl.folder_lock import LOCK_NAME, exclusive_lock
from vcl.metrics.quality import psnr, to_unit
from vcl.metrics.registry import PSNR
from vcl.render import Renderer
from vcl.run import session_event, stopping_gently
from vcl.rundir import Event, Listener, RunFolder
from vcl.subnet.ledger import Ledger, Subnetwork
from vcl.subnet.record import SessionRecord
from vcl.video.cache import Clip
from vcl.video.pixels import stored_frames, to_uint8


def compile_videos(
    videos: Sequence[Path], library: Path, config: RunConfig, listeners: Sequence[Listener] = (), strict: bool = True
) -> Library:
    """Make a library of videos, or the rest of one that was stopped.

    Args:
        videos: files or folders of frames, in the order of their sessions.
        library: the file; one that exists must begin with these videos, trained with this config.
        config: the settings, as ``vcl.compile_config.config_for`` gives them.
        listeners: get the events of training.
        strict: also store what the frames decode to bit for bit, for which each video is decoded twice more.

    Raises:
        VclError: one of its children, each one line; the library holds all sessions that were finished.
    """
    check_config(config)
    sources = sources_of(videos, config.stream.allow_truncated)
    with _work_folder(library) as work:
        fitted = fitted_videos(sources, config.stream)
        if library.exists():
            _check_begun(Library.open(library), config, fitted)
        return _Growth(library, config, work, listeners, strict).add(fitted)


def append_videos(
    library: Path,
    videos: Sequence[Path],
    settings: Sequence[str] = (),
    listeners: Sequence[Listener] = (),
    strict: bool = True,
) -> Library:
    """Train a library on more videos, or go on with that, where it was stopped; no byte that it holds changes.

    Args:
        library: the file.
        videos: files or folders of frames, which become its next sessions.
        settings: ``key=value`` words for these videos; the others are those of the library.
        listeners: as in ``compile_videos``.
        strict: as in ``compile_videos``.

    Raises:
        VclError: as ``compile_videos``.
    """
    Library.open(library)  # Before a folder is made beside what is no library.
    with _work_folder(library) as work:
        opened = Library.open(library)
        config = config_of_library(opened, settings)
        sources = sources_of(videos, config.stream.allow_truncated)
        fitted = fitted_videos(sources, config.stream)
        _check_new(opened, fitted)
        return _Growth(library, config, work, listeners, strict).add(fitted)


def _check_begun(library: Library, config: RunConfig, fitted: Sequence[FittedVideo]) -> None:
    """Refuse a library of other videos or settings."""
    before = config_of_library(library)
    if difference := configs.first_difference(before, config):
        key, stored, requested = difference
        raise BitstreamError(
            f"{library.path} exists and was compiled with {key} = {shown(stored)}, this asks for {shown(requested)}; "
            "choose another file with -o"
        )
    for number, video in enumerate(library.videos[: len(fitted)]):
        clip = fitted[number].clip
        if (video.name, video.source_sha256) != (clip.name, clip.sha256):
            raise BitstreamError(
                f"{library.path} exists, and its session {number} is another video, {video.name}; "
                "vcl append adds to a library, or choose another file with -o"
            )


def _check_new(library: Library, fitted: Sequence[FittedVideo]) -> None:
    """Refuse another video under a name that the library has."""
    hashes = {video.name: video.source_sha256 for video in library.videos}
    for video in fitted:
        if hashes.get(video.clip.name, video.clip.sha256) != video.clip.sha256:
            raise VideoError(f"{library.path} already has another video called {video.clip.name}")


@contextmanager
def _work_folder(library: Path) -> Iterator[Path]:
    """A hidden folder beside a library, which its only writer keeps checkpoints in; removed when all is done.

    Raises:
        LibraryInUseError: another process writes to the library.
        BitstreamError: the folder cannot be made.
    """
    folder = library.with_name(f".{library.name}.work")
    try:
        if library.is_dir():
            raise BitstreamError(f"{library} must be a file, found a folder")
        folder.mkdir(exist_ok=True)
        with exclusive_lock(folder, LibraryInUseError):
            if not (folder / LOCK_NAME).exists():
                raise LibraryInUseError(f"{library} is in use: another process has just finished it; try again")
            finished = False
            try:
                yield folder
                finished = True
            finally:
                if finished or not any(path.is_dir() for path in folder.iterdir()):  # No session that can go on.
                    shutil.rmtree(folder)
    except OSError as error:
        raise BitstreamError(f"{library} cannot be written ({error.strerror or error})") from error


@dataclass
class _Growth:
    """Adds sessions to a library.

    Args:
        path: the library; without a file, the first session makes it.
        config: of these sessions.
        work: holds the checkpoints.
        listeners: get the events.
        strict: whether frames are hashed.
    """

    path: Path
    config: RunConfig
    work: Path
    listeners: Sequence[Listener]
    strict: bool

    def add(self, videos: Sequence[FittedVideo]) -> Library:
        """Train those of some videos that the library lacks; gives the library."""
        library = self._open()
        present = {video.name for video in library.videos} if library else set()
        missing = [video for video in videos if video.clip.name not in present]
        if missing:
            names = [*(video.name for video in library.videos), *(v.clip.name for v in missing)] if library else None
            self._emit(
                {
                    "kind": "start",
                    "time": time.time(),
                    "videos": names or [video.clip.name for video in missing],
                    "sha256": [video.clip.sha256 for video in missing],
                    "resumed": any(path.is_dir() for path in self.work.iterdir()),
                }
            )
        for video in missing:
            library = self._add_session(video, library)
        assert library is not None
        return library

    def _open(self) -> Library | None:
        return Library.open(self.path) if self.path.exists() else None

    @cached_property
    def _device(self) -> torch.device:
        return prepare_device(self.config.train)

    def _emit(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)

    def _add_session(self, video: FittedVideo, library: Library | None) -> Library:
        """Train a video as the next session, and commit it."""
        job = self.work / self._job(video)
        before = self._ledger(library)
        earlier = library.videos if library else ()
        record, ledger, event = self._train(job, video, earlier, copy.deepcopy(before))
        session = len(before)
        subnetwork = ledger.subnetwork(session)
        quality = self._psnr(subnetwork, session, video)
        frames = len(video.clip.frames)
        entry = Video(
            video.clip.name, frames, video.size, video.rate, video.clip.sha256, event["state_sha256"], quality
        )
        draws = Draws(self.config.train.seed, session, first_bounds(self.config))
        records = session_records(record, before, entry, draws)
        architecture = architecture_of(self.config, ledger, 0)
        if self.strict:
            records += strict_record(architecture, subnetwork, session, frames)
        notes = {"vcl": __version__, "config": config_to_store(self.config)}
        if library is None:
            container_writer.create(self.path, [*first_records(architecture, notes), *records])
        else:
            changed = [Record(META, session, meta_to_bytes(notes))] if dict(library.notes) != notes else []
            container_writer.append(self.path, [*changed, *records])
        shutil.rmtree(job)
        self._emit({"kind": "row", "session": session, PSNR.name: [*(video.psnr for video in earlier), quality]})
        return Library.open(self.path)

    def _ledger(self, library: Library | None) -> Ledger:
        """The records of the sessions so far."""
        if library is not None:
            return library.ledger()
        from vcl.sessions.methods import METHODS  # Loads Avalanche.

        with torch.device("meta"):
            layout = backbones.of_run(self.config, sessions=1).layout()
        return Ledger(layout, METHODS[self.config.method.name].state_kind)

    def _job(self, video: FittedVideo) -> str:
        """Names a session by all that its result depends on, so that it goes on from no other's checkpoint."""
        library = Container.open(self.path).last_commit.sha256.hex() if self.path.exists() else ""
        job = [configs.identity(self.config), library, video.clip.name, video.clip.sha256]
        return hashlib.sha256(json.dumps(job).encode()).hexdigest()[:16]

    def _train(
        self, job: Path, video: FittedVideo, earlier: Sequence[Video], ledger: Ledger
    ) -> tuple[SessionRecord, Ledger, Event]:
        """The session's record, the ledger with it, and the event that says how it went."""
        from vcl.sessions.trainer import Trainer  # Loads Avalanche, which takes seconds: only when there is work.

        session, size = len(earlier), self.config.stream.size
        clips = [*(_placeholder(video, size) for video in earlier), video.padded(size)]
        with RunFolder.opened(job, self.config) as folder:
            trainer = Trainer(self.config, clips, folder, self._emit, self._device, ledger)
            with stopping_gently(trainer):
                record = trainer.train(session)
        event = session_event(session, video.clip.name, trainer)
        self._emit(event)
        return record, trainer.ledger, event

    def _psnr(self, subnetwork: Subnetwork, session: int, video: FittedVideo) -> float:
        """Mean over the frames that will be decoded, dB."""
        network = backbones.of_run(self.config, sessions=1).to(self._device)
        renderer = Renderer(network)
        renderer.load(subnetwork)
        height, width = video.size
        values: list[torch.Tensor] = []
        first = 0
        for batch in renderer.frames(session, len(video.clip.frames)):
            decoded = to_unit(to_uint8(batch[..., :height, :width]))
            truth = stored_frames(video.clip.frames, slice(first, first + len(batch)), self._device)
            values.append(psnr(decoded, to_unit(truth)))
            first += len(batch)
        return torch.cat(values).double().mean().item()


def _placeholder(video: Video, size: tuple[int, int]) -> Clip:
    """Stands for the frames of an earlier video, which no session looks at again."""
    frames: Any = np.broadcast_to(np.zeros((), np.uint8), (video.frames, 3, *size))
    return Clip(video.name, frames, video.source_sha256)
