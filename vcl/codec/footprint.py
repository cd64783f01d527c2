"""What a library's sessions take in it, by kind and layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

KINDS = ("weight", "mask", "side")
"""Kinds of bytes in a library; side data are all that are neither weights nor masks."""


@dataclass(frozen=True)
class SessionBytes:
    """Bytes of a session in a library.

    Args:
        video: name of its video.
        weight: of the weights that it claimed, with the steps of their integers.
        mask: of its masks.
        side: of all else: its own numbers, its video's record, frame hashes, and what holds the file together.
        layers: bytes of ``weight`` and ``mask`` by layer, as far as they can be told apart in one stream.
    """

    video: str
    weight: int
    mask: int
    side: int
    layers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Bytes of all kinds."""
        return self.weight + self.mask + self.side

    def by_kind(self) -> dict[str, int]:
        """Bytes of the session, by the names of ``KINDS``."""
        return dict(zip(KINDS, (self.weight, self.mask, self.side), strict=True))


@dataclass(frozen=True)
class Footprint:
    """Bytes of a library.

    Args:
        sessions: in order.
    """

    sessions: tuple[SessionBytes, ...]

    @property
    def total(self) -> int:
        """Bytes of the file."""
        return sum(session.total for session in self.sessions)

    def first(self, sessions: int) -> Footprint:
        """That of a library with only the first sessions."""
        return Footprint(self.sessions[:sessions])

    def by_kind(self) -> dict[str, int]:
        """Bytes of all sessions together, by the names of ``KINDS``."""
        return {kind: sum(session.by_kind()[kind] for session in self.sessions) for kind in KINDS}

    def by_layer(self) -> dict[str, dict[str, float]]:
        """By layer, in the order of the network, bytes of weights and of masks over all sessions."""
        layers: dict[str, dict[str, float]] = {}
        for session in self.sessions:
            for name, sizes in session.layers.items():
                sums = layers.setdefault(name, {})
                for kind, size in sizes.items():
                    sums[kind] = sums.get(kind, 0) + size
        return layers
