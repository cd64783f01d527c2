"""What a run stores: the bytes of the library that it exports to, by session, kind and layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SessionBytes:
    """Bytes of a session in a library.

    Args:
        video: name of its video.
        masks: by layer.
        weights: by layer, without the steps of their integers.
        steps: by layer.
        other: its own numbers, its video's record and the hashes of its frames.
    """

    video: str
    masks: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, int] = field(default_factory=dict)
    steps: Mapping[str, int] = field(default_factory=dict)
    other: int = 0

    def by_kind(self) -> dict[str, int]:
        """Bytes of weights, of masks, and of all else."""
        weights, masks, steps = (sum(part.values()) for part in (self.weights, self.masks, self.steps))
        return {"weights": weights, "masks": masks, "side data": steps + self.other}


@dataclass(frozen=True)
class Footprint:
    """Bytes of a library.

    Args:
        sessions: in order.
        container: what belongs to no session: header, network, notes, commits and the frames of records.
    """

    sessions: tuple[SessionBytes, ...]
    container: int

    @property
    def total(self) -> int:
        """Bytes of the file."""
        return self.container + sum(sum(session.by_kind().values()) for session in self.sessions)

    def by_kind(self) -> dict[str, int]:
        """Bytes of weights, of masks, and of all else, the container among it."""
        kinds = {"weights": 0, "masks": 0, "side data": self.container}
        for session in self.sessions:
            for kind, size in session.by_kind().items():
                kinds[kind] += size
        return kinds

    def by_layer(self) -> dict[str, dict[str, int]]:
        """By layer, in the order of the network, the bytes of its weights, masks and steps, over all sessions."""
        layers: dict[str, dict[str, int]] = {}
        for session in self.sessions:
            for kind, part in (("weights", session.weights), ("masks", session.masks), ("side data", session.steps)):
                for name, size in part.items():
                    sizes = layers.setdefault(name, {"weights": 0, "masks": 0, "side data": 0})
                    sizes[kind] += size
        return layers
