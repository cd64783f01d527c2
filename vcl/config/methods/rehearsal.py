"""Knobs of the methods that look at earlier videos, or what they kept of them, while they train another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vcl.config.methods.base import MethodConfig
from vcl.config.rules import require

if TYPE_CHECKING:
    from vcl.config.knobs import RunConfig


@dataclass(frozen=True)
class RehearsalConfig(MethodConfig):
    """What methods have that also look at earlier videos, at equal work: a session makes fewer passes for it."""

    rehearse: int = 1
    """Frames of earlier videos a step, beside its ``train.batch`` own."""

    def __post_init__(self) -> None:
        require(self.rehearse >= 1, "method.rehearse", "be 1 or more", self.rehearse)

    def rehearsed_at_most(self, session: int) -> int:
        """As many as asked for; the first session has none to look at."""
        return self.rehearse if session else 0


@dataclass(frozen=True)
class LwfConfig(RehearsalConfig):
    """Learning without forgetting: earlier videos are decoded by the network as it was, and trained on so."""

    name: str = "lwf"
    """Row of the method table."""
    strength: float = 1.0
    """Weight of the loss on decoded earlier frames."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.strength >= 0, "method.strength", "be 0 or more", self.strength)


@dataclass(frozen=True)
class BufferConfig(RehearsalConfig):
    """What methods have that keep frames of earlier videos."""

    buffer: int = 40
    """Frames that are kept, of all earlier videos together."""
    buffer_bytes: int | None = None
    """Most bytes that they may take; null sets no limit."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.buffer >= 1, "method.buffer", "be 1 or more", self.buffer)

    def frame_bytes(self, size: tuple[int, int]) -> int:
        """Bytes that one kept frame takes: RGB at 8 bits."""
        return 3 * size[0] * size[1]

    def check(self, run: RunConfig) -> None:
        """Refuse a buffer that is larger than allowed."""
        each = self.frame_bytes(run.stream.size)
        fits = self.buffer_bytes is None or self.buffer * each <= self.buffer_bytes
        found = f"{self.buffer} frames of {each:,} bytes"
        require(fits, "method.buffer", f"fit into method.buffer_bytes = {self.buffer_bytes}", found)


@dataclass(frozen=True)
class ReplayConfig(BufferConfig):
    """Experience replay: true frames of earlier videos."""

    name: str = "replay"
    """Row of the method table."""
    policy: Literal["balanced", "reservoir"] = "balanced"
    """Keep equally many frames of every video, or let every frame so far have the same chance."""
    strength: float = 1.0
    """Weight of the loss on replayed frames."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.strength >= 0, "method.strength", "be 0 or more", self.strength)


@dataclass(frozen=True)
class DerConfig(BufferConfig):
    """Dark experience replay: what the network made of a frame is kept, not the frame."""

    name: str = "der"
    """Row of the method table."""
    strength: float = 1.0
    """Weight of the distance to the kept outputs (alpha)."""
    truth: float = 0.0
    """Weight of the loss on the true frames (beta of DER++); above 0 they are kept too, in as many bytes again."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.strength >= 0, "method.strength", "be 0 or more", self.strength)
        require(self.truth >= 0, "method.truth", "be 0 or more", self.truth)

    def frame_bytes(self, size: tuple[int, int]) -> int:
        """An output, and a frame where that is kept too."""
        return super().frame_bytes(size) * (2 if self.truth else 1)


@dataclass(frozen=True)
class IcarlConfig(BufferConfig):
    """Exemplar frames chosen by herding, and distillation of the network as it was."""

    name: str = "icarl"
    """Row of the method table."""
    distill: float = 0.5
    """Share of the network's earlier output in what an exemplar is trained towards, the frame itself being the rest;
    in [0, 1]."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.distill <= 1, "method.distill", "lie in [0, 1]", self.distill)


@dataclass(frozen=True)
class EsmerConfig(BufferConfig):
    """Error-sensitive modulation: a slow teacher, gentler steps on surprising frames, a buffer of well-learned ones."""

    name: str = "esmer"
    """Row of the method table."""
    consistency: float = 0.1
    """Weight of the distance to the teacher on replayed frames."""
    decay: float = 0.999
    """Of the teacher's moving average of weights, in [0, 1)."""
    update_probability: float = 0.7
    """Chance that a step moves the teacher, in (0, 1]."""
    margin: float = 1.0
    """A frame whose loss under the teacher is more than so many times the running mean counts less."""
    loss_decay: float = 0.99
    """Of the running mean of losses, in [0, 1)."""
    decode: Literal["stable", "working"] = "stable"
    """The network that videos are decoded with: the teacher, or the one in training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.consistency >= 0, "method.consistency", "be 0 or more", self.consistency)
        require(0 <= self.decay < 1, "method.decay", "lie in [0, 1)", self.decay)
        chance = self.update_probability
        require(0 < chance <= 1, "method.update_probability", "lie in (0, 1]", chance)
        require(self.margin > 0, "method.margin", "be greater than 0", self.margin)
        require(0 <= self.loss_decay < 1, "method.loss_decay", "lie in [0, 1)", self.loss_decay)


@dataclass(frozen=True)
class AgemConfig(BufferConfig):
    """Averaged gradient episodic memory: no step may raise the loss of replayed frames, to first order."""

    name: str = "agem"
    """Row of the method table."""


@dataclass(frozen=True)
class GemConfig(BufferConfig):
    """Gradient episodic memory: as agem, for each earlier video apart; ``rehearse`` frames are of each of them."""

    name: str = "gem"
    """Row of the method table."""
    strength: float = 0.5
    """Offset of the projection that favours earlier videos (gamma)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.strength >= 0, "method.strength", "be 0 or more", self.strength)

    def rehearsed_at_most(self, session: int) -> int:
        """As many of each earlier video."""
        return self.rehearse * session
