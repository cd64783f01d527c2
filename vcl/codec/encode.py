"""A session's record -> the payloads that hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vcl.codec.fields import FieldWriter
from vcl.codec.masks import pack_mask
from vcl.codec.numbers import Drawn, write_numbers
from vcl.subnet.ledger import Ledger
from vcl.subnet.mask_context import CONTEXTS, mask_context, score_purpose, sealed_units
from vcl.subnet.record import SessionRecord

SEALED, SCORES, SIGNED_SCORES, MASK_BEFORE = range(4)
"""What a mask is coded given, beside what is sealed: nothing, the first scores by magnitude or by value, or the mask of
the session before."""


@dataclass
class Footprint:
    """Bytes of a session in a library, by kind and layer.

    Args:
        masks: by weight name.
        weights: by weight name, without their steps.
        steps: by weight name.
        own: of session and frame tensors.
    """

    masks: dict[str, int] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    own: int = 0


@dataclass(frozen=True)
class Draws:
    """What a session drew, as far as its numbers are coded given that.

    Args:
        seed: of the run.
        session: the session that drew the scores; an earlier one where scores are carried over.
        bounds: of the first weights, by name, as in ``MaskedWeight.bound``; without them weights are coded by
            themselves.
    """

    seed: int
    session: int
    bounds: Mapping[str, float] = field(default_factory=dict)


def encode_session(
    record: SessionRecord, ledger: Ledger, draws: Draws, footprint: Footprint | None = None
) -> tuple[bytes, bytes, bytes]:
    """Payloads of a session: masks (empty without), weights, and session and frame tensors.

    Args:
        record: of the session, with its weights.
        ledger: of the sessions before.
        draws: of the session.
        footprint: counts bytes.

    Raises:
        BitstreamError: numbers with steps are no integers.
    """
    footprint = footprint if footprint is not None else Footprint()
    masks, weights = FieldWriter(), FieldWriter()
    if ledger.state_kind == "shared_masked":
        masks.number("II", draws.seed, draws.session)
    if record.values:
        weights.number("II", draws.seed, draws.session)
    for name, shape in ledger.shapes.items():
        dim = ledger.layout.rows.get(name, 0)
        rows, claimed = rows_of(shape, dim), None
        if ledger.state_kind == "shared_masked":
            mask = record.mask(name, shape)
            footprint.masks[name] = _write_mask(masks, mask, name, ledger, draws)
            claimed = (mask.expand(shape) & ~ledger.sealed(name)).numpy().ravel()
            rows = rows[claimed]
        if name in record.values:
            steps, values = _array(record.steps.get(f"weight/{name}")), record.values[name].numpy().ravel()
            drawn = Drawn(draws.seed, name, draws.session, shape.numel(), claimed)
            bound = draws.bounds.get(name)
            sizes = write_numbers(weights, values, rows, steps, None if bound is None else (drawn, bound))
            footprint.weights[name], footprint.steps[name] = sizes["integers"], sizes["steps"]
    own = FieldWriter()
    for kind, tensors in (("session", record.session), ("frame", record.frame)):
        _write_own(own, kind, tensors, record)
    payloads = masks.bytes(), weights.bytes(), own.bytes()
    footprint.own = len(payloads[2])
    return payloads


def rows_of(shape: torch.Size, dim: int) -> NDArray[np.int32]:
    """The row of every number of a tensor, flat."""
    count = np.arange(shape[dim], dtype=np.int32)
    return np.broadcast_to(count.reshape([-1 if here == dim else 1 for here in range(len(shape))]), shape).ravel()


def own_rows(kind: str, shape: torch.Size, stacked: bool) -> NDArray[np.int32]:
    """The row of every number of a session or frame tensor, flat: see ``step_shapes``.

    Args:
        kind: ``session`` or ``frame``.
        shape: of the tensor.
        stacked: whether the tensors of all sessions stand behind one another.
    """
    own = shape[1:] if stacked else shape
    rows = 1 if kind == "frame" or len(own) < 2 else own[0]
    total = rows * (shape[0] if stacked else 1)
    return np.repeat(np.arange(total, dtype=np.int32), shape.numel() // total)


def _write_mask(writer: FieldWriter, mask: Tensor, name: str, ledger: Ledger, draws: Draws) -> int:
    """Write a mask given whatever makes it the shortest; gives its bytes."""
    contexts = range(4) if len(ledger) else range(3)
    coded = {
        kind: pack_mask(mask.numpy().ravel(), context_of(kind, name, mask.shape, ledger, draws), CONTEXTS)
        for kind in contexts
    }
    kind = min(coded, key=lambda kind: len(coded[kind]))
    full = sum(1 << dim for dim, size in enumerate(mask.shape) if size == ledger.shapes[name][dim])
    writer.number("BB", full, kind)
    writer.block(coded[kind])
    return len(coded[kind])


def context_of(kind: int, name: str, mask_shape: torch.Size, ledger: Ledger, draws: Draws) -> NDArray[np.uint8]:
    """The context of each unit of a mask, as ``masks`` takes it.

    Args:
        kind: one of the four above.
        name: of the weight.
        mask_shape: of its mask.
        ledger: of the sessions before.
        draws: of the session.
    """
    sealed = ledger.sealed(name)
    if kind in (SCORES, SIGNED_SCORES):
        purpose = score_purpose(draws.seed, name, draws.session)
        return mask_context(sealed, mask_shape, kind == SIGNED_SCORES, *purpose)
    context = sealed_units(sealed, mask_shape).numpy().ravel().astype(np.uint8)
    if kind == MASK_BEFORE:
        before = ledger.mask(len(ledger) - 1, name)
        context += 2 * sealed_units(before, mask_shape).numpy().ravel().astype(np.uint8)
    return context


def _write_own(writer: FieldWriter, kind: str, tensors: Mapping[str, Tensor], record: SessionRecord) -> None:
    for name, tensor in sorted(tensors.items()):
        steps = record.steps.get(f"{kind}/{name}")
        stacked = kind == "session" and steps is not None and steps.dim() == 2
        rows = own_rows(kind, tensor.shape, stacked)
        write_numbers(writer, tensor.numpy().ravel(), rows, _array(None if steps is None else steps.flatten()))


def _array(steps: Tensor | None) -> NDArray[np.float32] | None:
    return None if steps is None else steps.numpy()
