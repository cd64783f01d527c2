"""The next sessions of a library: trained, sealed, encoded and committed, one after the other."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from vcl.codec.library import Library
from vcl.codec.library_records import first_records, session_records
from vcl.codec.payloads import META, Video, meta_to_bytes
from vcl.codec.strict_frames import strict_record
from vcl.compile.settings import config_to_store
from vcl.compile.targets import MOST_TRIALS, Budget, Target, expected_bytes, explained, side_bytes
from vcl.config import RunConfig
from vcl.datasets.fitted import FittedVideo
from vcl.datasets.names import index_of
from vcl.device import prepare_device
from vcl.export import architecture_of, first_bounds
from vcl.metrics.quality import psnr, to_unit
from vcl.metrics.registry import PSNR
from vcl.render import Renderer
from vcl.run import session_event, stopping_gently
from vcl.rundir import Event, Listener, RunFolder
from vcl.subnet.ledger import Ledger, Subnetwork
from vcl.subnet.record import SessionRecord
from vcl.video.cache import Clip
from vcl.video.pixels import stored_frames, to_uint8

log = logging.getLogger(__name__)

_LEARNED = 0.5
"""What a video must have beyond one colour a frame, dB, to pass without a word."""


@dataclass(frozen=True)
class _Trained:
    """A session that is sealed, and not yet in the library."""

    record: SessionRecord
    subnetwork: Subnetwork
    psnr: float
    jobs: tuple[Path, ...]


@dataclass
class Growth:
    """Adds sessions to a library.

    Args:
        path: the library; without a file, the first session makes it.
        config: of these sessions.
        work: holds the checkpoints.
        listeners: get the events.
        strict: whether frames are hashed.
        target: what the sessions are to reach.
    """

    path: Path
    config: RunConfig
    work: Path
    listeners: Sequence[Listener]
    strict: bool
    target: Target

    def add(self, videos: Sequence[FittedVideo]) -> Library:
        """Train those of some videos that the library lacks; gives the library."""
        self.target.check(self.config)
        library = Library.open(self.path) if self.path.exists() else None
        present = [video.name for video in library.videos] if library else []
        missing = [video for video in videos if index_of(video.clip.name, present) is None]
        for video in videos:
            if video not in missing:
                log.info("%s has %s already", self.path, video.clip.name)
        if missing:
            self._emit(
                {
                    "kind": "start",
                    "time": time.time(),
                    "videos": [*present, *(video.clip.name for video in missing)],
                    "sha256": [video.clip.sha256 for video in missing],
                    "resumed": any(path.is_dir() for path in self.work.iterdir()),
                }
            )
        for number, video in enumerate(missing):
            library = self._add_session(video, library, self._budget(library, videos, missing[number:]))
        assert library is not None
        if line := self._explanation(library, videos):
            log.warning("%s: %s", self.path, line)
        return library

    @cached_property
    def _device(self) -> torch.device:
        return prepare_device(self.config.train)

    def _emit(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)

    def _budget(
        self, library: Library | None, videos: Sequence[FittedVideo], missing: Sequence[FittedVideo]
    ) -> float | None:
        """Bytes for masks and weights of the first video that is missing; None without a target."""
        if self.target.bpp is None:
            return None
        total = self.target.bpp * sum(video.pixels for video in videos) / 8
        session = len(library.videos) if library else 0
        expected = expected_bytes(self.config, [len(video.clip.frames) for video in missing], session)
        left = total - self._bytes_of(library, videos)
        return left * expected[0] / sum(expected) - side_bytes(session, len(missing[0].clip.frames))

    def _bytes_of(self, library: Library | None, videos: Sequence[FittedVideo]) -> int:
        """Bytes of those of some videos that the library has."""
        names = [video.clip.name for video in videos]
        sessions = library.footprint().sessions if library else ()
        return sum(session.total for session in sessions if index_of(session.video, names) is not None)

    def _explanation(self, library: Library, videos: Sequence[FittedVideo]) -> str:
        names = [video.clip.name for video in videos]
        bpp = 8 * self._bytes_of(library, videos) / sum(video.pixels for video in videos)
        added = [video for video in library.videos if index_of(video.name, names) is not None]
        return explained(self.target, bpp, {video.name: video.psnr for video in added if video.psnr})

    def _add_session(self, video: FittedVideo, library: Library | None, budget: float | None) -> Library:
        """Train a video as the next session, and commit it."""
        before = library.ledger() if library else self._empty_ledger()
        earlier = library.videos if library else ()
        session, frames = len(before), len(video.clip.frames)
        draws = Draws(self.config.train.seed, session, first_bounds(self.config))
        trained = self._train(video, earlier, before, None if budget is None else Budget(before, draws, budget))
        _warn_of_flat_frames(video, trained.psnr)
        rate, source, state = video.rate, video.clip.sha256, trained.subnetwork.sha256()
        entry = Video(video.clip.name, frames, video.size, rate, source, state, trained.psnr)
        records = session_records(trained.record, before, entry, draws)
        architecture = architecture_of(self.config, before, 0)
        if self.strict:
            records += strict_record(architecture, trained.subnetwork, session, frames)
        notes = {"vcl": __version__, "config": config_to_store(self.config)}
        if library is None:
            container_writer.create(self.path, [*first_records(architecture, notes), *records])
        else:
            changed = [Record(META, session, meta_to_bytes(notes))] if dict(library.notes) != notes else []
            container_writer.append(self.path, [*changed, *records], after=library.last_commit)
        for job in trained.jobs:
            shutil.rmtree(job)
        self._emit({"kind": "row", "session": session, PSNR.name: [*(video.psnr for video in earlier), trained.psnr]})
        return Library.open(self.path)

    def _empty_ledger(self) -> Ledger:
        from vcl.sessions.methods import METHODS  # Loads Avalanche.

        with torch.device("meta"):
            layout = backbones.of_run(self.config, sessions=1).layout()
        return Ledger(layout, METHODS[self.config.method.name].state_kind)

    def _train(self, video: FittedVideo, earlier: Sequence[Video], before: Ledger, budget: Budget | None) -> _Trained:
        """Train until the target is reached, or often enough."""
        jobs: list[Path] = []
        for trial in range(1 if self.target.psnr is None else MOST_TRIALS):
            train = replace(self.config.train, epochs=self.config.train.epochs * 2**trial)
            config = replace(self.config, train=train)
            jobs.append(self.work / self._job(config, video, budget))
            record, ledger = self._train_once(jobs[-1], config, video, earlier, copy.deepcopy(before), budget)
            subnetwork = ledger.subnetwork(len(before))
            quality = self._psnr(subnetwork, len(before), video)
            if self.target.psnr is None or quality >= self.target.psnr:
                break
            log.info("%s: %.2f dB after %d epochs", video.clip.name, quality, train.epochs)
        return _Trained(record, subnetwork, quality, tuple(jobs))

    def _job(self, config: RunConfig, video: FittedVideo, budget: Budget | None) -> str:
        """Names a training by all that its result depends on, so that it goes on from no other's checkpoint."""
        library = Container.open(self.path).last_commit.sha256.hex() if self.path.exists() else ""
        coded = None if budget is None else budget.coded
        job = [configs.identity(config), library, video.clip.name, video.clip.sha256, coded]
        return hashlib.sha256(json.dumps(job).encode()).hexdigest()[:16]

    def _train_once(
        self,
        job: Path,
        config: RunConfig,
        video: FittedVideo,
        earlier: Sequence[Video],
        ledger: Ledger,
        budget: Budget | None,
    ) -> tuple[SessionRecord, Ledger]:
        """The session's record, and the ledger with it."""
        from vcl.sessions.trainer import Trainer  # Loads Avalanche, which takes seconds: only when there is work.

        session, size = len(earlier), config.stream.size
        clips = [*(_placeholder(video, size) for video in earlier), video.padded(size)]
        with RunFolder.opened(job, config) as folder:
            trainer = Trainer(config, clips, folder, self._emit, self._device, ledger)
            if budget is not None:
                trainer.choose_bits(budget)
            with stopping_gently(trainer):
                record = trainer.train(session)
        self._emit(session_event(session, video.clip.name, trainer))
        return record, trainer.ledger

    def _psnr(self, subnetwork: Subnetwork, session: int, video: FittedVideo) -> float:
        """Mean over the frames that will be decoded, dB."""
        renderer = Renderer(backbones.of_run(self.config, sessions=1).to(self._device))
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


def _warn_of_flat_frames(video: FittedVideo, quality: float) -> None:
    """Say so where frames of one colour each, their mean, would be about as good.

    Args:
        video: that was learned.
        quality: its PSNR, dB.
    """
    variances = [float(frame.var(axis=(1, 2)).mean()) / 255**2 for frame in video.clip.frames]
    flat = float(np.mean([-10 * np.log10(max(variance, 1e-10)) for variance in variances]))
    if quality < flat + _LEARNED:
        hint = "train longer, or with another backbone.initial, train.loss or train.seed"
        log.warning(
            "%s: %.2f dB is hardly more than one colour has (%.2f dB); %s", video.clip.name, quality, flat, hint
        )


def _placeholder(video: Video, size: tuple[int, int]) -> Clip:
    """Stands for the frames of an earlier video, which no session looks at again."""
    frames: Any = np.broadcast_to(np.zeros((), np.uint8), (video.frames, 3, *size))
    return Clip(video.name, frames, video.source_sha256)
