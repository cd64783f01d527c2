"""The knobs of methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from vcl.config.rules import require

if TYPE_CHECKING:
    from vcl.config.knobs import RunConfig


@dataclass(frozen=True)
class MethodConfig:
    """What every method has."""

    forgets: ClassVar[bool] = True
    """Whether later sessions may change how earlier videos decode."""
    together: ClassVar[bool] = False
    """Whether all videos are learned at once, when the last has arrived."""
    name: str

    def check(self, run: RunConfig) -> None:
        """Refuse a run that the method cannot do.

        Raises:
            ConfigError: names the key and the rule.
        """


@dataclass(frozen=True)
class WsnConfig(MethodConfig):
    """Winning subnetworks: a learned mask a session, no Fourier operator."""

    forgets = False
    name: str = "wsn"
    """Row of the method table."""
    capacity: float = 0.3
    """Share of each layer's weights in one session's mask, in (0, 1]."""
    reinit: bool = True
    """Draw the scores anew at the start of each session; false is a parity switch."""

    def __post_init__(self) -> None:
        require(0 < self.capacity <= 1, "method.capacity", "lie in (0, 1]", self.capacity)

    def check(self, run: RunConfig) -> None:
        """Refuse a Fourier operator, which would make this PFNR."""
        block = getattr(run.backbone, "operator_block", 0)
        require(block == 0, "backbone.operator_block", "be 0 for wsn (with an operator the method is pfnr)", block)


@dataclass(frozen=True)
class PfnrConfig(WsnConfig):
    """Progressive Fourier neural representation: winning subnetworks with a Fourier operator in one block."""

    name: str = "pfnr"
    """Row of the method table."""
    signed_operator_scores: bool = False
    """Parity switch: rank the operator's scores by value, not by magnitude."""

    def check(self, run: RunConfig) -> None:
        """Refuse a backbone without a Fourier operator."""
        block = getattr(run.backbone, "operator_block", 0)
        require(block >= 1, "backbone.operator_block", "name a block for pfnr (without one the method is wsn)", block)


@dataclass(frozen=True)
class PacknetConfig(MethodConfig):
    """Each session trains all weights that are free, keeps the largest of them, and trains those to its end."""

    forgets = False
    name: str = "packnet"
    """Row of the method table."""
    kept: float = 0.3
    """Share of each layer's free weights that a session keeps, in (0, 1]."""
    prune_at: float = 0.5
    """Share of a session's passes after which the others are let go, in (0, 1)."""

    def __post_init__(self) -> None:
        require(0 < self.kept <= 1, "method.kept", "lie in (0, 1]", self.kept)
        require(0 < self.prune_at < 1, "method.prune_at", "lie in (0, 1)", self.prune_at)

    def check(self, run: RunConfig) -> None:
        """Refuse a session too short to be cut in two."""
        require(run.train.epochs >= 2, "train.epochs", "be 2 or more for packnet", run.train.epochs)


@dataclass(frozen=True)
class FinetuneConfig(MethodConfig):
    """One dense network, trained on each video in turn; nothing protects the past."""

    name: str = "finetune"
    """Row of the method table."""


@dataclass(frozen=True)
class SingleConfig(MethodConfig):
    """One dense network a video, each from scratch: N times the bytes."""

    forgets = False
    name: str = "single"
    """Row of the method table."""


@dataclass(frozen=True)
class SingleMatchedConfig(SingleConfig):
    """One dense network a video, so narrow that together they take the bytes of the method they are compared with."""

    name: str = "single_matched"
    """Row of the method table."""
    session_bytes: int = 1_000_000
    """Most bytes of one video's weights and head; its widths are the largest that fit, in the backbone's ratios."""

    def __post_init__(self) -> None:
        require(self.session_bytes >= 1, "method.session_bytes", "be 1 or more", self.session_bytes)


@dataclass(frozen=True)
class JointConfig(MethodConfig):
    """One dense network, trained on all videos at once, shuffled together: nothing is sequential here."""

    together = True
    name: str = "joint"
    """Row of the method table."""

    def check(self, run: RunConfig) -> None:
        """Refuse what supposes that one video comes after another."""
        k = run.matrix.transfer_epochs
        require(k == 0, "matrix.transfer_epochs", "be 0 for joint, which has no first session", k)


@dataclass(frozen=True)
class CumulativeConfig(MethodConfig):
    """One dense network; each session draws as many frames as its video has from all videos so far."""

    name: str = "cumulative"
    """Row of the method table."""


@dataclass(frozen=True)
class EwcConfig(MethodConfig):
    """Elastic weight consolidation: what mattered to earlier videos is held by springs."""

    name: str = "ewc"
    """Row of the method table."""
    strength: float = 1e6
    """Weight of the penalty (lambda). Its range depends on ``importance`` and on the loss: sweep it by decades."""
    decay: float = 1.0
    """What is left of earlier sessions' importances when a session adds its own, in (0, 1]."""
    importance: Literal["gradient", "gauss_newton"] = "gradient"
    """Squared gradients of the loss, which shrink as the fit improves; or of the output, which do not."""

    def __post_init__(self) -> None:
        require(self.strength >= 0, "method.strength", "be 0 or more", self.strength)
        require(0 < self.decay <= 1, "method.decay", "lie in (0, 1]", self.decay)


@dataclass(frozen=True)
class MasConfig(MethodConfig):
    """Memory-aware synapses: as ewc, with importances that need no loss."""

    name: str = "mas"
    """Row of the method table."""
    strength: float = 1.0
    """Weight of the penalty (lambda)."""
    decay: float = 0.5
    """Share of earlier sessions' importances in the new ones, in [0, 1]."""

    def __post_init__(self) -> None:
        require(self.strength >= 0, "method.strength", "be 0 or more", self.strength)
        require(0 <= self.decay <= 1, "method.decay", "lie in [0, 1]", self.decay)


@dataclass(frozen=True)
class RehearsalConfig(MethodConfig):
    """What methods have that also look at earlier videos, at equal work: a session makes fewer passes for it."""

    rehearse: int = 1
    """Frames of earlier videos a step, beside its ``train.batch`` own."""

    def __post_init__(self) -> None:
        require(self.rehearse >= 1, "method.rehearse", "be 1 or more", self.rehearse)

    def check(self, run: RunConfig) -> None:
        """Refuse to measure forward transfer after more passes than a session has."""
        k, passes = run.matrix.transfer_epochs, run.train.epochs * run.train.batch // (run.train.batch + self.rehearse)
        rule = f"be at most {passes}, the passes of a session that rehearses"
        require(k <= passes, "matrix.transfer_epochs", rule, k)


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
        """Refuse a buffer that is larger than allowed, too."""
        super().check(run)
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
    """Gradient episodic memory: as agem, for each earlier video apart."""

    name: str = "gem"
    """Row of the method table."""
    strength: float = 0.5
    """Offset of the projection that favours earlier videos (gamma)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.strength >= 0, "method.strength", "be 0 or more", self.strength)


METHODS: dict[str, type[MethodConfig]] = {
    "pfnr": PfnrConfig,
    "wsn": WsnConfig,
    "packnet": PacknetConfig,
    "finetune": FinetuneConfig,
    "single": SingleConfig,
    "single_matched": SingleMatchedConfig,
    "joint": JointConfig,
    "cumulative": CumulativeConfig,
    "ewc": EwcConfig,
    "mas": MasConfig,
    "lwf": LwfConfig,
    "replay": ReplayConfig,
    "der": DerConfig,
    "icarl": IcarlConfig,
    "esmer": EsmerConfig,
    "agem": AgemConfig,
    "gem": GemConfig,
}
"""Name to knobs; the methods themselves stand in ``vcl.sessions.methods``."""

REFUSED = {
    "si": "Avalanche's synaptic intelligence does nothing on a CPU: its importances stay 0",
    "gdumb": "it keeps its buffer balanced over classes, which frames do not have",
    "generative_replay": "it needs a generator and a classifier; lwf replays what the network itself generates",
}
"""Methods that one would look for, and why there is none."""
