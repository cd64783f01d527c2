"""The config of a whole run: a dataclass per section.

Each dataclass refuses values out of range when it is made, so a config that exists can run.
"""

from dataclasses import dataclass, field
from typing import Literal

from vcl.config.backbones import BackboneConfig, NervConfig
from vcl.config.methods.base import MethodConfig
from vcl.config.methods.dense import FinetuneConfig
from vcl.config.rules import require
from vcl.config.stream import StreamConfig
from vcl.config.train import POINTWISE, TrainConfig


@dataclass(frozen=True)
class MatrixConfig:
    """What is measured after every session."""

    upper: bool = True
    """Also measure videos of later sessions, decoded with the latest session's mask."""
    verify: Literal["decode", "hash"] = "decode"
    """How earlier videos are checked after each session: decode and measure all of their frames; or (hash, for methods
    that forget nothing) only compare the hashes of their stored values and of a few frames with those taken in their
    own session, which leaves their cells empty. The last row is always measured in full."""
    precision: Literal["float32", "tfloat32", "bfloat16"] = "float32"
    """Precision of the network's layers in decoding, for what is measured and hashed; as in ``train.precision``."""
    verify_frames: int = 8
    """Frames of each earlier video that ``hash`` decodes, rounded up to whole batches."""
    transfer_epochs: int = 0
    """Measure forward transfer after this many epochs, for which a second network is trained; 0 skips it."""

    def __post_init__(self) -> None:
        require(self.verify_frames >= 1, "matrix.verify_frames", "be 1 or more", self.verify_frames)
        require(self.transfer_epochs >= 0, "matrix.transfer_epochs", "be 0 or more", self.transfer_epochs)


@dataclass(frozen=True)
class WandbConfig:
    """Weights & Biases; nothing is sent unless mode is online and an API key is set."""

    mode: Literal["offline", "online", "disabled"] = "offline"
    """offline writes into the run folder; online needs an API key."""
    project: str = "vcl"
    """Project of the run."""
    tags: tuple[str, ...] = ()
    """Tags of the run, 1 to 64 characters each."""

    def __post_init__(self) -> None:
        for tag in self.tags:
            require(1 <= len(tag) <= 64, "wandb.tags", "have 1 to 64 characters each, as W&B asks", tag)


@dataclass(frozen=True)
class RunConfig:
    """A whole run."""

    stream: StreamConfig = field(default_factory=StreamConfig)
    backbone: BackboneConfig = field(default_factory=NervConfig)
    method: MethodConfig = field(default_factory=FinetuneConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    matrix: MatrixConfig = field(default_factory=MatrixConfig)
    wandb: WandbConfig = field(default_factory=WandbConfig)
    track: tuple[Literal["wandb", "tensorboard"], ...] = ("wandb",)
    """What shows the run beside its folder: W&B, as the section wandb has it, and TensorBoard, whose files go into the
    run folder; [] is neither."""

    def __post_init__(self) -> None:
        self.method.check(self)
        require(len(set(self.track)) == len(self.track), "track", "have no name twice", self.track)
        numbers = self.backbone.numbers
        require(numbers is None or bool(self.backbone.widths), "backbone.size", "be null for this network", numbers)
        k, epochs = self.matrix.transfer_epochs, self.train.epochs
        require(k <= epochs, "matrix.transfer_epochs", f"be at most train.epochs = {epochs}", k)
        proves = self.matrix.verify == "decode" or not self.method.forgets
        require(proves, "matrix.verify", f"be decode for {self.method.name}, which forgets", self.matrix.verify)
        compares = self.backbone.pixelwise and self.train.loss not in POINTWISE
        rule = f"be {' or '.join(POINTWISE)} for {self.backbone.name}, which trains on single pixels"
        require(not compares, "train.loss", rule, self.train.loss)
        fits = self.train.loss != "l1_ms_ssim" or min(self.stream.size) > 160
        require(fits, "train.loss", "not be l1_ms_ssim where a side is 160 px or less", list(self.stream.size))
