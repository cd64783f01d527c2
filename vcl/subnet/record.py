"""What one session adds to a run, and the one reader of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor

StateKind = Literal["shared_masked", "shared_latest", "per_session", "differences"]
"""What a method leaves behind a session: a mask over shared weights, one dense network that the next session
overwrites, a dense network of its own, or what to add to the dense network of the session before."""

KINDS = {
    "mask": torch.uint8,
    "weight": torch.float32,
    "session": torch.float32,
    "frame": torch.float32,
    "step": torch.float32,
    "buffer": None,
}
"""Kinds of tensors in a record and their types; a buffer's are the method's own affair."""


@dataclass(frozen=True)
class Layout:
    """Shapes of a network's numbers, which a record must have.

    Args:
        weights: of the shared weights, by name.
        session: of one session's own tensors, by name.
        frame: of the numbers of one frame, by name.
        rows: of a shared weight, by name, the dimension of its rows, which are the output channels; 0 without it.
        every: of those of ``frame`` that only key frames have, by name, from how many frames to how many there is one.
    """

    weights: Mapping[str, Sequence[int]]
    session: Mapping[str, Sequence[int]] = field(default_factory=dict)
    frame: Mapping[str, Sequence[int]] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    every: Mapping[str, int] = field(default_factory=dict)

    def frame_rows(self, name: str, frames: int) -> int:
        """How many of a video's frames have numbers of a name."""
        return len(key_frames(frames, self.every.get(name, 1)))

    def frame_numbers(self, frames: int) -> int:
        """Numbers of all frames of a video together."""
        return sum(self.frame_rows(name, frames) * math.prod(shape) for name, shape in self.frame.items())


def key_frames(frames: int, every: int) -> list[int]:
    """Indices of the frames ``0, every, 2 · every`` and so on of a video, and of its last."""
    return [*range(0, frames - 1, every), frames - 1]


@dataclass(frozen=True)
class SessionRecord:
    """What one session added; everything is on the CPU.

    Args:
        masks: by weight name, the session's mask as packed bits, uint8; empty for a dense network.
        values: by weight name, in order of position: the weights that no earlier session uses, or all of a dense one.
        session: the session's own tensors; of a method that keeps only its latest network, those of all sessions so
            far, stacked.
        frame: by name, ``(T, *shape)``: numbers of each frame of the session's video, or of each of its key frames.
        steps: by kind and name, such as ``weight/fc.weight``: where numbers are integers times a step, the steps of
            their rows, ``(rows,)``; of session tensors that are stacked, ``(S, rows)``. Numbers without steps are any.
        buffer: by name, what the method keeps to learn the next video: frames, outputs, importances. Decoding does
            not need it, and the next session needs only the latest.
        mask_shapes: by weight name, the shape of its mask where one bit stands for several weights: it broadcasts to
            that of the weight.
    """

    masks: Mapping[str, Tensor]
    values: Mapping[str, Tensor]
    session: Mapping[str, Tensor]
    frame: Mapping[str, Tensor] = field(default_factory=dict)
    steps: Mapping[str, Tensor] = field(default_factory=dict)
    buffer: Mapping[str, Tensor] = field(default_factory=dict)
    mask_shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def mask(self, name: str, shape: Sequence[int]) -> Tensor:
        """Boolean: the session's mask of a weight, in its own shape, which broadcasts to that of the weight.

        Args:
            name: of the weight.
            shape: of the weight.

        Raises:
            ValueError: the mask has another number of bits, or there is none.
        """
        mask_shape = torch.Size(self.mask_shapes.get(name, shape))
        packed, length = self.masks.get(name), math.ceil(mask_shape.numel() / 8)
        if packed is None or packed.numel() != length:
            raise ValueError(f"{name} must hold {length} numbers, got {'none' if packed is None else packed.numel()}")
        return (
            torch.from_numpy(np.unpackbits(packed.numpy(), count=mask_shape.numel())).view(torch.bool).view(mask_shape)
        )

    def tensors(self) -> dict[str, Tensor]:
        """Flat names, ``kind/name``, as they are stored."""
        contents = (self.masks, self.values, self.session, self.frame, self.steps, self.buffer)
        kinds = zip(KINDS, contents, strict=True)
        return {f"{kind}/{name}": tensor for kind, tensors in kinds for name, tensor in tensors.items()}

    @classmethod
    def from_tensors(
        cls,
        tensors: Mapping[str, Tensor],
        layout: Layout,
        state_kind: StateKind,
        session: int,
        frames: int,
        mask_shapes: Mapping[str, Sequence[int]] | None = None,
    ) -> SessionRecord:
        """The record whose ``tensors`` these are.

        How many weights it may claim depends on the sessions before, and is checked by ``Ledger.append``.

        Args:
            tensors: as they were stored.
            layout: of the network.
            state_kind: of the method.
            session: its index.
            frames: length T of its video.
            mask_shapes: as in the class.

        Raises:
            ValueError: a tensor is missing, is of no kind that a record has, or has another type or shape.
        """
        kinds: dict[str, dict[str, Tensor]] = {kind: {} for kind in KINDS}
        for path, tensor in tensors.items():
            kind, _, name = path.partition("/")
            if kind not in kinds or not name:
                raise ValueError(f"{path} is none of {', '.join(f'{kind}/NAME' for kind in KINDS)}")
            dtype = KINDS[kind] or tensor.dtype
            if tensor.dtype != dtype:
                raise ValueError(f"{path} must be {dtype}, got {tensor.dtype}")
            kinds[kind][name] = tensor
        _check_names("weight", kinds["weight"], layout.weights)
        for kind, shapes in record_shapes(layout, state_kind, session, frames, mask_shapes or {}).items():
            _check_shapes(kind, kinds[kind], shapes)
        _check_steps(kinds["step"], step_shapes(layout, state_kind, session))
        masks, values, own, frame, steps, buffer = kinds.values()
        return cls(masks, values, own, frame, steps, buffer, mask_shapes or {})


def record_shapes(
    layout: Layout, state_kind: StateKind, session: int, frames: int, mask_shapes: Mapping[str, Sequence[int]]
) -> dict[str, dict[str, tuple[int, ...]]]:
    """Shapes of a record's tensors by kind and name: all but the weights that it claims, and the buffer.

    Args:
        layout: of the network.
        state_kind: of the method.
        session: its index.
        frames: length T of its video.
        mask_shapes: as in ``SessionRecord``.
    """
    masks = all_mask_shapes(layout.weights, mask_shapes) if state_kind == "shared_masked" else {}
    stacked = (session + 1,) if state_kind == "shared_latest" else ()
    return {
        "mask": {name: (math.ceil(math.prod(shape) / 8),) for name, shape in masks.items()},
        "session": {name: (*stacked, *shape) for name, shape in layout.session.items()},
        "frame": {name: (layout.frame_rows(name, frames), *shape) for name, shape in layout.frame.items()},
    }


def all_mask_shapes(
    weights: Mapping[str, Sequence[int]], mask_shapes: Mapping[str, Sequence[int]]
) -> dict[str, torch.Size]:
    """Shapes of the masks of all weights: that of the weight, or that of ``SessionRecord.mask_shapes``.

    Raises:
        ValueError: a shape is of no weight, or does not broadcast to it.
    """
    for name, shape in mask_shapes.items():
        whole = weights.get(name, ())
        if len(shape) != len(whole) or any(size not in (1, all_) for size, all_ in zip(shape, whole, strict=True)):
            raise ValueError(f"the mask of {name} must have the shape of its scores, got {tuple(shape)}")
    return {name: torch.Size(mask_shapes.get(name, shape)) for name, shape in weights.items()}


def _check_names(kind: str, tensors: Mapping[str, Tensor], expected: Mapping[str, Sequence[int]]) -> None:
    for name in (*tensors, *expected):
        if name not in expected or name not in tensors:
            state = "is no tensor of the network" if name in tensors else "is missing"
            raise ValueError(f"{kind}/{name} {state}")


def _check_shapes(kind: str, tensors: Mapping[str, Tensor], expected: Mapping[str, Sequence[int]]) -> None:
    _check_names(kind, tensors, expected)
    for name, shape in expected.items():
        if tuple(tensors[name].shape) != tuple(shape):
            raise ValueError(f"{kind}/{name} must be {tuple(shape)}, got {tuple(tensors[name].shape)}")


def step_shapes(layout: Layout, state_kind: StateKind, session: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the steps of everything that may have some, by kind and name.

    Args:
        layout: of the network.
        state_kind: of the method.
        session: its index.
    """
    stacked = (session + 1,) if state_kind == "shared_latest" else ()
    weights = {f"weight/{name}": (shape[layout.rows.get(name, 0)],) for name, shape in layout.weights.items()}
    own = {f"session/{name}": (*stacked, shape[0] if len(shape) > 1 else 1) for name, shape in layout.session.items()}
    return {**weights, **own, **{f"frame/{name}": (1,) for name in layout.frame}}


def _check_steps(steps: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    for name, step in steps.items():
        if name not in shapes:
            raise ValueError(f"step/{name} is of nothing that has steps")
        if tuple(step.shape) != shapes[name]:
            raise ValueError(f"step/{name} must be {shapes[name]}, got {tuple(step.shape)}")
        if not bool((step > 0).all()):
            raise ValueError(f"step/{name} must be greater than 0, got {float(step.min())}")
