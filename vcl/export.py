"""A run folder -> a library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vcl import __version__, backbones
from vcl.atomic_file import draft_folder
from vcl.codec import container_writer
from vcl.codec.container_writer import Record
from vcl.codec.encode import Draws
from vcl.codec.library import Progress
from vcl.codec.library_records import first_records, session_records
from vcl.codec.payloads import Architecture, Video
from vcl.codec.strict_frames import strict_record
from vcl.config import RunConfig, store
from vcl.datasets.rate import LARGEST_DENOMINATOR, rate_of
from vcl.decode import SealedSessions
from vcl.errors import BitstreamError, VclError
from vcl.layers.masked import WeightRule
from vcl.metrics.registry import PSNR
from vcl.rundir import RunFolder
from vcl.subnet.ledger import Ledger
from vcl.video.write import RATE


def export(
    folder: RunFolder | Path,
    path: Path,
    strict: bool = True,
    overwrite: bool = False,
    progress: Progress = lambda *_: None,
) -> None:
    """Write what a run has sealed as a library: a commit for every session.

    Of a method that keeps only its latest network, that is what the library holds.

    Args:
        folder: the run.
        path: the library.
        strict: also take the frame hashes of the strict profile, for which every video is decoded twice.
        overwrite: replace a file that exists.
        progress: gets the frames of each video, once its session is encoded.

    Raises:
        VclError: one of its children: there is nothing to export, a session is damaged, or the file cannot be written.
    """
    folder = folder if isinstance(folder, RunFolder) else RunFolder.existing(folder)
    if path.exists() and not overwrite:  # Before the work; ``publish`` looks again.
        raise BitstreamError(f"{path} exists, and is replaced only with --overwrite")
    try:
        with draft_folder(path) as drafts:
            draft = drafts / path.name
            for number, records in enumerate(_commits(SealedSessions(folder), strict, progress)):
                (container_writer.append if number else container_writer.create)(draft, records)
            container_writer.publish(draft, path, overwrite)
    except OSError as error:
        raise VclError(f"{path} cannot be written ({error.strerror})") from error


def first_bounds(config: RunConfig) -> dict[str, float]:
    """Bounds of the first weights that the method of a run draws, by name."""
    rule = WeightRule(getattr(config.method, "capacity", None), getattr(config.method, "mask_unit", "weight"))
    network = backbones.build(config.backbone, config.stream.size, 1, rule)
    return {name: weight.bound(network.scaled) for name, weight in network.weights().items()}


def architecture_of(config: RunConfig, ledger: Ledger, sessions: int) -> Architecture:
    """The network of a run as a library describes it.

    Args:
        config: of the run, with every width known.
        ledger: of the run.
        sessions: of its stream.
    """
    counted = sessions if config.backbone.needs_session_count else 0
    return Architecture(ledger.state_kind, config.backbone, config.stream.size, counted)


def _commits(sealed: SealedSessions, strict: bool, progress: Progress) -> Iterator[list[Record]]:
    folder, config, ledger = sealed.folder, sealed.config, sealed.ledger
    architecture, bounds = architecture_of(config, ledger, sealed.notes[0].sessions), first_bounds(config)
    architecture.check_readable()
    rows = (folder.matrix() or {"rows": []})["rows"]
    hashes = [digest for event in folder.events("start")[-1:] for digest in event["sha256"]]
    before = Ledger(ledger.layout, ledger.state_kind)
    notes = {"vcl": __version__, "config": store.to_yaml(config)}
    for session, record in enumerate(ledger.records()):
        name, frames = sealed.notes[session].video, sealed.notes[session].frames
        progress(name, 0, frames)
        # What the file decodes: of one network that every session overwrites, videos are as the last one left them.
        state = len(ledger) - 1 if ledger.state_kind == "shared_latest" else session
        psnr = rows[state][PSNR.name][session] if state < len(rows) and rows[state][PSNR.name] else None
        rate = (rate_of(folder.stream_of(name), name) or RATE).limit_denominator(LARGEST_DENOMINATOR)
        video = Video(name, frames, config.stream.size, rate, hashes[session], sealed.sha256(session), psnr)
        drawn_by = session if getattr(config.method, "reinit", True) else 0
        records = session_records(record, before, video, Draws(config.train.seed, drawn_by, bounds))
        if strict:
            records += strict_record(architecture, ledger.subnetwork(session), session, frames)
        before.append(record)
        progress(name, frames, frames)
        yield records if session else [*first_records(architecture, notes), *records]
