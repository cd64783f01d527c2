"""Who uses which weight: one entry a session, and what follows from them all."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

Keeps = Literal["masks", "latest", "each"]
"""What a method leaves behind a session: a mask over shared weights, one dense network that the next session
overwrites, or a dense network of its own."""

_TYPES = {"mask": torch.uint8, "weight": torch.float32, "head": torch.float32}
"""Of the tensors of an entry, by kind; a buffer's are the method's own affair."""


@dataclass(frozen=True)
class Entry:
    """What one session added; everything is on the CPU.

    Args:
        masks: by weight name, the session's mask as packed bits, uint8; empty for a dense network.
        values: by weight name, in order of position: the weights that no earlier session uses, or all of a dense one.
        head: the session's head; of a method that keeps only its latest network, all heads so far, stacked.
        buffer: by name, what the method keeps to learn the next video: frames, outputs, importances. Decoding does
            not need it, the next session does not need what the sessions before kept.
    """

    masks: Mapping[str, Tensor]
    values: Mapping[str, Tensor]
    head: Tensor
    buffer: Mapping[str, Tensor] = field(default_factory=dict)

    def tensors(self) -> dict[str, Tensor]:
        """Flat names, as they are stored."""
        return {
            **{f"mask/{name}": packed for name, packed in self.masks.items()},
            **{f"weight/{name}": value for name, value in self.values.items()},
            "head": self.head,
            **{f"buffer/{name}": kept for name, kept in self.buffer.items()},
        }

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> Entry:
        """The entry whose ``tensors`` these are.

        Raises:
            ValueError: a tensor is of no kind that an entry has, or of another type than its kind.
        """
        kinds: dict[str, dict[str, Tensor]] = {kind: {} for kind in ("mask", "weight", "buffer", "head")}
        for name, tensor in tensors.items():
            kind, _, layer = name.partition("/")
            if kind not in kinds or (kind == "head") != (layer == ""):
                raise ValueError(f"{name} is none of mask/LAYER, weight/LAYER, buffer/NAME and head")
            expected = _TYPES.get(kind, tensor.dtype)
            if tensor.dtype != expected:
                raise ValueError(f"{name} must be {expected}, got {tensor.dtype}")
            kinds[kind][layer] = tensor
        if not kinds["head"]:
            raise ValueError("head must be there, got none")
        return cls(kinds["mask"], kinds["weight"], kinds["head"][""], kinds["buffer"])


@dataclass(frozen=True)
class Subnetwork:
    """What decoding a session needs: effective weights, zero outside its mask, and its head."""

    weights: Mapping[str, Tensor]
    head: Tensor

    def sha256(self) -> str:
        """Hash of names, shapes and values; equal everywhere for equal numbers."""
        digest = hashlib.sha256()
        for name, tensor in (*sorted(self.weights.items()), ("head", self.head)):
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
    """The entries of all closed sessions, in order.

    Masks are kept one bit a weight, and the weights once, however many sessions there are.

    Args:
        shapes: of the shared weights, by name.
        keeps: what the method leaves behind a session.

    Raises:
        ValueError: ``keeps`` is none of those.
    """

    def __init__(self, shapes: Mapping[str, torch.Size], keeps: Keeps) -> None:
        if keeps not in get_args(Keeps):
            raise ValueError(f"keeps must be one of {', '.join(get_args(Keeps))}, got {keeps}")
        self.shapes = dict(shapes)
        self.keeps = keeps
        self._entries: list[Entry] = []
        self._shares: list[Share] = []
        self._values = {name: torch.zeros(shape) for name, shape in self.shapes.items()} if keeps == "masks" else {}
        self._sealed = {name: torch.zeros(value.shape, dtype=torch.bool) for name, value in self._values.items()}

    def __len__(self) -> int:
        """Closed sessions."""
        return len(self._entries)

    def close(
        self,
        values: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        head: Tensor,
        buffer: Mapping[str, Tensor] | None = None,
    ) -> Entry:
        """Close a session: seal the weights that it uses and that are not yet sealed.

        Args:
            values: all shared weights by name, any device.
            masks: the session's masks by name, bool; not looked at for dense networks.
            head: as in ``Entry``.
            buffer: what the method keeps to learn the next video.

        Returns:
            The new entry.
        """
        last, kept = head.detach().cpu().clone(), {name: tensor.cpu() for name, tensor in (buffer or {}).items()}
        if self.keeps == "masks":
            cpu_masks = {name: masks[name].cpu() for name in self.shapes}
            claimed = {name: values[name].detach().cpu()[cpu_masks[name] & ~self._sealed[name]] for name in self.shapes}
            entry = Entry({name: _pack(mask) for name, mask in cpu_masks.items()}, claimed, last, kept)
        else:
            dense = {name: values[name].detach().cpu().flatten().clone() for name in self.shapes}
            entry = Entry({}, dense, last, kept)
        self.append(entry)
        return entry

    def append(self, entry: Entry) -> None:
        """Add an entry that was closed before.

        Raises:
            ValueError: it does not belong after the entries here: a tensor is missing, of a layer that is not there or
                of another length.
        """
        layers = {*entry.values, *entry.masks}
        if self.keeps == "masks":
            self._shares = []
            for name, shape in self.shapes.items():
                mask = self._unpacked(entry, name)
                new = mask & ~self._sealed[name]
                used, claimed = int(mask.sum()), int(new.sum())
                _check_length(name, entry.values, claimed)
                self._values[name][new] = entry.values[name]
                self._sealed[name] |= mask
                free = shape.numel() - int(self._sealed[name].sum())
                self._shares.append(Share(name, shape.numel(), used, used - claimed, claimed, free))
            entry = replace(entry, values={})
        else:
            for name, shape in self.shapes.items():
                _check_length(name, entry.values, shape.numel())
            if self.keeps == "latest" and self._entries:
                self._entries[-1] = replace(self._entries[-1], values={})
        if not layers <= self.shapes.keys():
            raise ValueError(f"{min(layers - self.shapes.keys())} is no layer of the network")
        if self._entries:
            self._entries[-1] = replace(self._entries[-1], buffer={})
        self._entries.append(entry)

    @property
    def buffer(self) -> Mapping[str, Tensor]:
        """What the latest closed session kept for the next."""
        return self._entries[-1].buffer if self._entries else {}

    def sealed(self, name: str) -> Tensor:
        """Boolean: the weights of one layer that closed sessions use, which no step may move. Not a copy."""
        return self._sealed[name]

    def values(self, name: str) -> Tensor:
        """Values of one layer's sealed weights, zero where none is sealed. Not a copy."""
        return self._values[name]

    def mask(self, session: int, name: str) -> Tensor:
        """Boolean: the weights of one layer that a closed session uses."""
        if self.keeps != "masks":
            return torch.ones(self.shapes[name], dtype=torch.bool)
        return self._unpacked(self._entries[session], name)

    def subnetwork(self, session: int) -> Subnetwork:
        """What decoding ``session`` needs, as of the latest closed session."""
        entry = self._entries[session]
        if self.keeps == "masks":
            # Not a product: that would leave the signs of others' weights behind, as zeros of either sign.
            weights = {
                name: (value.view(torch.int32) & as_bits(self.mask(session, name))).view(torch.float32)
                for name, value in self._values.items()
            }
        else:
            owner = entry if self.keeps == "each" else self._entries[-1]
            weights = {name: owner.values[name].view(shape) for name, shape in self.shapes.items()}
        return Subnetwork(weights, self._entries[-1].head[session] if self.keeps == "latest" else entry.head)

    def shares(self) -> list[Share]:
        """How the latest closed session uses each layer; empty for methods without masks."""
        return list(self._shares)

    def _unpacked(self, entry: Entry, name: str) -> Tensor:
        shape = self.shapes[name]
        _check_length(name, entry.masks, math.ceil(shape.numel() / 8))
        bits = np.unpackbits(entry.masks[name].numpy(), count=shape.numel())
        return torch.from_numpy(bits).view(torch.bool).view(shape)


def as_bits(mask: Tensor) -> Tensor:
    """A boolean mask as int32 that has all bits set or none, for selecting from the bits of float32 numbers.

    That is exact for every number, -0 and NaN included, and on a CPU ten times faster than by booleans.
    """
    return mask.to(torch.int32).neg_()


def _pack(mask: Tensor) -> Tensor:
    return torch.from_numpy(np.packbits(mask.numpy()))


def _check_length(name: str, tensors: Mapping[str, Tensor], length: int) -> None:
    found = tensors[name].numel() if name in tensors else "none"
    if found != length:
        raise ValueError(f"{name} must hold {length} numbers, got {found}")
