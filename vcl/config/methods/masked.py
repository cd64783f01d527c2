"""Knobs of the methods that give each video its own share of one network's weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from vcl.config.backbones import NervConfig
from vcl.config.methods.base import MethodConfig
from vcl.config.rules import require

if TYPE_CHECKING:
    from vcl.config.run import RunConfig

_OPERATOR = f"backbone.{NervConfig.operator_knob}"


@dataclass(frozen=True)
class WsnConfig(MethodConfig):
    """Winning subnetworks: one learned mask per session, no Fourier operator."""

    forgets = False
    excludes: ClassVar[tuple[str, ...]] = (_OPERATOR,)
    name: str = "wsn"
    """Name of the method."""
    capacity: float = 0.3
    """Share of each layer's weights in one session's mask, in (0, 1]."""
    mask_unit: Literal["weight", "kernel", "row", "dense"] = "weight"
    """What a mask chooses: single weights, whole kernels, whole rows (output channels), or nothing: with dense, every
    session uses all weights, so that only the first trains them."""
    mask_rate: float = 0.0
    """Weight of the mask's bits in the loss, which counts them per pixel of the video; 0 ignores them."""
    reinit: bool = True
    """Draw new scores at the start of each session; false is as in the paper's code."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.capacity <= 1, "method.capacity", "lie in (0, 1]", self.capacity)
        require(self.mask_rate >= 0, "method.mask_rate", "be 0 or more", self.mask_rate)

    @property
    def masks_overlap(self) -> bool:
        """Scores that are not drawn anew choose many of the same weights again."""
        return not self.reinit

    def check(self, run: RunConfig) -> None:
        """Refuse a Fourier operator, which would make this PFNR."""
        operator = run.backbone.operator
        require(operator == 0, _OPERATOR, "be 0 for wsn (with an operator the method is pfnr)", operator)


@dataclass(frozen=True)
class PfnrConfig(WsnConfig):
    """Progressive Fourier neural representation: winning subnetworks with a Fourier operator in one block."""

    excludes = ()
    name: str = "pfnr"
    """Name of the method."""
    signed_operator_scores: bool = False
    """Rank the operator's scores by value, as in the paper's code, instead of magnitude."""

    def check(self, run: RunConfig) -> None:
        """Refuse a backbone without a Fourier operator."""
        backbone = run.backbone
        rule = f"not be pfnr for {backbone.name}, which has no Fourier operator"
        require(backbone.operator_knob != "", "method.name", rule, self.name)
        operator = backbone.operator
        require(operator >= 1, _OPERATOR, "name a block for pfnr (without one the method is wsn)", operator)


@dataclass(frozen=True)
class PacknetConfig(MethodConfig):
    """PackNet: each session trains all free weights, prunes all but the largest, and finetunes those."""

    forgets = False
    name: str = "packnet"
    """Name of the method."""
    kept: float = 0.3
    """Share of each layer's free weights that a session keeps, in (0, 1]."""
    prune_at: float = 0.5
    """Share of a session's epochs after which the other weights are pruned, in (0, 1)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.kept <= 1, "method.kept", "lie in (0, 1]", self.kept)
        require(0 < self.prune_at < 1, "method.prune_at", "lie in (0, 1)", self.prune_at)

    def check(self, run: RunConfig) -> None:
        """Refuse a session too short to be cut in two."""
        require(run.train.epochs >= 2, "train.epochs", "be 2 or more for packnet", run.train.epochs)
        rest, share = 1 - self.prune_at, self.quantised_share if self.bits is not None else 0
        require(share < rest, "method.quantised_share", f"be less than 1 - method.prune_at = {rest:g}", share)
