"""A run on disk."""

from __future__ import annotations

import contextlib
import json
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcl import config as configs
from vcl.config import RunConfig, StreamConfig
from vcl.config.recipes import PAPER
from vcl.errors import ConfigError, RunFolderError
from vcl.folder_lock import is_locked
from vcl.rundir.events import Event, append_event, read_events
from vcl.rundir.files import exists, explained, not_a_run, write_whole
from vcl.rundir.opening import check_ours, take
from vcl.rundir.records import check_appended, check_matrix, check_statistics, check_versions, matrix_csv
from vcl.rundir.tensors import SessionNotes, read_notes, read_tensors, tensor_bytes, write_tensors

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from torch import Tensor


class RunFolder:
    """A run on disk.

    Args:
        path: the folder.

    Raises:
        RunFolderError: whenever something in it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events_path = path / "events.jsonl"
        self.figures = path / "figures"
        self.frames = path / "frames"
        self._checkpoint_path = path / "checkpoint.safetensors"

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: Path, config: RunConfig) -> Iterator[RunFolder]:
        """Make or continue the folder of a run, which no other process can use meanwhile.

        The folder of another config in which nothing was trained, such as one whose network was too large, is started
        again.

        Raises:
            RunFolderError: the folder belongs to another config (the first key that differs is named), is in use,
                holds something else or cannot be written.
        """
        folder = cls(path)
        with take(folder, config):
            yield folder

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        """A folder to read.

        Raises:
            RunFolderError: it is not a run folder, or cannot be read.
        """
        if not exists(path / "config.yaml"):
            raise not_a_run(path)
        return cls(path)

    def check_config(self, config: RunConfig) -> None:
        """Refuse a config as ``opened`` would; nothing is written."""
        with explained(self.path):
            check_ours(self, config)

    def in_use(self) -> bool:
        """Whether a process works in the folder; the check keeps none from starting."""
        return is_locked(self.path)

    def trained(self) -> bool:
        """Whether anything was trained, which another config may not continue."""
        return (
            self.sessions() > 0
            or exists(self._checkpoint_path)
            or any(event["kind"] != "start" for event in self.events())
        )

    def write_config(self, config: RunConfig) -> None:
        """Write the config that the folder belongs to."""
        self._write_text("config.yaml", configs.to_yaml(config))

    def config(self) -> RunConfig:
        """The config that the folder belongs to; one from before there were recipes is of the paper's."""
        try:
            return configs.load(self.path / "config.yaml", recipe=PAPER)
        except ConfigError as error:
            raise RunFolderError(f"{self.path} has a config that cannot be used: {error}") from error

    def keep_resolved(self, config: RunConfig) -> None:
        """Store the config with the widths that were searched for."""
        self._write_text("resolved.yaml", configs.to_yaml(config))

    def resolved(self, config: RunConfig | None = None) -> RunConfig | None:
        """What ``keep_resolved`` stored; None in the folder of an older run.

        Args:
            config: a run's; then also None where the folder belongs to another.
        """
        path = self.path / "resolved.yaml"
        if not exists(path):
            return None
        if config is not None and configs.first_difference(self.config(), config) is not None:
            return None
        try:
            return configs.load(path, recipe=PAPER)
        except ConfigError as error:
            raise RunFolderError(f"{path} cannot be used: {error}") from error

    def append(self, stream: StreamConfig) -> None:
        """Add a stream of one video after the run's own."""
        self._write_text("appended.json", json.dumps([*self._appended(), _appended_entry(stream)], indent=1) + "\n")

    def appended(self, stream: StreamConfig | None = None) -> list[StreamConfig]:
        """Streams of appended videos, one video each, in order.

        Args:
            stream: of the run's config, as it is by now: its videos may have been moved; default as it was stored.
        """
        if not (entries := self._appended()):
            return []
        stored = self.config().stream
        streams = []
        for entry in entries:
            source = entry["benchmark"], entry["root"]
            if stream is not None and source == (stored.benchmark, stored.root):
                source = stream.benchmark, stream.root
            base = replace(stream or stored, benchmark=source[0], root=source[1])
            streams.append(replace(base, videos=(entry["video"],), order="given"))
        return streams

    def own_stream(self, stream: StreamConfig) -> StreamConfig:
        """The stream of the run's config with the videos that the run began with, whatever its benchmark has by now."""
        starts = self.events("start")
        return replace(stream, videos=tuple(starts[0]["videos"]), order="given") if starts else stream

    def stream_of(self, video: str) -> StreamConfig:
        """The stream that one of the run's videos came with."""
        config = self.config().stream
        return next((stream for stream in self.appended() if stream.videos == (video,)), config)

    def _appended(self) -> list[dict[str, Any]]:
        return self._read_json("appended.json", check_appended) or []

    def add_versions(self, versions: Mapping[str, Any]) -> None:
        """Keep the libraries and the machine of this start, unless the last start had the same."""
        starts = self.versions()
        if not starts or starts[-1] != versions:
            self._write_text("versions.json", json.dumps([*starts, dict(versions)], indent=2) + "\n")

    def versions(self) -> list[dict[str, Any]]:
        """Libraries and machine of every start, oldest first."""
        return self._read_json("versions.json", check_versions) or []

    def record(self, event: Event) -> None:
        """Append an event; it is in the file when this returns."""
        append_event(self.events_path, event)

    def events(self, kind: str | None = None) -> list[Event]:
        """All events in order, or those of one kind; of an event that was repeated the last, at the place of the first.

        A line that a kill cut off is left out.
        """
        return read_events(self.events_path, kind)

    def finished(self) -> bool:
        """Whether the run has come to its end, and taken no other video since."""
        marks = [event for event in self.events() if event["kind"] in ("start", "end")]
        if [event["kind"] for event in marks[-1:]] != ["end"]:
            return False
        latest: list[str] = next((event["videos"] for event in reversed(marks) if event["kind"] == "start"), [])
        return all(entry["video"] in latest for entry in self._appended())

    def write_session(self, session: int, tensors: Mapping[str, Tensor], notes: SessionNotes) -> None:
        """Store what a session added.

        Args:
            session: from 0.
            tensors: by name, ``kind/name``, as ``SessionRecord.tensors`` gives them.
            notes: what decoding needs to know beside them.
        """
        write_tensors(self._session_path(session), tensors, notes.stored())

    def read_session(self, session: int) -> tuple[dict[str, Tensor], SessionNotes]:
        """Tensors and notes of ``write_session``."""
        path = self._session_path(session)
        tensors, notes = read_tensors(path)
        return tensors, SessionNotes.of(path, notes)

    def session_notes(self, session: int) -> SessionNotes:
        """The notes of ``write_session`` alone."""
        path = self._session_path(session)
        return SessionNotes.of(path, read_notes(path))

    def sessions(self) -> int:
        """How many sessions are stored; they have no gaps."""
        count = 0
        while exists(self._session_path(count)):
            count += 1
        return count

    def check_sessions(self) -> None:
        """Refuse a folder where the file of a measured session is missing or of another video."""
        matrix = self.matrix() or {"videos": [], "rows": []}
        for session, video in enumerate(matrix["videos"][: len(matrix["rows"])]):
            path = self._session_path(session)
            if not exists(path):
                raise RunFolderError(f"{path}: session {session} ({video}) was measured, but its file is missing")
            if (stored := self.session_notes(session).video) != video:
                raise RunFolderError(f"{path}: session {session} must be of {video}, found that of {stored}")

    def session_bytes(self, session: int) -> dict[str, int]:
        """Bytes of a session's file by kind of tensor; ``container`` is the rest of the file."""
        return tensor_bytes(self._session_path(session))

    def write_checkpoint(self, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
        """Replace the training state."""
        write_tensors(self._checkpoint_path, tensors, notes)

    def read_checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The training state, or None before the first was written."""
        return read_tensors(self._checkpoint_path) if exists(self._checkpoint_path) else None

    def checkpoint_notes(self) -> dict[str, Any] | None:
        """The notes of the training state alone, or None before the first was written."""
        return read_notes(self._checkpoint_path) if exists(self._checkpoint_path) else None

    def write_matrix(self, matrix: Mapping[str, Any]) -> None:
        """Replace the matrix: ``videos`` (names) and ``rows``, each with a list per metric and lists of hashes."""
        text = json.dumps(matrix, indent=1, allow_nan=False) + "\n"
        self._write_text("matrix.csv", matrix_csv(matrix))
        # Last: the row counts as measured from now on, and the table would not be written again.
        self._write_text("matrix.json", text)

    def matrix(self) -> dict[str, Any] | None:
        """What ``write_matrix`` wrote, or None before the first row."""
        matrix: dict[str, Any] | None = self._read_json("matrix.json", check_matrix)
        return matrix

    def write_statistics(self, statistics: Mapping[str, Any]) -> None:
        """Replace the statistics of feature maps and frames, as ``vcl.report.statistics`` makes them."""
        self._write_text("statistics.json", json.dumps(statistics, allow_nan=False) + "\n")

    def statistics(self) -> dict[str, Any] | None:
        """What ``write_statistics`` wrote, which may be of an earlier state; None before it did."""
        statistics: dict[str, Any] | None = self._read_json("statistics.json", check_statistics)
        return statistics

    def frame_path(self, session: int, kind: str) -> Path:
        """Path of the middle frame of a session's video, ``true`` or ``decoded``; older runs have none."""
        return self.frames / f"{session:03d}_{kind}.png"

    def wandb_id(self) -> str:
        """Name of this run on Weights & Biases; drawn once, so that a resumed run stays one run there."""
        path = self.path / "wandb_id"
        if not exists(path):
            self._write_text(path.name, uuid.uuid4().hex[:8])
        with explained(path):
            return path.read_text()

    def keep_wandb_name(self, name: str) -> None:
        """Store the name of a grid's cell on Weights & Biases, ``methods/pfnr/0``."""
        if self.wandb_name() != name:
            self._write_text("wandb_name", name)

    def wandb_name(self) -> str | None:
        """What ``keep_wandb_name`` stored; None in the folder of a run outside a grid."""
        path = self.path / "wandb_name"
        if not exists(path):
            return None
        with explained(path):
            return path.read_text()

    def _session_path(self, session: int) -> Path:
        return self.path / "sessions" / f"{session:03d}.safetensors"

    def _write_text(self, name: str, text: str) -> None:
        # A name need not be Unicode: in JSON and YAML it is escaped by now, in a CSV it is so here.
        write_whole(self.path / name, text.encode(errors="backslashreplace"))

    def _read_json(self, name: str, check: Callable[[Any], None]) -> Any:
        path = self.path / name
        if not exists(path):
            return None
        with explained(path):
            content = json.loads(path.read_bytes())
            check(content)
            return content


def _appended_entry(stream: StreamConfig) -> dict[str, Any]:
    return {"video": stream.videos[0], "benchmark": stream.benchmark, "root": stream.root}
