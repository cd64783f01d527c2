"""Who uses which weight: one record per session, and what follows from them all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from vcl.subnet.record import Layout, SessionRecord, StateKind, all_mask_shapes


@dataclass(frozen=True)
class Subnetwork:
    """What decoding a session needs: effective weights, zero outside its mask, its own tensors and its frames'."""

    weights: Mapping[str, Tensor]
    session: Mapping[str, Tensor]
    frame: Mapping[str, Tensor]

    def to(self, device: torch.device) -> Subnetwork:
        """The same with the session's and the frames' tensors on a device; weights stay where they are."""
        own = {name: tensor.to(device) for name, tensor in self.session.items()}
        return Subnetwork(self.weights, own, {name: tensor.to(device) for name, tensor in self.frame.items()})

    def sha256(self) -> str:
        """Hash of names, shapes and values; equal everywhere for equal numbers."""
        digest = hashlib.sha256()
        for numbers in (self.weights, self.session, self.frame):
            for name, tensor in sorted(numbers.items()):
                digest.update(f"{name}{tuple(tensor.shape)}".encode())
                digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Share:
    """How one session uses one layer, in weights: ``used = reused + new``; ``free`` are used by no session yet."""

    name: str
    total: int
    used: int
    reused: int
    new: int
    free: int


class Ledger:
    """The records of all closed sessions, in order.

    It has masks at one bit per unit, and the weights once, however many sessions there are.

    Args:
        layout: shapes of the network's numbers; a mapping of the shared weights' alone will do.
        state_kind: what the method leaves behind a session.

    Raises:
        ValueError: ``state_kind`` is none of those.
    """

    def __init__(
        self,
        layout: Layout | Mapping[str, torch.Size],
        state_kind: StateKind,
    ) -> None:
        if state_kind not in get_args(StateKind):
            raise ValueError(f"state_kind must be one of {', '.join(get_args(StateKind))}, got {state_kind}")
        self.layout = layout if isinstance(layout, Layout) else Layout(layout)
        self.shapes = {name: torch.Size(shape) for name, shape in self.layout.weights.items()}
        self.state_kind = state_kind
        self._records: list[SessionRecord] = []
        self._shares: list[Share] = []
        masked = self.shapes if state_kind == "shared_masked" else {}
        self._values = {name: torch.zeros(shape) for name, shape in masked.items()}
        self._sealed = {name: torch.zeros(shape, dtype=torch.bool) for name, shape in masked.items()}

    def __len__(self) -> int:
        """Number of closed sessions."""
        return len(self._records)

    def seal(
        self,
        values: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        session: Mapping[str, Tensor],
        frame: Mapping[str, Tensor] | None = None,
        steps: Mapping[str, Tensor] | None = None,
    ) -> SessionRecord:
        """Close a session: seal the weights that it uses and that are not yet sealed.

        Args:
            values: all shared weights by name, any device; of ``differences``, what is to be added.
            masks: the session's masks by name, bool, each of the shape of its scores; not looked at for dense networks.
            session: the session's own tensors by name; for ``shared_latest`` those of all sessions so far, stacked.
            frame: numbers of the frames of the session's video, by name.
            steps: of what is quantised, as in ``SessionRecord``.

        Returns:
            The new record, without a buffer.
        """
        mask_shapes: dict[str, torch.Size] = {}
        packed: dict[str, Tensor] = {}
        claimed: dict[str, Tensor] = {}
        for name, shape in self.shapes.items():
            value = _on_cpu(values[name])
            if self.state_kind != "shared_masked":
                claimed[name] = value.flatten()
                continue
            mask = masks[name].cpu()
            if mask.shape != shape:
                mask_shapes[name] = mask.shape
                all_mask_shapes(self.shapes, mask_shapes)  # Refuses one that does not broadcast.
            packed[name] = torch.from_numpy(np.packbits(mask.numpy()))
            claimed[name] = value[mask.expand(shape) & ~self._sealed[name]]
        record = SessionRecord(
            packed,
            claimed,
            _all_on_cpu(session),
            _all_on_cpu(frame or {}),
            _all_on_cpu(steps or {}),
            mask_shapes=mask_shapes,
        )
        self.append(record)
        return record

    def append(self, record: SessionRecord) -> None:
        """Add the record of a session that was closed before; without weights where a later one has overwritten them.

        Raises:
            ValueError: it does not belong after the records here: a tensor is missing, is of no layer of the network or
                has another length.
        """
        masked = self.shapes if self.state_kind == "shared_masked" else {}
        masks = {name: _unpacked(record, name, shape) for name, shape in masked.items()}
        new = {name: mask & ~self._sealed[name] for name, mask in masks.items()}
        overwritten = self.state_kind == "shared_latest" and not record.values
        for name, shape in ({} if overwritten else self.shapes).items():
            _check_length(name, record.values, _count(new[name]) if masked else shape.numel())
        if others := {*record.values, *record.masks} - self.shapes.keys():
            raise ValueError(f"{min(others)} is no layer of the network")
        if masked:
            self._shares = []
            for name, shape in masked.items():
                used, claimed = _count(masks[name]), _count(new[name])
                self._values[name][new[name]] = record.values[name]
                self._sealed[name] |= masks[name]
                free = shape.numel() - _count(self._sealed[name])
                self._shares.append(Share(name, shape.numel(), used, used - claimed, claimed, free))
            record = replace(record, values={})
        elif self.state_kind == "shared_latest" and self._records:
            self._records[-1] = replace(self._records[-1], values={}, session={}, steps={})
        if self._records:
            self._records[-1] = replace(self._records[-1], buffer={})
        self._records.append(record)

    def records(self) -> Iterator[SessionRecord]:
        """The records of all closed sessions in order, each with the weights that it claimed.

        What a method that keeps only its latest network has overwritten is not in them.
        """
        before = {name: torch.zeros_like(sealed) for name, sealed in self._sealed.items()}
        for session, record in enumerate(self._records):
            if self.state_kind == "shared_masked":
                masks = {name: self.mask(session, name) for name in self.shapes}
                claimed = {name: self._values[name][mask & ~before[name]] for name, mask in masks.items()}
                for name, mask in masks.items():
                    before[name] |= mask
                record = replace(record, values=claimed)
            yield record

    def keep_buffer(self, buffer: Mapping[str, Tensor]) -> None:
        """Add to the latest record what the method keeps to learn the next video."""
        self._records[-1] = replace(self._records[-1], buffer=buffer)

    @property
    def buffer(self) -> Mapping[str, Tensor]:
        """What the latest closed session stored for the next."""
        return self._records[-1].buffer if self._records else {}

    def sealed(self, name: str) -> Tensor:
        """Boolean: the weights of one layer that closed sessions use, which no step may move. Not a copy."""
        return self._sealed[name]

    def values(self, name: str) -> Tensor:
        """Values of one layer's sealed weights, zero where none is sealed. Not a copy."""
        return self._values[name]

    def mask(self, session: int, name: str) -> Tensor:
        """Boolean: the weights of one layer that a closed session uses."""
        if self.state_kind != "shared_masked":
            return torch.ones(self.shapes[name], dtype=torch.bool)
        return _unpacked(self._records[session], name, self.shapes[name])

    def subnetwork(self, session: int) -> Subnetwork:
        """What decoding ``session`` needs, as of the latest closed session."""
        record, latest = self._records[session], self._records[-1]
        if self.state_kind == "shared_masked":
            # Not a product: that would leave the signs of others' weights behind, as zeros of either sign.
            weights = {
                name: (value.view(torch.int32) & as_bits(self.mask(session, name))).view(torch.float32)
                for name, value in self._values.items()
            }
        elif self.state_kind == "differences":
            weights = {name: self._summed(name, session).view(shape) for name, shape in self.shapes.items()}
        else:
            owner = record if self.state_kind == "per_session" else latest
            weights = {name: owner.values[name].view(shape) for name, shape in self.shapes.items()}
        return Subnetwork(weights, self.session_tensors(session), record.frame)

    def _summed(self, name: str, session: int) -> Tensor:
        """Weights of a layer after a session, flat: in the order of the sessions, as float32 sums depend on it."""
        total = self._records[0].values[name].clone()
        for record in self._records[1 : session + 1]:
            total += record.values[name]
        return total

    def session_tensors(self, session: int) -> Mapping[str, Tensor]:
        """The session's own tensors, as of the latest closed session."""
        if self.state_kind == "shared_latest":
            return {name: stacked[session] for name, stacked in self._records[-1].session.items()}
        return self._records[session].session

    def frames(self) -> dict[int, Mapping[str, Tensor]]:
        """The frame tensors of all closed sessions."""
        return {session: record.frame for session, record in enumerate(self._records)}

    def shares(self) -> list[Share]:
        """How the latest closed session uses each layer; empty for methods without masks."""
        return list(self._shares)


def _on_cpu(tensor: Tensor) -> Tensor:
    """A copy on the CPU, which later steps of training leave alone."""
    return tensor.detach().to("cpu", copy=True)


def _all_on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: _on_cpu(tensor) for name, tensor in tensors.items()}


def _unpacked(record: SessionRecord, name: str, shape: torch.Size) -> Tensor:
    """Boolean, the shape of the weights."""
    mask = record.mask(name, shape)
    return mask if mask.shape == shape else mask.expand(shape).clone()


def _count(mask: Tensor) -> int:
    """Ones of a mask on the CPU, ten times faster than by a sum."""
    return int(np.count_nonzero(mask.numpy()))


def as_bits(mask: Tensor) -> Tensor:
    """A boolean mask as int32 that has all bits set or none, for selecting from the bits of float32 numbers.

    That is exact for every number, -0 and NaN included, and on a CPU ten times faster than by booleans.
    """
    return mask.to(torch.int32).neg_()


def _check_length(name: str, tensors: Mapping[str, Tensor], length: int) -> None:
    length_here = tensors[name].numel() if name in tensors else "none"
    if length_here != length:
        raise ValueError(f"{name} must hold {length} numbers, got {length_here}")
