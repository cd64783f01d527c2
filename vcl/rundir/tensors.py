"""Tensors with notes, in a safetensors file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors

from vcl.atomic_file import atomic_file, draft_folder
from vcl.errors import RunFolderError
from vcl.memory import is_out_of_memory
from vcl.rundir.files import explained

if TYPE_CHECKING:
    from torch import Tensor

_KEEPS = ("masks", "latest", "each")


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
        if not isinstance(self.video, str):
            raise ValueError(f"the note video must be text, got {self.video!r}")
        if self.keeps not in _KEEPS:
            raise ValueError(f"the note keeps must be one of {', '.join(_KEEPS)}, got {self.keeps!r}")
        for name in ("frames", "sessions"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise ValueError(f"the note {name} must be a number from 1 up, got {getattr(self, name)!r}")

    @classmethod
    def of(cls, path: Path, notes: Mapping[str, Any]) -> SessionNotes:
        """The notes of a session's file; raises RunFolderError where they are not what they should be."""
        names = [field.name for field in fields(cls)]
        with explained(path):
            missing = [name for name in names if name not in notes]
            if missing:
                raise ValueError(f"it has no note {missing[0]}")
            return cls(**{name: notes[name] for name in names})


def write_tensors(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
    """Write tensors by name, and notes that JSON can hold; the file appears whole or not at all."""
    import safetensors.torch  # Loads torch, which those who only read reports do without.

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with explained(path), atomic_file(path) as draft, draft_folder(path) as folder:
        try:
            # Straight from the tensors to the disk: as bytes, a checkpoint would stand in memory twice. The library
            # first writes a file of its own beside the one it is to make, which a kill would leave behind.
            safetensors.torch.save_file(plain, folder / "tensors", {"notes": json.dumps(notes)})
        except safetensors.SafetensorError as error:
            if is_out_of_memory(error):
                raise
            raise RunFolderError(f"{path} cannot be written: {error}") from error
        (folder / "tensors").replace(draft.file.name)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and notes of ``write_tensors``."""
    with explained(path), safetensors.safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, _notes(file)  # noqa: SIM118


def read_notes(path: Path) -> dict[str, Any]:
    """The notes of ``write_tensors`` alone."""
    with explained(path), safetensors.safe_open(path, "np") as file:
        return _notes(file)


def tensor_bytes(path: Path) -> dict[str, int]:
    """Bytes by kind of tensor, the part of a name before the slash; ``container`` is the rest of the file."""
    sizes: dict[str, int] = {}
    with explained(path), safetensors.safe_open(path, "np") as file:  # NumPy's form, to leave torch unloaded.
        for name in file.keys():  # noqa: SIM118 - the file is not a dict
            tensor = file.get_slice(name)
            kind = name.split("/")[0]
            sizes[kind] = sizes.get(kind, 0) + math.prod(tensor.get_shape()) * _item_bytes(tensor.get_dtype())
        sizes["container"] = path.stat().st_size - sum(sizes.values())
    return sizes


def _item_bytes(dtype: str) -> int:
    """Bytes of a number, by the name that safetensors gives its type, such as BF16, F8_E4M3 or BOOL."""
    bits = re.match(r"[A-Z]+(\d+)", dtype)
    return int(bits[1]) // 8 if bits else 1


def _notes(file: Any) -> dict[str, Any]:
    notes = json.loads((file.metadata() or {}).get("notes", "{}"))
    if not isinstance(notes, dict):
        raise ValueError(f"its notes must be a JSON object, got {notes!r}")
    return notes
