"""What the sessions of a run will store in its folder: real records without content, and what the writer says of them.

The library that a run exports to is coded, and smaller: how small is known only once it is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from vcl.config import RunConfig
from vcl.plan.network import network_of, state_kind_of
from vcl.plan.work import SessionWork
from vcl.rundir import SessionNotes
from vcl.rundir.tensors import file_bytes
from vcl.subnet.record import SessionRecord, record_shapes, step_shapes

_KINDS = ("weight", "mask", "session", "buffer", "container")
"""Kinds of bytes in a session's file that every method has; others come behind them."""


def session_files(config: RunConfig, names: Sequence[str], work: Sequence[SessionWork]) -> list[dict[str, int]]:
    """Bytes of each session's file by kind, as ``RunFolder.session_bytes`` gives them.

    Masks of different sessions are taken to overlap as chance has it.

    Args:
        config: the run's.
        names: of the videos, by session.
        work: of the sessions.
    """
    network, kind = network_of(config, len(names)), state_kind_of(config)
    layout, mask_shapes = network.layout(), {}
    if kind == "shared_masked":
        for name, weight in network.weights().items():
            if weight.mask_shape != weight.value.shape:
                mask_shapes[name] = weight.mask_shape
    files = []
    for number, (claimed, session) in enumerate(zip(_claimed(config, len(names)), work, strict=True)):
        shapes = record_shapes(layout, kind, number, session.frames, mask_shapes)
        record = SessionRecord(
            masks=_empty(torch.uint8, shapes["mask"]),
            values=_empty(torch.float32, claimed),
            session=_empty(torch.float32, shapes["session"]),
            frame=_empty(torch.float32, shapes["frame"]),
            steps=_empty(torch.float32, {} if config.method.bits is None else step_shapes(layout, kind, number)),
            buffer=session.state,
            mask_shapes=mask_shapes,
        )
        notes = SessionNotes(names[number], session.frames, len(names), kind, record.mask_shapes)
        files.append(file_bytes(record.tensors(), notes.stored()))
    return files


def total_bytes(files: Sequence[Mapping[str, int]], state_kind: str) -> dict[str, int]:
    """Bytes by kind of all sessions together, without what later ones have overwritten.

    A method that keeps only its latest network overwrites earlier weights and heads, and every method its buffer, which
    it keeps to learn the next video: of these the last session's count.

    Args:
        files: bytes of each session's file by kind; one or more.
        state_kind: what the method leaves behind a session.
    """
    last_only = ("weight", "session", "buffer") if state_kind == "shared_latest" else ("buffer",)
    kinds = dict.fromkeys((*_KINDS, *(kind for file in files for kind in file)))
    return {kind: sum(file.get(kind, 0) for file in (files[-1:] if kind in last_only else files)) for kind in kinds}


def _claimed(config: RunConfig, sessions: int) -> list[dict[str, tuple[int]]]:
    """How many weights of each layer every session stores, as shapes."""
    from vcl.sessions.methods import METHODS  # Loads Avalanche, which takes seconds.

    method, weights = METHODS[config.method.name], network_of(config, sessions).weights()
    free = {name: float(weight.value.numel()) for name, weight in weights.items()}
    if method.state_kind != "shared_masked":
        return [{name: (int(count),) for name, count in free.items()}] * sessions
    claimed = []
    for _ in range(sessions):
        left = {name: free[name] - method.claimed(config.method, weights[name], free[name]) for name in free}
        claimed.append({name: (round(free[name]) - round(left[name]),) for name in free})
        free = left
    return claimed


def _empty(dtype: torch.dtype, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    return {name: torch.empty(shape, dtype=dtype, device="meta") for name, shape in shapes.items()}
