"""The payloads of a session -> its record; the other way of ``encode``."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from vcl.codec.encode import MASK_BEFORE, Draws, context_of, own_rows, rows_of
from vcl.codec.fields import FieldReader
from vcl.codec.masks import unpack_mask
from vcl.codec.numbers import Drawn, read_numbers
from vcl.errors import BitstreamError
from vcl.subnet.ledger import Ledger
from vcl.subnet.mask_context import CONTEXTS
from vcl.subnet.record import SessionRecord, record_shapes


def decode_session(masks: bytes, weights: bytes, own: bytes, ledger: Ledger, frames: int) -> SessionRecord:
    """The record that ``encode_session`` took.

    Args:
        masks: the payload, empty for a dense network.
        weights: the payload; empty where a later session overwrites them.
        own: the payload of session and frame tensors.
        ledger: of the sessions before.
        frames: of the session's video.

    Raises:
        BitstreamError: a payload is malformed.
    """
    session = len(ledger)
    mask_reader, weight_reader = (
        FieldReader(masks, f"the masks of session {session}"),
        FieldReader(weights, f"the weights of session {session}"),
    )
    packed: dict[str, Tensor] = {}
    mask_shapes: dict[str, torch.Size] = {}
    values: dict[str, Tensor] = {}
    steps: dict[str, Tensor] = {}
    masked = ledger.state_kind == "shared_masked"
    draws = Draws(mask_reader.number("I"), mask_reader.number("I")) if masked else Draws(0, 0)
    seed, drawn_by = (weight_reader.number("I"), weight_reader.number("I")) if weights else (0, 0)
    for name, shape in ledger.shapes.items():
        dim = ledger.layout.rows.get(name, 0)
        rows, claimed = rows_of(shape, dim), None
        if masked:
            mask = _read_mask(mask_reader, name, ledger, draws)
            packed[name] = torch.from_numpy(np.packbits(mask.numpy()))
            if mask.shape != shape:
                mask_shapes[name] = mask.shape
            claimed = (mask.expand(shape) & ~ledger.sealed(name)).numpy().ravel()
            rows = rows[claimed]
        if weights:
            drawn = Drawn(seed, name, drawn_by, shape.numel(), claimed)
            numbers, row_steps = read_numbers(weight_reader, rows, shape[dim], drawn)
            values[name] = torch.from_numpy(numbers)
            if row_steps is not None:
                steps[f"weight/{name}"] = torch.from_numpy(row_steps)
    mask_reader.end()
    weight_reader.end()
    session_tensors, frame_tensors = _read_own(own, ledger, frames, bool(weights), steps)
    return SessionRecord(packed, values, session_tensors, frame_tensors, steps, mask_shapes=mask_shapes)


def _read_mask(reader: FieldReader, name: str, ledger: Ledger, draws: Draws) -> Tensor:
    shape = ledger.shapes[name]
    full = reader.at_most("B", 2 ** len(shape) - 1, "the unit of a mask")
    kind = reader.at_most("B", MASK_BEFORE if len(ledger) else MASK_BEFORE - 1, "the context of a mask")
    mask_shape = torch.Size(size if full >> dim & 1 else 1 for dim, size in enumerate(shape))
    context = context_of(kind, name, mask_shape, ledger, draws)
    return torch.from_numpy(unpack_mask(reader.block(), context, CONTEXTS)).view(mask_shape)


def _read_own(
    payload: bytes, ledger: Ledger, frames: int, has_weights: bool, steps: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Session and frame tensors; their steps are added to ``steps``."""
    reader = FieldReader(payload, f"the own numbers of session {len(ledger)}")
    shapes: Mapping[str, Mapping[str, tuple[int, ...]]] = record_shapes(
        ledger.layout, ledger.state_kind, len(ledger), frames, {}
    )
    stacked = ledger.state_kind == "shared_latest"
    tensors: dict[str, dict[str, Tensor]] = {"session": {}, "frame": {}}
    for kind, of_kind in tensors.items():
        if kind == "session" and stacked and not has_weights:
            continue  # A later session has overwritten them.
        for name, shape in sorted(shapes[kind].items()):
            if math.prod(shape) > 8 * len(payload) * 4096:
                raise BitstreamError(f"{kind} tensor {name} of the library is larger than its bytes can hold")
            rows = own_rows(kind, torch.Size(shape), stacked and kind == "session")
            count = int(rows[-1]) + 1
            numbers, own_steps = read_numbers(reader, rows, count)
            of_kind[name] = torch.from_numpy(numbers).view(shape)
            if own_steps is not None:
                of_session = (shape[0], -1) if stacked and kind == "session" else (count,)
                steps[f"{kind}/{name}"] = torch.from_numpy(own_steps).view(of_session)
    reader.end()
    return tensors["session"], tensors["frame"]
