"""Configs of methods that train on frames of earlier videos, or on outputs of an earlier network, again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from vcl.config.methods.base import MethodConfig
from vcl.config.rules import require

if TYPE_CHECKING:
    from vcl.config.run import RunConfig


@dataclass(frozen=True)
class RehearsalConfig(MethodConfig):
    """Settings of methods that also train on earlier videos; a session makes fewer passes, so that work stays equal."""

    rehearse: int = 1
    """Frames of earlier videos per step, in addition to ``train.batch`` new ones."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.rehearse >= 1, "method.rehearse", "be 1 or more", self.rehearse)

    def rehearsed_at_most(self, session: int) -> int:
        """``rehearse`` frames; none in the first session."""
        return self.rehearse if session else 0


@dataclass(frozen=True)
class LwfConfig(RehearsalConfig):
    """Learning without forgetting: distills earlier videos from a copy of the network made before the session."""

    name: str = "lwf"
    """Name of the method."""
    strength: float = 1.0
    """Weight of the distillation loss."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.strength >= 0, "method.strength", "be 0 or more", self.strength)


@dataclass(frozen=True)
class BufferConfig(RehearsalConfig):
    """Settings of methods with a buffer of earlier frames."""

    buffer: int = 40
    """Frames in the buffer, of all earlier videos together."""
    buffer_bytes: int | None = None
    """Largest size of the buffer in bytes; null sets no limit."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.buffer >= 1, "method.buffer", "be 1 or more", self.buffer)

    def frame_bytes(self, size: tuple[int, int]) -> int:
        """Bytes per buffered frame of a height and width in pixels: RGB at 8 bits."""
        return 3 * size[0] * size[1]

    def check(self, run: RunConfig) -> None:
        """Refuse a buffer that is larger than allowed."""
        frame_bytes = self.frame_bytes(run.stream.size)
        fits = self.buffer_bytes is None or self.buffer * frame_bytes <= self.buffer_bytes
        size = f"{self.buffer} frames of {frame_bytes:,} bytes"
        require(fits, "method.buffer", f"fit into method.buffer_bytes = {self.buffer_bytes}", size)


@dataclass(frozen=True)
class ReplayConfig(BufferConfig):
    """Experience replay: a buffer of true frames of earlier videos."""

    name: str = "replay"
    """Name of the method."""
    policy: Literal["balanced", "reservoir"] = "balanced"
    """Keep equally many frames of every video, or sample all frames so far uniformly (reservoir)."""
    strength: float = 1.0
    """Weight of the loss on replayed frames."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.strength >= 0, "method.strength", "be 0 or more", self.strength)


@dataclass(frozen=True)
class DerConfig(BufferConfig):
    """Dark experience replay: the buffer holds the network's outputs instead of true frames."""

    name: str = "der"
    """Name of the method."""
    strength: float = 1.0
    """Weight of the distance to the buffered outputs (alpha)."""
    truth: float = 0.0
    """Weight of the loss on true frames (beta of DER++); above 0 these are buffered too, which doubles the bytes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.strength >= 0, "method.strength", "be 0 or more", self.strength)
        require(self.truth >= 0, "method.truth", "be 0 or more", self.truth)

    def frame_bytes(self, size: tuple[int, int]) -> int:
        """An output; and a true frame, where ``truth`` is above 0."""
        return super().frame_bytes(size) * (2 if self.truth else 1)


@dataclass(frozen=True)
class IcarlConfig(BufferConfig):
    """iCaRL: exemplar frames chosen by herding, and distillation from the network before the session."""

    name: str = "icarl"
    """Name of the method."""
    distill: float = 0.5
    """Share of the earlier network's output in the target of an exemplar, the rest being the true frame; in [0, 1]."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.distill <= 1, "method.distill", "lie in [0, 1]", self.distill)


@dataclass(frozen=True)
class EsmerConfig(BufferConfig):
    """ESMER: a slow teacher, smaller steps on frames with unusual errors, and a buffer of well-learned frames."""

    name: str = "esmer"
    """Name of the method."""
    consistency: float = 0.1
    """Weight of the distance to the teacher on replayed frames."""
    decay: float = 0.999
    """Decay of the teacher's moving average of weights, in [0, 1)."""
    update_probability: float = 0.7
    """Probability that a step updates the teacher, in (0, 1]."""
    margin: float = 1.0
    """Frames whose loss under the teacher exceeds this multiple of the running mean are weighted down."""
    loss_decay: float = 0.99
    """Decay of the running mean of losses, in [0, 1)."""
    decode: Literal["stable", "working"] = "stable"
    """Network that decodes videos: the teacher (stable) or the trained one (working)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.consistency >= 0, "method.consistency", "be 0 or more", self.consistency)
        require(0 <= self.decay < 1, "method.decay", "lie in [0, 1)", self.decay)
        chance = self.update_probability
        require(0 < chance <= 1, "method.update_probability", "lie in (0, 1]", chance)
        require(self.margin > 0, "method.margin", "be greater than 0", self.margin)
        require(0 <= self.loss_decay < 1, "method.loss_decay", "lie in [0, 1)", self.loss_decay)

    def for_noise(self) -> EsmerConfig:
        """Every frame may enter the buffer, however badly it is learned."""
        return replace(self, margin=1e9)


@dataclass(frozen=True)
class AgemConfig(BufferConfig):
    """Averaged GEM: gradients are projected so that no step raises the loss on replayed frames, to first order."""

    name: str = "agem"
    """Name of the method."""


@dataclass(frozen=True)
class GemConfig(BufferConfig):
    """Gradient episodic memory: like agem, with one constraint and ``rehearse`` frames per earlier video."""

    name: str = "gem"
    """Name of the method."""
    strength: float = 0.5
    """Margin of the projection in favour of earlier videos (gamma)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.strength >= 0, "method.strength", "be 0 or more", self.strength)

    def check_sessions(self, sessions: int) -> None:
        """Refuse a buffer that would leave an earlier video without a frame."""
        earlier = sessions - 1
        require(self.buffer >= earlier, "method.buffer", f"be at least {earlier} for gem", self.buffer)

    def rehearsed_at_most(self, session: int) -> int:
        """``rehearse`` frames of each earlier video."""
        return self.rehearse * session
