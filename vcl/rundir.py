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
import io
import json
import logging
import math
import os
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors

from vcl import config as configs
from vcl.config import RunConfig
from vcl.errors import ConfigError, RunFolderError, RunFolderInUseError
from vcl.folder_lock import LOCK_NAME, exclusive_lock, is_locked
from vcl.memory import is_out_of_memory
from vcl.run_records import check_event, check_matrix, check_versions
from vcl.whole_file import TEMPORARY_SUFFIX, remove_drafts, whole_file

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from torch import Tensor

Event = dict[str, Any]
"""A line of ``events.jsonl``: ``kind`` and whatever that kind tells."""

Listener = Callable[[Event], None]
"""Whoever watches a run: it gets each event after the run folder has it."""

_BEGUN = re.compile(rf"{re.escape(LOCK_NAME)}|\.config\.yaml\..*{re.escape(TEMPORARY_SUFFIX)}")
"""What is in a run folder before its config is."""

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

        A folder of another config in which nothing was trained yet, such as one of a network that was too large, is
        begun anew.

        Raises:
            RunFolderError: the folder belongs to another config (the first key that differs is named), is in use,
                holds something else or cannot be written.
        """
        folder = cls(path)
        with contextlib.ExitStack() as stack:
            with _explained(path):
                folder._check_ours(config)  # Nothing is written to a folder of somebody else's.
                path.mkdir(parents=True, exist_ok=True)
                alone = stack.enter_context(exclusive_lock(path, RunFolderInUseError))
                folder._check_ours(config, alone=True)
                folder._begin(config)
                if alone:
                    for place in (path, path / "sessions"):
                        remove_drafts(place)
            yield folder

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        """A folder to read.

        Raises:
            RunFolderError: it is not a run folder, or cannot be looked into.
        """
        if not _exists(path / "config.yaml"):
            raise RunFolderError(f"{path} is not a run folder: it has no config.yaml")
        return cls(path)

    def in_use(self) -> bool:
        """Whether a process works in the folder; asking disturbs none that is about to."""
        return is_locked(self.path)

    def _check_ours(self, config: RunConfig, alone: bool = False) -> None:
        """Refuse a folder that holds another run, or something else.

        Args:
            config: whose folder it should be.
            alone: whether the lock is held. If not, another run may be making the folder at this moment, and what
                looks strange is left to be looked at again.
        """
        if (self.path / "config.yaml").exists():
            different = configs.first_difference(self.config(), config)
            if different is not None and self._trained():
                key, had, asked = different
                raise RunFolderError(
                    f"{self.path} belongs to another config: it has {key} = {had}, this run asks for {asked}; "
                    "choose another folder with --out"
                )
        elif self.path.exists():
            others = [item.name for item in self.path.iterdir() if not _BEGUN.fullmatch(item.name)]
            # A run makes the lock before anything else.
            if others and (alone or not (self.path / LOCK_NAME).exists()):
                raise RunFolderError(f"{self.path} must be empty or a run folder, but it holds {min(others)}")

    def _begin(self, config: RunConfig) -> None:
        """Write the config, unless the folder has it."""
        if (self.path / "config.yaml").exists():
            different = configs.first_difference(self.config(), config)
            if different is None:
                (self.path / "sessions").mkdir(exist_ok=True)
                return
            logger.info("%s had %s = %s; nothing was trained with it, so it is begun anew", self.path, *different[:2])
            for name in ("events.jsonl", "versions.json", "wandb_id"):
                (self.path / name).unlink(missing_ok=True)
        self._write_text("config.yaml", configs.to_yaml(config))
        (self.path / "sessions").mkdir(exist_ok=True)

    def _trained(self) -> bool:
        """Whether there is anything of a run that another config may not go on from."""
        return (
            self.sessions() > 0
            or (self.path / "checkpoint.safetensors").exists()
            or any(event["kind"] != "start" for event in self.events())
        )

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
        return self._read_json("versions.json", check_versions) or []

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
        if not _exists(self.events_path):
            return []
        with _explained(self.events_path):
            lines = self.events_path.read_bytes().splitlines()
        last: dict[object, Event] = {}
        for number, line in enumerate(lines, 1):
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            with _explained(f"{self.events_path}, line {number},"):
                check_event(event)
            if kind is None or event["kind"] == kind:
                names = _KEYS_OF_KIND.get(event["kind"])
                last[number if names is None else (event["kind"], *(event.get(name) for name in names))] = event
        return list(last.values())

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
        while _exists(self._session_path(count)):
            count += 1
        return count

    def session_bytes(self, session: int) -> dict[str, int]:
        """Bytes of a session's file by kind of tensor; ``container`` is the rest of the file."""
        path = self._session_path(session)
        sizes: dict[str, int] = {}
        with _explained(path), safetensors.safe_open(path, "np") as file:  # NumPy's form, to leave torch unloaded.
            for name in file.keys():  # noqa: SIM118 - the file is not a dict
                tensor = file.get_slice(name)
                kind = name.split("/")[0]
                sizes[kind] = sizes.get(kind, 0) + math.prod(tensor.get_shape()) * _item_bytes(tensor.get_dtype())
        sizes["container"] = path.stat().st_size - sum(sizes.values())
        return sizes

    def write_checkpoint(self, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
        """Replace the training state."""
        self._write_tensors(self.path / "checkpoint.safetensors", tensors, notes)

    def read_checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The training state, or None before the first was written."""
        path = self.path / "checkpoint.safetensors"
        return self._read_tensors(path) if _exists(path) else None

    def checkpoint_notes(self) -> dict[str, Any] | None:
        """The notes of the training state alone, or None before the first was written."""
        path = self.path / "checkpoint.safetensors"
        return _read_notes(path) if _exists(path) else None

    def write_matrix(self, matrix: Mapping[str, Any]) -> None:
        """Replace the matrix: ``videos`` (names) and ``rows``, each with ``psnr``, ``ssim``, ``ms_ssim`` and hashes."""
        text = json.dumps(matrix, indent=1, allow_nan=False) + "\n"
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["metric", "after session", *matrix["videos"]])
        for metric in ("psnr", "ssim", "ms_ssim"):
            for row in matrix["rows"]:
                writer.writerow([metric, row["session"], *("" if cell is None else cell for cell in row[metric])])
        self._write_text("matrix.csv", table.getvalue())
        # Last: the row counts as measured from now on, and the table would not be written again.
        self._write_text("matrix.json", text)

    def matrix(self) -> dict[str, Any] | None:
        """What ``write_matrix`` wrote, or None before the first row."""
        matrix: dict[str, Any] | None = self._read_json("matrix.json", check_matrix)
        return matrix

    def wandb_id(self) -> str:
        """Name of this run on Weights & Biases; made up once, so that a run that goes on stays one run there."""
        path = self.path / "wandb_id"
        if not _exists(path):
            self._write_text(path.name, uuid.uuid4().hex[:8])
        with _explained(path):
            return path.read_text()

    def _session_path(self, session: int) -> Path:
        return self.path / "sessions" / f"{session:03d}.safetensors"

    def _write_text(self, name: str, text: str) -> None:
        _write(self.path / name, text.encode())

    def _write_tensors(self, path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
        import safetensors.torch  # Loads torch, which those who only read reports do without.

        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        with _explained(path), whole_file(path) as draft:
            # Straight from the tensors into the draft: as bytes, a checkpoint would stand in memory twice.
            safetensors.torch.save_file(plain, draft.file.name, {"notes": json.dumps(notes)})

    def _read_tensors(self, path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
        with _explained(path), safetensors.safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, _notes(file)  # noqa: SIM118

    def _read_json(self, name: str, check: Callable[[Any], None]) -> Any:
        path = self.path / name
        if not _exists(path):
            return None
        with _explained(path):
            content = json.loads(path.read_bytes())
            check(content)
            return content


def run_folders(paths: Sequence[Path]) -> list[RunFolder]:
    """Run folders as they are, and of folders that are none, such as a grid's, all within that have a row; by name.

    Raises:
        RunFolderError: there is none, or a folder cannot be looked into.
    """
    found = []
    for path in paths:
        within = [path] if _exists(path / "config.yaml") else _runs_within(path)
        if not within:
            raise RunFolderError(f"{path} is not a run folder: it has no config.yaml")
        found += within
    return [RunFolder.existing(path) for path in found]


def _runs_within(path: Path) -> list[Path]:
    runs = []
    with _explained(path):
        for place, folders, files in os.walk(path, onerror=_refuse_unreadable):
            if "matrix.json" in files:
                runs.append(Path(place))
                folders.clear()
    return sorted(runs)


def _refuse_unreadable(error: OSError) -> None:
    """Let a folder that has just been removed, such as one of the W&B client's, be none."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _item_bytes(dtype: str) -> int:
    """Bytes of a number, by the name that safetensors gives its type, such as BF16, F8_E4M3 or BOOL."""
    bits = re.match(r"[A-Z]+(\d+)", dtype)
    return int(bits[1]) // 8 if bits else 1


def _read_notes(path: Path) -> dict[str, Any]:
    with _explained(path), safetensors.safe_open(path, "np") as file:
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


def _exists(path: Path) -> bool:
    """Whether there is such a file or folder; raises RunFolderError where that cannot be told."""
    with _explained(path):
        return path.exists()


@contextlib.contextmanager
def _explained(path: Path | str) -> Iterator[None]:
    """Turn what the system says about a file into one line."""
    try:
        yield
    except OSError as error:
        raise RunFolderError(f"{error.filename or path}: {error.strerror or error}") from error
    except (safetensors.SafetensorError, ValueError, RecursionError) as error:
        if is_out_of_memory(error):
            raise
        raise RunFolderError(f"{path} is damaged: {error}") from error
