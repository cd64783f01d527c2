"""The outer loop: train a session, seal it, decode every video so far, record a row."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch

from vcl import backbones
from vcl.config import RunConfig, StreamConfig, passes
from vcl.config.rules import require
from vcl.datasets.stream import open_stream
from vcl.device import numerics, precision_of, prepare_device, versions
from vcl.errors import ConfigError, RunFolderError
from vcl.evaluate import check_nothing_forgotten, check_same_frames, empty_row, measure_row
from vcl.origin import origin
from vcl.ranks import ALONE, Ranks
from vcl.rundir import Event, FollowedFolder, Listener, RunFolder, SessionNotes
from vcl.video.cache import Clip

if TYPE_CHECKING:
    from vcl.sessions.trainer import Trainer

log = logging.getLogger(__name__)

_LIVE_ONLY = ("step",)


def run(
    config: RunConfig,
    path: Path,
    listeners: Callable[[RunFolder], Sequence[Listener]] = lambda _: (),
    ranks: Ranks = ALONE,
) -> RunFolder:
    """Run an experiment, or the rest of one that was stopped.

    Args:
        config: what to run.
        path: the run folder; if it exists it must belong to this config.
        listeners: given the folder, those who watch the run; each gets every event after it was recorded.
        ranks: who train together, each of which calls this; rank 0 alone writes and is watched.

    Returns:
        The finished folder.

    Raises:
        VclError: one of its children, each one line; finished sessions are kept.
    """
    prepare_device(config.train, ranks)
    _check_ranks(config, ranks)
    folder = RunFolder(path)
    folder.check_config(config)  # Before videos are decoded, which takes time.
    _check_network(config, path)
    appended = folder.appended(config.stream)
    stream = folder.own_stream(config.stream) if appended else config.stream
    if ranks.local == 0:  # One process of each machine decodes into the cache that the others read.
        clips = open_stream(stream, appended)
    ranks.wait_for_all()
    if ranks.local > 0:
        clips = open_stream(stream, appended)
    return run_clips(config, clips, path, listeners, ranks=ranks)


def run_clips(
    config: RunConfig,
    clips: Sequence[Clip],
    path: Path,
    listeners: Callable[[RunFolder], Sequence[Listener]] = lambda _: (),
    appended: StreamConfig | None = None,
    ranks: Ranks = ALONE,
) -> RunFolder:
    """As ``run``, of videos that are open already; ``config.stream`` is not looked at, but for the size.

    Args:
        config: what to run.
        clips: by session.
        path: as in ``run``.
        listeners: as in ``run``.
        appended: the stream of the last of the clips, where the run did not have it before.
        ranks: as in ``run``.
    """
    device = prepare_device(config.train, ranks)
    _check_ranks(config, ranks)
    ranks.check_alike("the machine", numerics(device))
    config.method.check_sessions(len(clips))
    _check_transfer(config, clips)
    _check_network(config, path)
    with _opened(path, config, ranks) as folder:
        config = _resolved(config, folder, device, max(len(clip.frames) for clip in clips))
        started = {"ranks": ranks.world} if ranks.world > 1 else {}
        folder.add_versions({**versions(device), **started, **origin()})
        if appended is not None:
            check_same_frames(folder, clips[:-1])  # No other process appended one meanwhile.
        watching = listeners(folder) if ranks.is_first else ()
        if appended is not None:
            folder.append(appended)  # Once nothing else can go wrong.

        def emit(event: Event) -> None:
            if event["kind"] not in _LIVE_ONLY:
                folder.record(event)
            for listener in watching:
                listener(event)

        _run_sessions(config, clips, folder, emit, device, ranks)
        return folder


@contextmanager
def _opened(path: Path, config: RunConfig, ranks: Ranks) -> Iterator[RunFolder]:
    """The run folder, which rank 0 takes; the others read in it what that one has written by then.

    Raises:
        RunFolderError: as of ``RunFolder.opened``, or a rank does not see the folder.
    """
    if ranks.is_first:
        with RunFolder.opened(path, config) as folder:
            ranks.wait_for_all()
            yield folder
        return
    ranks.wait_for_all()
    if not (path / "config.yaml").exists():
        raise RunFolderError(f"{path} must lie where every rank sees it, but rank {ranks.rank} does not")
    yield FollowedFolder(path)


def _check_ranks(config: RunConfig, ranks: Ranks) -> None:
    """Refuse more ranks than a step has frames."""
    require(
        config.train.batch >= ranks.world,
        "train.batch",
        f"be {ranks.world} or more, where as many ranks share the frames of a step",
        config.train.batch,
    )


def _add_columns(matrix: dict[str, Any], clips: Sequence[Clip]) -> None:
    """Add columns for appended videos, which are empty in earlier rows."""
    for clip in clips[len(matrix["videos"]) :]:
        matrix["videos"].append(clip.name)
        matrix["frames"].append(len(clip.frames))
        for row in matrix["rows"]:
            for cells in row.values():
                if isinstance(cells, list):
                    cells.append(None)


def _check_network(config: RunConfig, path: Path) -> None:
    """Refuse a network that cannot be built or trained, before a folder is made."""
    with torch.device("meta"):
        network = backbones.of_run(RunFolder(path).resolved(config) or config, sessions=1)
    method, backbone = config.method.name, config.backbone.name
    if network.frame_tensors and config.method.revisits:
        # Their codes would be those of an encoder that has moved on.
        raise ConfigError(f"{method} cannot train {backbone}, whose frames have numbers of their own")


def _resolved(config: RunConfig, folder: RunFolder, device: torch.device, frames: int) -> RunConfig:
    """The config with the widths and the precision that the run started with; they are chosen once and stored.

    Args:
        config: of the run.
        folder: of the run.
        device: where it trains.
        frames: of its longest video.
    """
    resolved = folder.resolved(config)
    if resolved is None:
        precision = precision_of(config.train.precision, device)
        resolved = backbones.resolved(replace(config, train=replace(config.train, precision=precision)), frames)
        folder.keep_resolved(resolved)
    train = replace(config.train, precision=precision_of(resolved.train.precision, device))
    return replace(config, backbone=resolved.backbone, method=resolved.method, train=train)


def _run_sessions(
    config: RunConfig, clips: Sequence[Clip], folder: RunFolder, emit: Listener, device: torch.device, ranks: Ranks
) -> None:
    names = [clip.name for clip in clips]
    matrix = folder.matrix() or {
        "videos": names,
        "frames": [len(clip.frames) for clip in clips],
        "size": list(config.stream.size),
        "rows": [],
    }
    _add_columns(matrix, clips)
    check_same_frames(folder, clips)
    folder.check_sessions()
    if len(matrix["rows"]) == len(clips) and folder.finished():
        return
    recorded = {event["session"] for event in folder.events("row")}
    emit(
        {
            "kind": "start",
            "time": time.time(),
            "videos": names,
            "sha256": [clip.sha256 for clip in clips],
            "sessions": len(clips),
            "resumed": bool(folder.events("start")),
        }
    )
    from vcl.sessions.trainer import Trainer  # Loads Avalanche, which takes seconds: only when there is work.

    trainer, machine = Trainer(config, clips, folder, emit, device, ranks=ranks), numerics(device)
    train = config.train
    by = f"{ranks.world} ranks of " if ranks.world > 1 else ""
    log.info("%s recipe: rate %g, %s on %s%s", train.recipe, train.lr, train.precision, by, machine["device"])
    for session, clip in enumerate(clips):
        if session == folder.sessions():
            with stopping_gently(trainer):
                record = trainer.train(session)
            event = session_event(session, clip.name, trainer)
            ranks.check_alike(f"what decodes {clip.name}, by its SHA-256,", event["state_sha256"])
            emit(event)
            notes = SessionNotes(clip.name, len(clip.frames), len(clips), trainer.state_kind, record.mask_shapes)
            folder.write_session(session, record.tensors(), notes)
            ranks.wait_for_all()  # The others read what rank 0 has written.
        if config.matrix.transfer_epochs and session > 0 and not _probed_from_scratch(folder, session):
            closed = {event["session"]: event for event in folder.events("session")}
            trainer.train_from_scratch(session, closed.get(session, {}).get("passes", config.train.epochs))
        if session == len(matrix["rows"]):
            if config.method.together and session + 1 < len(clips):
                row = empty_row(len(clips), session)
            else:
                row = {**measure_row(folder, clips, session, config.matrix, device, ranks), "machine": machine}
            matrix["rows"].append(row)
            if trainer.state_kind != "shared_latest":
                check_nothing_forgotten(matrix["rows"], names)
            folder.write_matrix(matrix)
        if session not in recorded:
            emit({"kind": "row", **matrix["rows"][session]})
    emit({"kind": "end", "time": time.time()})


def _check_transfer(config: RunConfig, clips: Sequence[Clip]) -> None:
    """Refuse ``matrix.transfer_epochs`` where a session has fewer passes."""
    k, train = config.matrix.transfer_epochs, config.train
    for session, clip in enumerate(clips):
        most = passes(train.epochs, train.batch, len(clip.frames), config.method.rehearsed_at_most(session))
        rule = f"be at most {most}, the passes of session {session}, which rehearses"
        require(k <= most, "matrix.transfer_epochs", rule, k)


def session_event(session: int, video: str, trainer: Trainer) -> Event:
    """What there is to say of a session that the trainer has just closed."""
    shares = [asdict(share) for share in trainer.ledger.shares()]
    quantisation = trainer.quantisation
    return {
        "kind": "session",
        "session": session,
        "video": video,
        "seconds": round(trainer.seconds, 3),
        "passes": trainer.passes,
        "trained_on": trainer.trained_on,
        "layers": shares,
        **({"quantisation": asdict(quantisation)} if quantisation else {}),
        "state_sha256": trainer.ledger.subnetwork(session).sha256(),
    }


def _probed_from_scratch(folder: RunFolder, session: int) -> bool:
    return any(event["scratch"] and event["session"] == session for event in folder.events("probe"))


@contextmanager
def stopping_gently(trainer: Trainer) -> Iterator[None]:
    """Let the first SIGINT, SIGTERM or SIGHUP wait for the end of a step and save; the second stops at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if trainer.checkpoints.stop_requested:
            raise KeyboardInterrupt
        trainer.checkpoints.stop_requested = True

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # Under nohup it is to be ignored.
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
