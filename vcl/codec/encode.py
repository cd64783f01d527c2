"""A session's record -> the payloads that hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vcl.codec.fields import FieldWriter
from vcl.codec.masks import mask_bits, pack_masks
from vcl.codec.numbers import Drawn, Numbers, Place, write_numbers
from vcl.subnet.ledger import Ledger
from vcl.subnet.mask_context import mask_context, score_purpose, sealed_units
from vcl.subnet.record import SessionRecord

SEALED, SCORES, SIGNED_SCORES, MASK_BEFORE = range(4)
"""What a mask is coded given, beside what is sealed: nothing, the first scores by magnitude or by value, or the mask of
the session before."""


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


def encode_session(record: SessionRecord, ledger: Ledger, draws: Draws) -> tuple[bytes, bytes, bytes]:
    """Payloads of a session: masks (empty without), weights (empty without), and session and frame tensors.

    Args:
        record: of the session, with its weights.
        ledger: of the sessions before.
        draws: of the session.

    Raises:
        BitstreamError: numbers with steps are no integers.
    """
    masks = {}
    if ledger.state_kind == "shared_masked":
        masks = {name: record.mask(name, shape) for name, shape in ledger.shapes.items()}
    weights = FieldWriter()
    if record.values:
        weights.number("II", draws.seed, draws.session)
        places = weight_places(ledger, masks, draws)
        tensors = [
            (Numbers(record.values[name].numpy().ravel(), _array(record.steps.get(f"weight/{name}"))), place)
            for name, place in places.items()
        ]
        write_numbers(weights, tensors, [draws.bounds.get(name) for name in places])
    own = FieldWriter()
    write_numbers(own, [_own(kind, name, record) for kind, name in own_names(ledger) if name in getattr(record, kind)])
    return _encoded_masks(masks, ledger, draws), weights.bytes(), own.bytes()


def weight_places(ledger: Ledger, masks: Mapping[str, Tensor], draws: Draws) -> dict[str, Place]:
    """Where the weights of a session belong, by name: those of its masks that no session before has sealed, or all.

    Args:
        ledger: of the sessions before.
        masks: of the session, each in its own shape; none of a dense network.
        draws: of the session.
    """
    places = {}
    for name, shape in ledger.shapes.items():
        dim = ledger.layout.rows.get(name, 0)
        along = [-1 if here == dim else 1 for here in range(len(shape))]
        rows = np.broadcast_to(np.arange(shape[dim], dtype=np.int32).reshape(along), shape).ravel()
        claimed = None
        if name in masks:
            claimed = (masks[name].expand(shape) & ~ledger.sealed(name)).numpy().ravel()
            rows = rows[claimed]
        places[name] = Place(rows, shape[dim], Drawn(draws.seed, name, draws.session, shape.numel(), claimed))
    return places


def own_names(ledger: Ledger) -> list[tuple[str, str]]:
    """Kind and name of everything that is a session's or its frames' own, in the order of the file."""
    layout = ledger.layout
    return [("session", name) for name in sorted(layout.session)] + [("frame", name) for name in sorted(layout.frame)]


def own_place(kind: str, shape: tuple[int, ...], stacked: bool) -> Place:
    """Where a session or frame tensor belongs; its rows are those of ``step_shapes``.

    Args:
        kind: ``session`` or ``frame``.
        shape: of the tensor.
        stacked: whether the tensors of all sessions stand behind one another.
    """
    own = shape[1:] if stacked else shape
    rows = (1 if kind == "frame" or len(own) < 2 else own[0]) * (shape[0] if stacked else 1)
    return Place(np.repeat(np.arange(rows, dtype=np.int32), int(np.prod(shape)) // rows), rows)


def context_of(kind: int, name: str, mask_shape: torch.Size, ledger: Ledger, draws: Draws) -> NDArray[np.uint8]:
    """The context of each unit of a mask.

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
    context: NDArray[np.uint8] = sealed_units(sealed, mask_shape).numpy().ravel().astype(np.uint8)
    if kind == MASK_BEFORE:
        before = ledger.mask(len(ledger) - 1, name)
        context += 2 * sealed_units(before, mask_shape).numpy().ravel().astype(np.uint8)
    return context


def _encoded_masks(masks: Mapping[str, Tensor], ledger: Ledger, draws: Draws) -> bytes:
    """The payload of masks, each given whatever makes it the shortest."""
    writer, contexts = FieldWriter(), []
    if not masks:
        return b""
    writer.number("II", draws.seed, draws.session)
    flat = [mask.numpy().ravel() for mask in masks.values()]
    for (name, mask), bits in zip(masks.items(), flat, strict=True):
        kinds = range(4) if len(ledger) else range(3)
        candidates = {kind: context_of(kind, name, mask.shape, ledger, draws) for kind in kinds}
        kind = min(candidates, key=lambda kind: mask_bits(bits, candidates[kind]))
        full = sum(1 << dim for dim, size in enumerate(mask.shape) if size == ledger.shapes[name][dim])
        writer.number("BB", full, kind)
        contexts.append(candidates[kind])
    writer.raw(pack_masks(flat, contexts))
    return writer.bytes()


def _own(kind: str, name: str, record: SessionRecord) -> tuple[Numbers, Place]:
    tensor, steps = getattr(record, kind)[name], record.steps.get(f"{kind}/{name}")
    stacked = kind == "session" and steps is not None and steps.dim() == 2
    numbers = Numbers(tensor.numpy().ravel(), _array(None if steps is None else steps.flatten()))
    return numbers, own_place(kind, tuple(tensor.shape), stacked)


def _array(steps: Tensor | None) -> NDArray[np.float32] | None:
    return None if steps is None else steps.numpy()
