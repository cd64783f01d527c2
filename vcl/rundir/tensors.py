"""Tensors with notes, in a safetensors file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors

from vcl.atomic_file import atomic_file, draft_folder
from vcl.errors import RunFolderError
from vcl.memory import is_out_of_memory
from vcl.rundir.files import explained

if TYPE_CHECKING:
    from torch import Tensor

_STATE_KINDS = ("shared_masked", "shared_latest", "per_session", "differences")
_VERSION_1_KEEPS = dict(zip(("masks", "latest", "each"), _STATE_KINDS[:3], strict=True))


@dataclass(frozen=True)
class SessionNotes:
    """What a session's file says beside its tensors.

    Args:
        video: its name.
        frames: of the video.
        sessions: of the whole stream.
        state_kind: what the method leaves behind a session, as in ``Ledger``.
        mask_shapes: as in ``SessionRecord``.
        version: of the file's format.

    Raises:
        ValueError: a note has another type or lies out of range.
    """

    video: str
    frames: int
    sessions: int
    state_kind: str
    mask_shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    version: int = 2

    def __post_init__(self) -> None:
        if type(self.version) is not int or self.version not in (1, 2):
            raise ValueError(f"the format's version must be 1 or 2, got {self.version!r}")
        if not isinstance(self.video, str):
            raise ValueError(f"the note video must be text, got {self.video!r}")
        if self.state_kind not in _STATE_KINDS:
            raise ValueError(f"the note state_kind must be one of {', '.join(_STATE_KINDS)}, got {self.state_kind!r}")
        if not isinstance(self.mask_shapes, dict) or not all(map(_is_shape, self.mask_shapes.values())):
            raise ValueError(f"the note mask_shapes must hold lists of whole numbers, got {self.mask_shapes!r}")
        for name in ("frames", "sessions"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise ValueError(f"the note {name} must be a number from 1 up, got {getattr(self, name)!r}")

    def stored(self) -> dict[str, Any]:
        """As the file has them."""
        return {name: note for name, note in asdict(self).items() if name != "mask_shapes" or note}

    @classmethod
    def of(cls, path: Path, notes: Mapping[str, Any]) -> SessionNotes:
        """The notes of a session's file; raises RunFolderError where they are not what they should be."""
        with explained(path):
            if "keeps" in notes:
                state_kind = _VERSION_1_KEEPS.get(str(notes["keeps"]), notes["keeps"])
                notes = {**notes, "state_kind": state_kind, "version": 1}
            for name in ("video", "frames", "sessions", "state_kind", "version"):
                if name not in notes:
                    raise ValueError(f"it has no note {name}")
            known = {item.name for item in fields(cls)}
            return cls(**{name: note for name, note in notes.items() if name in known})


def _is_shape(value: object) -> bool:
    return isinstance(value, list | tuple) and all(type(size) is int and size >= 1 for size in value)


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


def file_bytes(tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> dict[str, int]:
    """Bytes of a file of ``write_tensors`` before it is written, as ``tensor_bytes`` counts them after.

    The library itself chooses types, order and spelling of the header, in a file with the same names and no numbers;
    then shapes and places are filled in.

    Args:
        tensors: by name; their content is not looked at, and may be on the meta device.
        notes: as for ``write_tensors``.
    """
    import safetensors.torch
    import torch

    empty = {name: torch.empty(0, dtype=tensor.dtype) for name, tensor in tensors.items()}
    header = json.loads(safetensors.torch.save(empty, {"notes": json.dumps(notes)})[8:])
    sizes: dict[str, int] = {}
    end = 0
    for name, entry in header.items():
        if name in tensors:
            size = tensors[name].numel() * tensors[name].element_size()
            sizes[_kind(name)] = sizes.get(_kind(name), 0) + size
            entry.update(shape=list(tensors[name].shape), data_offsets=[end, end + size])
            end += size
    text = len(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode())
    return {**sizes, "container": 8 + 8 * math.ceil(text / 8)}


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
            size = math.prod(tensor.get_shape()) * _item_bytes(tensor.get_dtype())
            sizes[_kind(name)] = sizes.get(_kind(name), 0) + size
        sizes["container"] = path.stat().st_size - sum(sizes.values())
    return sizes


def _kind(name: str) -> str:
    """The kind of a tensor, by its name in the file."""
    kind = name.split("/")[0]
    return "session" if kind == "head" else kind  # As version 1 called it.


def _item_bytes(dtype: str) -> int:
    """Bytes of a number, by the name that safetensors gives its type, such as BF16, F8_E4M3 or BOOL."""
    bits = re.match(r"[A-Z]+(\d+)", dtype)
    return int(bits[1]) // 8 if bits else 1


def _notes(file: Any) -> dict[str, Any]:
    notes = json.loads((file.metadata() or {}).get("notes", "{}"))
    if not isinstance(notes, dict):
        raise ValueError(f"its notes must be a JSON object, got {notes!r}")
    return notes
