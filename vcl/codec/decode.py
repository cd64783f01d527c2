"""The payloads of a session -> its record; the other way of ``encode``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from vcl.codec.encode import MASK_BEFORE, Draws, context_of, own_names, own_place, weight_places
from vcl.codec.fields import FieldReader
from vcl.codec.masks import unpack_masks
from vcl.codec.numbers import read_numbers
from vcl.errors import BitstreamError
from vcl.subnet.ledger import Ledger
from vcl.subnet.record import SessionRecord, record_shapes

_MOST_NUMBERS = 2**16
"""Numbers of a session's own in any payload."""

_MOST_PER_BYTE = 2**10
"""Such numbers more for each byte of the payload: equal integers take no bytes at all."""


@dataclass(frozen=True)
class LayerBits:
    """Bits of a session's masks and of its weights with their steps, by layer."""

    masks: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)

    def in_bytes(self) -> dict[str, dict[str, float]]:
        """Bytes by layer and kind, as in ``SessionBytes``."""
        layers: dict[str, dict[str, float]] = {}
        for kind, bits in (("weight", self.weights), ("mask", self.masks)):
            for name, spent in bits.items():
                layers.setdefault(name, {})[kind] = spent / 8
        return layers


def decode_session(
    masks: bytes, weights: bytes, own: bytes, ledger: Ledger, frames: int
) -> tuple[SessionRecord, LayerBits]:
    """The record that ``encode_session`` took, and what its layers took.

    Args:
        masks: the payload, empty for a dense network.
        weights: the payload; empty where a later session overwrites them.
        own: the payload of session and frame tensors.
        ledger: of the sessions before.
        frames: of the session's video.

    Raises:
        BitstreamError: a payload is malformed.
    """
    spent = LayerBits()
    chosen = _decoded_masks(masks, ledger, spent) if ledger.state_kind == "shared_masked" else {}
    packed = {name: torch.from_numpy(np.packbits(mask.numpy())) for name, mask in chosen.items()}
    mask_shapes = {name: mask.shape for name, mask in chosen.items() if mask.shape != ledger.shapes[name]}
    values: dict[str, Tensor] = {}
    steps: dict[str, Tensor] = {}
    if weights:
        reader = FieldReader(weights, f"the weights of session {len(ledger)}")
        places = weight_places(ledger, chosen, Draws(reader.number("I"), reader.number("I")))
        for name, numbers in zip(places, read_numbers(reader, list(places.values())), strict=True):
            values[name] = torch.from_numpy(numbers.values)
            spent.weights[name] = numbers.bits
            if numbers.steps is not None:
                steps[f"weight/{name}"] = torch.from_numpy(numbers.steps)
    tensors = _decoded_own(own, ledger, frames, bool(weights), steps)
    record = SessionRecord(packed, values, tensors["session"], tensors["frame"], steps, mask_shapes=mask_shapes)
    return record, spent


def _decoded_masks(payload: bytes, ledger: Ledger, spent: LayerBits) -> dict[str, Tensor]:
    """Masks by name, each in its own shape; their bits are added to ``spent``."""
    reader = FieldReader(payload, f"the masks of session {len(ledger)}")
    draws = Draws(reader.number("I"), reader.number("I"))
    shapes, contexts = {}, []
    for name, shape in ledger.shapes.items():
        full = reader.at_most("B", 2 ** len(shape) - 1, "the unit of a mask")
        kind = reader.at_most("B", MASK_BEFORE if len(ledger) else MASK_BEFORE - 1, "the context of a mask")
        shapes[name] = torch.Size(size if full >> dim & 1 else 1 for dim, size in enumerate(shape))
        contexts.append(context_of(kind, name, shapes[name], ledger, draws))
    masks, bits = unpack_masks(reader.rest(), contexts)
    spent.masks.update(zip(shapes, bits, strict=True))
    return {name: torch.from_numpy(mask).view(shapes[name]) for name, mask in zip(shapes, masks, strict=True)}


def _decoded_own(
    payload: bytes, ledger: Ledger, frames: int, has_weights: bool, steps: dict[str, Tensor]
) -> dict[str, dict[str, Tensor]]:
    """Session and frame tensors by kind; their steps are added to ``steps``."""
    reader = FieldReader(payload, f"the own numbers of session {len(ledger)}")
    shapes = record_shapes(ledger.layout, ledger.state_kind, len(ledger), frames, {})
    stacked = ledger.state_kind == "shared_latest"
    # Where a network is overwritten, so are the session tensors.
    names = [(kind, name) for kind, name in own_names(ledger) if kind == "frame" or has_weights or not stacked]
    most = _MOST_NUMBERS + _MOST_PER_BYTE * len(payload)
    if (count := sum(math.prod(shapes[kind][name]) for kind, name in names)) > most:
        raise BitstreamError(f"session {len(ledger)} must have at most {most} numbers of its own, got {count}")
    places = [own_place(kind, shapes[kind][name], stacked and kind == "session") for kind, name in names]
    tensors: dict[str, dict[str, Tensor]] = {"session": {}, "frame": {}}
    for (kind, name), numbers in zip(names, read_numbers(reader, places), strict=True):
        shape = shapes[kind][name]
        tensors[kind][name] = torch.from_numpy(numbers.values).view(shape)
        if numbers.steps is not None:
            of_sessions = (shape[0], -1) if stacked and kind == "session" else (-1,)
            steps[f"{kind}/{name}"] = torch.from_numpy(numbers.steps).view(of_sessions)
    return tensors
