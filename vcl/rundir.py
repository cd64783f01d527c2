"""The one file that knows a run folder's layout.

::

    config.yaml              the whole config, defaults included
    resolved.yaml            the same with every width of the network known
    versions.json            libraries and machine of every start of the run
    events.jsonl             what happened, a line each; the truth that W&B and the figures read
    matrix.json, matrix.csv  one measured row a session
    sessions/000.safetensors what session 0 added: new weights, packed masks, head, buffer
    checkpoint.safetensors   training state, to go on from; not needed to decode
    figures/                 made by ``vcl plot``
    wandb_id, wandb/         the run on Weights & Biases, unless that is disabled

Every file but the events appears whole or not at all. The events are only ever appended to: a run that was killed and
went on may tell of an epoch twice, and the later line holds.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import io
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from vcl import config as configs
from vcl.config import RunConfig
from vcl.errors import ConfigError, RunFolderError, RunFolderInUseError
from vcl.whole_file import TEMPORARY_SUFFIX, whole_file

Event = dict[str, Any]
"""A line of ``events.jsonl``: ``kind`` and whatever that kind tells."""

Listener = Callable[[Event], None]
"""Whoever watches a run: it gets each event after the run folder has it."""

_DRAFTS = f".*{TEMPORARY_SUFFIX}"
"""Files that are still being written, or were when their process was killed."""

_KEYS_OF_KIND = {
    "epoch": ("session", "epoch"),
    "session": ("session",),
    "row": ("session",),
    "probe": ("session", "scratch"),
}


@dataclass(frozen=True)
class SessionNotes:
    """What a session's file says beside its tensors.

    Args:
        video: its name.
        frames: of the video.
        sessions: of the whole stream.
        keeps: what the method leaves behind a session, as in ``Ledger``.

    Raises:
        ValueError: a note has another type or lies out of range.
    """

    video: str
    frames: int
    sessions: int
    keeps: str

    def __post_init__(self) -> None:
        for name in ("video", "keeps"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"the note {name} must be text, got {getattr(self, name)!r}")
        for name in ("frames", "sessions"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise ValueError(f"the note {name} must be a number from 1 up, got {getattr(self, name)!r}")


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

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: Path, config: RunConfig) -> Iterator[RunFolder]:
        """Take a folder for one run: make it, or go on in it; nobody else can while this lasts.

        Raises:
            RunFolderError: the folder belongs to another config (the first key that differs is named), is in use,
                holds something else or cannot be written.
        """
        folder = cls(path)
        with contextlib.ExitStack() as stack:
            with _explained(path):
                folder._check_ours(config)
                path.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context((path / ".lock").open("w"))
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise RunFolderInUseError(f"{path} is in use by another run") from None
                folder._check_ours(config)
                if not (path / "config.yaml").exists():
                    folder._write_text("config.yaml", configs.to_yaml(config))
                (path / "sessions").mkdir(exist_ok=True)
                for place in (path, path / "sessions", folder.figures):
                    for left in place.glob(_DRAFTS):
                        left.unlink()  # By a process that was killed while it wrote.
            yield folder

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        """A folder to read.

        Raises:
            RunFolderError: it is not a run folder.
        """
        if not (path / "config.yaml").is_file():
            raise RunFolderError(f"{path} is not a run folder: it has no config.yaml")
        return cls(path)

    def in_use(self) -> bool:
        """Whether a process works in the folder."""
        try:
            with (self.path / ".lock").open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def _check_ours(self, config: RunConfig) -> None:
        """Refuse a folder that holds another run, or something else."""
        if (self.path / "config.yaml").exists():
            different = configs.first_difference(self.config(), config)
            if different is not None:
                key, had, asked = different
                raise RunFolderError(
                    f"{self.path} belongs to another config: it has {key} = {had}, this run asks for {asked}; "
                    "choose another folder with --out"
                )
        elif self.path.exists():
            drafts = self.path.glob(f".config.yaml{_DRAFTS}")
            others = {item.name for item in self.path.iterdir()} - {".lock", *(draft.name for draft in drafts)}
            if others:
                raise RunFolderError(f"{self.path} must be empty or a run folder, but it holds {min(others)}")

    def config(self) -> RunConfig:
        """The config that the folder belongs to."""
        try:
            return configs.load(self.path / "config.yaml")
        except ConfigError as error:
            raise RunFolderError(f"{self.path} has a config that cannot be used: {error}") from error

    def keep_resolved(self, config: RunConfig) -> None:
        """Keep what the network is built from, once its widths are known."""
        self._write_text("resolved.yaml", configs.to_yaml(config))

    def resolved(self) -> RunConfig | None:
        """What ``keep_resolved`` kept; None in the folder of an older run."""
        path = self.path / "resolved.yaml"
        try:
            return configs.load(path) if path.exists() else None
        except ConfigError as error:
            raise RunFolderError(f"{path} cannot be used: {error}") from error

    def add_versions(self, versions: Mapping[str, Any]) -> None:
        """Keep the libraries and the machine of this start, unless the last start had the same."""
        starts = self.versions()
        if not starts or starts[-1] != versions:
            self._write_text("versions.json", json.dumps([*starts, dict(versions)], indent=2) + "\n")

    def versions(self) -> list[dict[str, Any]]:
        """Libraries and machine of every start, oldest first."""
        return self._read_json("versions.json") or []

    def record(self, event: Event) -> None:
        """Append an event; it is in the file when this returns."""
        line = json.dumps(event, allow_nan=False).encode() + b"\n"
        with _explained(self.path), self.events_path.open("a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(line)
            file.flush()
            os.fsync(file.fileno())  # What is written after it, such as a session, may not outlive it.

    def events(self, kind: str | None = None) -> list[Event]:
        """All events in order, or those of one kind; of an event told twice the later telling, at its own place.

        A line that a kill cut off is left out.
        """
        if not self.events_path.exists():
            return []
        told: dict[object, Event] = {}
        for number, line in enumerate(self.events_path.read_bytes().splitlines()):
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if kind is None or event["kind"] == kind:
                names = _KEYS_OF_KIND.get(event["kind"])
                told[number if names is None else (event["kind"], *(event.get(name) for name in names))] = event
        return list(told.values())

    def finished(self) -> bool:
        """Whether the run has come to its end."""
        return bool(self.events("end"))

    def write_session(self, session: int, tensors: Mapping[str, Tensor], notes: SessionNotes) -> None:
        """Store what a session added.

        Args:
            session: from 0.
            tensors: by name, ``kind/name`` or ``kind``; the kinds are weight, mask, head and buffer.
            notes: what decoding needs to know beside them.
        """
        self._write_tensors(self._session_path(session), tensors, asdict(notes))

    def read_session(self, session: int) -> tuple[dict[str, Tensor], SessionNotes]:
        """Tensors and notes of ``write_session``."""
        path = self._session_path(session)
        tensors, notes = self._read_tensors(path)
        return tensors, _session_notes(path, notes)

    def session_notes(self, session: int) -> SessionNotes:
        """The notes of ``write_session`` alone."""
        path = self._session_path(session)
        return _session_notes(path, _read_notes(path))

    def sessions(self) -> int:
        """How many sessions are stored; they have no gaps."""
        count = 0
        while self._session_path(count).is_file():
            count += 1
        return count

    def session_bytes(self, session: int) -> dict[str, int]:
        """Bytes of a session's file by kind of tensor; ``container`` is the rest of the file."""
        path = self._session_path(session)
        sizes: dict[str, int] = {}
        with _explained(path), safetensors.safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 - the file is not a dict
                tensor = file.get_tensor(name)
                kind = name.split("/")[0]
                sizes[kind] = sizes.get(kind, 0) + tensor.numel() * tensor.element_size()
        sizes["container"] = path.stat().st_size - sum(sizes.values())
        return sizes

    def write_checkpoint(self, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
        """Replace the training state."""
        self._write_tensors(self.path / "checkpoint.safetensors", tensors, notes)

    def read_checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The training state, or None before the first was written."""
        path = self.path / "checkpoint.safetensors"
        return self._read_tensors(path) if path.exists() else None

    def checkpoint_notes(self) -> dict[str, Any] | None:
        """The notes of the training state alone, or None before the first was written."""
        path = self.path / "checkpoint.safetensors"
        return _read_notes(path) if path.exists() else None

    def write_matrix(self, matrix: Mapping[str, Any]) -> None:
        """Replace the matrix: ``videos`` (names) and ``rows``, each with ``psnr``, ``ssim``, ``ms_ssim`` and hashes."""
        self._write_text("matrix.json", json.dumps(matrix, indent=1, allow_nan=False) + "\n")
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["metric", "after session", *matrix["videos"]])
        for metric in ("psnr", "ssim", "ms_ssim"):
            for row in matrix["rows"]:
                writer.writerow([metric, row["session"], *("" if cell is None else cell for cell in row[metric])])
        self._write_text("matrix.csv", table.getvalue())

    def matrix(self) -> dict[str, Any] | None:
        """What ``write_matrix`` wrote, or None before the first row."""
        found: dict[str, Any] | None = self._read_json("matrix.json")
        return found

    def wandb_id(self) -> str:
        """Name of this run on Weights & Biases; made up once, so that a run that goes on stays one run there."""
        path = self.path / "wandb_id"
        if not path.exists():
            self._write_text(path.name, uuid.uuid4().hex[:8])
        with _explained(path):
            return path.read_text()

    def _session_path(self, session: int) -> Path:
        return self.path / "sessions" / f"{session:03d}.safetensors"

    def _write_text(self, name: str, text: str) -> None:
        _write(self.path / name, text.encode())

    def _write_tensors(self, path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        with _explained(path), whole_file(path) as draft:
            # Straight from the tensors into the draft: as bytes, a checkpoint would stand in memory twice.
            safetensors.torch.save_file(plain, draft.file.name, {"notes": json.dumps(notes)})

    def _read_tensors(self, path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
        with _explained(path), safetensors.safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, _notes(file)  # noqa: SIM118

    def _read_json(self, name: str) -> Any:
        path = self.path / name
        if not path.exists():
            return None
        with _explained(path):
            return json.loads(path.read_bytes())


def run_folders(paths: Sequence[Path]) -> list[RunFolder]:
    """Run folders as they are, and of folders that are none, such as a grid's, all within that have a row; by name.

    Raises:
        RunFolderError: there is none.
    """
    found = []
    for path in paths:
        within = [path] if (path / "config.yaml").is_file() else sorted(f.parent for f in path.rglob("matrix.json"))
        if not within:
            raise RunFolderError(f"{path} is not a run folder: it has no config.yaml")
        found += within
    return [RunFolder.existing(path) for path in found]


def _read_notes(path: Path) -> dict[str, Any]:
    with _explained(path), safetensors.safe_open(path, "pt") as file:
        return _notes(file)


def _session_notes(path: Path, notes: Mapping[str, Any]) -> SessionNotes:
    with _explained(path):
        missing = [field for field in SessionNotes.__dataclass_fields__ if field not in notes]
        if missing:
            raise ValueError(f"it has no note {missing[0]}")
        return SessionNotes(**{field: notes[field] for field in SessionNotes.__dataclass_fields__})


def _notes(file: Any) -> dict[str, Any]:
    notes = json.loads((file.metadata() or {}).get("notes", "{}"))
    if not isinstance(notes, dict):
        raise ValueError(f"its notes must be a JSON object, got {notes!r}")
    return notes


def _write(path: Path, content: bytes) -> None:
    with _explained(path), whole_file(path) as draft:
        draft.file.write(content)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the system says about a file into one line."""
    try:
        yield
    except OSError as error:
        raise RunFolderError(f"{error.filename or path}: {error.strerror or error}") from error
    except (safetensors.SafetensorError, ValueError) as error:
        raise RunFolderError(f"{path} is damaged: {error}") from error
