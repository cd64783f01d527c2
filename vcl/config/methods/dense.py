"""Configs of methods that train all weights of a network and rehearse nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vcl.config.methods.base import MethodConfig
from vcl.config.rules import require

if TYPE_CHECKING:
    from vcl.config.run import RunConfig


@dataclass(frozen=True)
class FinetuneConfig(MethodConfig):
    """One dense network, trained on each video in turn; nothing protects the past."""

    name: str = "finetune"
    """Name of the method."""


@dataclass(frozen=True)
class SingleConfig(MethodConfig):
    """One dense network per video, each from scratch: N times the bytes."""

    forgets = False
    name: str = "single"
    """Name of the method."""


@dataclass(frozen=True)
class SingleMatchedConfig(SingleConfig):
    """One dense network per video, narrow enough that together they store as much as another method."""

    name: str = "single_matched"
    """Name of the method."""
    session_bytes: int = 1_000_000
    """Byte budget of one video's weights and head; widths are the largest that fit, in the backbone's ratios."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.session_bytes >= 1, "method.session_bytes", "be 1 or more", self.session_bytes)

    def check(self, run: RunConfig) -> None:
        """Refuse a backbone whose size cannot be chosen."""
        rule = f"not be single_matched for {run.backbone.name}, which has no widths"
        require(bool(run.backbone.widths), "method.name", rule, self.name)


@dataclass(frozen=True)
class ResidualConfig(MethodConfig):
    """One dense network, trained on from session to session; each stores what it changed, so that nothing is lost."""

    forgets = False
    name: str = "residual"
    """Name of the method."""
    bits: float | None = 6.0
    """Bits of the weights on average over the layers, each of which has 4 to 8. What is stored are integers of the same
    steps: of the first session's weights, then of differences, small where little changed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.bits is not None, "method.bits", "be a number for residual, which stores integers", self.bits)


@dataclass(frozen=True)
class JointConfig(MethodConfig):
    """One dense network, trained on all videos at once in shuffled order: not sequential."""

    revisits = together = True
    name: str = "joint"
    """Name of the method."""

    def check(self, run: RunConfig) -> None:
        """Refuse forward transfer, which needs sessions one after another."""
        k = run.matrix.transfer_epochs
        require(k == 0, "matrix.transfer_epochs", "be 0 for joint, which has no first session", k)


@dataclass(frozen=True)
class CumulativeConfig(MethodConfig):
    """One dense network; a session's epochs draw as many frames as its video has from all videos so far."""

    revisits = True
    name: str = "cumulative"
    """Name of the method."""

    def check(self, run: RunConfig) -> None:
        """Refuse forward transfer, which needs passes over the session's own video."""
        k = run.matrix.transfer_epochs
        require(k == 0, "matrix.transfer_epochs", "be 0 for cumulative, whose passes are over all videos so far", k)


@dataclass(frozen=True)
class EwcConfig(MethodConfig):
    """Elastic weight consolidation: a quadratic penalty on changes of weights that mattered to earlier videos."""

    name: str = "ewc"
    """Name of the method."""
    strength: float = 1e6
    """Weight of the penalty (lambda). Good values depend on ``importance`` and on the loss; sweep powers of ten."""
    decay: float = 1.0
    """Factor on the importances of earlier sessions when a session adds its own, in (0, 1]."""
    importance: Literal["gradient", "gauss_newton"] = "gradient"
    """Squared gradients of the loss, which shrink as the fit improves, or of the output, which do not."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.strength >= 0, "method.strength", "be 0 or more", self.strength)
        require(0 < self.decay <= 1, "method.decay", "lie in (0, 1]", self.decay)


@dataclass(frozen=True)
class MasConfig(MethodConfig):
    """Memory-aware synapses: like ewc, with importances that need no loss."""

    name: str = "mas"
    """Name of the method."""
    strength: float = 1.0
    """Weight of the penalty (lambda)."""
    decay: float = 0.5
    """Share of earlier sessions in the importances after a session, in [0, 1]."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.strength >= 0, "method.strength", "be 0 or more", self.strength)
        require(0 <= self.decay <= 1, "method.decay", "lie in [0, 1]", self.decay)
