"""The knobs of a run; those of networks and of methods stand beside this file.

Each dataclass refuses values out of range by itself: a config that exists can run.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from vcl.config.backbones import BackboneConfig, NervConfig
from vcl.config.methods.base import MethodConfig
from vcl.config.methods.dense import FinetuneConfig
from vcl.config.rules import require

LOSSES = ("l1", "l2", "l1_ssim", "l2_ssim", "l1_ms_ssim")


@dataclass(frozen=True)
class StreamConfig:
    """The videos, in the order in which they arrive."""

    benchmark: str = "samples"
    """A shipped benchmark (`vcl data list` shows them) or the path of a manifest of your own."""
    root: str | None = None
    """Folder that holds the videos, or a prepared folder; for benchmarks that are not part of a package."""
    videos: tuple[str, ...] = ()
    """Names to use, in this order; empty means all that the benchmark has."""
    order: Literal["given", "shuffled", "easy_to_hard"] = "given"
    """Sessions in the order of ``videos``, shuffled by ``order_seed``, or from the video that changes least, in space
    and time, to the one that changes most."""
    order_seed: int = 0
    """Shuffles the sessions."""
    size: tuple[int, int] = (720, 1280)
    """Height and width of every frame, pixels; the source is cropped to this shape and resized."""
    start: int = 0
    """First source frame."""
    frames: int | None = None
    """Frames a video; null means to its end."""
    stride: int = 1
    """Take every stride-th source frame."""
    allow_truncated: bool = False
    """Use what can be read of a file that is cut off, instead of refusing it."""
    cache: str | None = None
    """Folder of decoded frames; null means $VCL_CACHE or ~/.cache/vcl."""

    def __post_init__(self) -> None:
        for key in ("root", "cache"):
            require(getattr(self, key) != "", f"stream.{key}", "be the path of a folder, or null", "")
        require(min(self.size) >= 16, "stream.size", "be at least 16 pixels on each side", list(self.size))
        require(self.start >= 0, "stream.start", "be 0 or more", self.start)
        require(self.frames is None or self.frames >= 1, "stream.frames", "be 1 or more, or null", self.frames)
        require(self.stride >= 1, "stream.stride", "be 1 or more", self.stride)


@dataclass(frozen=True)
class TrainConfig:
    """The recipe of one session."""

    epochs: int = 150
    """Passes over a session's video."""
    batch: int = 1
    """Frames a step."""
    lr: float = 5e-4
    """Highest learning rate."""
    score_rate: float = 1.0
    """Learning rate of the scores, as a share of that of the weights."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Decay rates of Adam's two moments."""
    warmup: float = 0.2
    """Share of a session's steps with a rising learning rate, in [0, 1)."""
    warmup_from: float = 0.1
    """Learning rate of the first step, as a share of the highest."""
    loss: str = "l1_ssim"
    """One of l1, l2, l1_ssim (0.7 L1 + 0.3 (1 - SSIM)), l2_ssim, l1_ms_ssim."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the network's layers; the spectrum, the loss and the weights stay in float32."""
    seed: int = 0
    """Draws initial weights, scores and the order of frames."""
    device: str = "auto"
    """auto (CUDA where there is one), cpu, cuda or cuda:N."""
    threads: int | None = None
    """CPU threads; null leaves it to PyTorch. Frames are bit-exact for one number of threads."""
    checkpoint_seconds: float = 60.0
    """Save the state within a session this often; 0 means after every step."""

    def __post_init__(self) -> None:
        for key in ("epochs", "batch"):
            require(getattr(self, key) >= 1, f"train.{key}", "be 1 or more", getattr(self, key))
        require(self.lr > 0, "train.lr", "be greater than 0", self.lr)
        require(self.score_rate > 0, "train.score_rate", "be greater than 0", self.score_rate)
        require(all(0 <= beta < 1 for beta in self.betas), "train.betas", "lie in [0, 1)", list(self.betas))
        require(0 <= self.warmup < 1, "train.warmup", "lie in [0, 1)", self.warmup)
        require(0 < self.warmup_from <= 1, "train.warmup_from", "lie in (0, 1]", self.warmup_from)
        require(self.loss in LOSSES, "train.loss", f"be one of {', '.join(LOSSES)}", self.loss)
        require(0 <= self.seed < 2**32, "train.seed", "lie in [0, 2^32)", self.seed)
        require(self.threads is None or self.threads >= 1, "train.threads", "be 1 or more, or null", self.threads)
        require(self.checkpoint_seconds >= 0, "train.checkpoint_seconds", "be 0 or more", self.checkpoint_seconds)
        known = re.fullmatch(r"auto|cpu|cuda(:(0|[1-9][0-9]?))?", self.device) is not None
        require(known, "train.device", "be auto, cpu, cuda or cuda:N", self.device)


def passes(epochs: int, batch: int, frames: int, rehearsed: int) -> int:
    """Passes over a video whose steps also rehearse, for the work of ``epochs`` passes whose steps do not.

    Args:
        epochs: to be matched, to the nearest whole pass.
        batch: frames of the video a step.
        frames: of a pass.
        rehearsed: frames a step trains on beside those.
    """
    steps = -(-frames // batch)
    return max(1, round(epochs * frames / (frames + steps * rehearsed)))


@dataclass(frozen=True)
class MatrixConfig:
    """What is measured after every session."""

    upper: bool = True
    """Also decode videos that are still to come, with the latest session's mask."""
    verify: Literal["decode", "hash"] = "decode"
    """After a session, decode and measure every earlier video; or (hash), for methods that forget nothing, compare the
    hashes of its numbers and of a few of its frames with those of its own session, and leave its cells empty. The last
    row is always measured whole."""
    verify_frames: int = 8
    """Frames of each earlier video that ``hash`` decodes, rounded up to whole batches."""
    transfer_epochs: int = 0
    """Measure forward transfer after this many epochs; 0 leaves it out. Trains a second network for so long."""

    def __post_init__(self) -> None:
        require(self.verify_frames >= 1, "matrix.verify_frames", "be 1 or more", self.verify_frames)
        require(self.transfer_epochs >= 0, "matrix.transfer_epochs", "be 0 or more", self.transfer_epochs)


@dataclass(frozen=True)
class WandbConfig:
    """Weights & Biases; nothing is sent anywhere unless mode is online and a key is set."""

    mode: Literal["offline", "online", "disabled"] = "offline"
    """offline writes into the run folder; online needs an API key."""
    project: str = "vcl"
    """Project that the run belongs to."""
    tags: tuple[str, ...] = ()
    """Labels to find the run by."""


@dataclass(frozen=True)
class RunConfig:
    """A whole run."""

    stream: StreamConfig = field(default_factory=StreamConfig)
    backbone: BackboneConfig = field(default_factory=NervConfig)
    method: MethodConfig = field(default_factory=FinetuneConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    matrix: MatrixConfig = field(default_factory=MatrixConfig)
    wandb: WandbConfig = field(default_factory=WandbConfig)

    def __post_init__(self) -> None:
        self.method.check(self)
        k, epochs = self.matrix.transfer_epochs, self.train.epochs
        require(k <= epochs, "matrix.transfer_epochs", f"be at most train.epochs = {epochs}", k)
        proves = self.matrix.verify == "decode" or not self.method.forgets
        require(proves, "matrix.verify", f"be decode for {self.method.name}, which forgets", self.matrix.verify)
        fits = self.train.loss != "l1_ms_ssim" or min(self.stream.size) > 160
        require(fits, "train.loss", "not be l1_ms_ssim where a side is 160 px or less", list(self.stream.size))
