"""The knobs of a run; those of networks and of methods stand beside this file.

Each dataclass refuses values out of range by itself: a config that exists can run.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from vcl.config.backbones import BackboneConfig, NervConfig
from vcl.config.methods.base import MethodConfig
from vcl.config.methods.dense import FinetuneConfig
from vcl.config.rules import require, require_one_of

LOSSES = {
    "l1": "mean absolute error",
    "l2": "mean squared error",
    "l1_ssim": "0.7 L1 + 0.3 (1 - SSIM), as in NeRV and PFNR",
    "l2_ssim": "0.7 L2 + 0.3 (1 - SSIM)",
    "l1_ms_ssim": "0.7 L1 + 0.3 (1 - MS-SSIM), for frames over 160 px on each side",
}
"""Losses by name; their functions stand in ``vcl.sessions.loss``."""


@dataclass(frozen=True)
class StreamConfig:
    """The videos and the order in which they arrive."""

    benchmark: str = "samples"
    """A shipped benchmark (`vcl data list` shows them) or the path of a manifest of your own."""
    root: str | None = None
    """Folder of the videos, or a prepared folder; needed unless an installed package holds the benchmark's videos."""
    videos: tuple[str, ...] = ()
    """Videos to use, by name and in this order; empty means all of the benchmark."""
    order: Literal["given", "shuffled", "easy_to_hard"] = "given"
    """Order of the sessions: as in ``videos``, shuffled with ``order_seed``, or from the video that varies least over
    space and time to the one that varies most."""
    order_seed: int = 0
    """Seed that shuffles the sessions."""
    size: tuple[int, int] = (720, 1280)
    """Height and width of every frame in pixels; the source is cropped to this aspect ratio and resized."""
    start: int = 0
    """First source frame."""
    frames: int | None = None
    """Frames per video; null means all of them."""
    stride: int = 1
    """Use every stride-th source frame."""
    allow_truncated: bool = False
    """Use the readable part of a truncated file instead of refusing it."""
    cache: str | None = None
    """Folder that decoded frames are cached in; null means $VCL_CACHE or ~/.cache/vcl."""

    def __post_init__(self) -> None:
        for key in ("root", "cache"):
            require(getattr(self, key) != "", f"stream.{key}", "be the path of a folder, or null", "")
        require(min(self.size) >= 16, "stream.size", "be at least 16 pixels on each side", list(self.size))
        require(max(self.size) <= 65536, "stream.size", "be at most 65536 pixels on each side", list(self.size))
        require(self.start >= 0, "stream.start", "be 0 or more", self.start)
        require(self.frames is None or self.frames >= 1, "stream.frames", "be 1 or more, or null", self.frames)
        require(self.stride >= 1, "stream.stride", "be 1 or more", self.stride)


@dataclass(frozen=True)
class TrainConfig:
    """How each session is trained."""

    epochs: int = 150
    """Passes over the video of a session."""
    batch: int = 1
    """Frames per step."""
    lr: float = 5e-4
    """Peak learning rate."""
    score_rate: float = 1.0
    """Learning rate of the scores, relative to that of the weights."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Decay rates of Adam's two moments."""
    warmup: float = 0.2
    """Share of a session's steps that warm up the learning rate, in [0, 1)."""
    warmup_from: float = 0.1
    """Learning rate of the first step, relative to the peak."""
    loss: str = "l1_ssim"
    """Name of the loss: l1, l2, l1_ssim, l2_ssim or l1_ms_ssim; `vcl list losses` explains them."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Precision of the network's layers; the spectrum, the loss and the weights stay in float32."""
    seed: int = 0
    """Seed of the initial weights, the scores and the order of frames."""
    device: str = "auto"
    """auto (CUDA if available), cpu, cuda or cuda:N."""
    threads: int | None = None
    """CPU threads; null leaves it to PyTorch. Decoded frames are bit-exact only for the same number of threads."""
    checkpoint_seconds: float = 60.0
    """Seconds between checkpoints within a session; 0 saves one after every step."""

    def __post_init__(self) -> None:
        for key in ("epochs", "batch"):
            require(getattr(self, key) >= 1, f"train.{key}", "be 1 or more", getattr(self, key))
        require(self.lr > 0, "train.lr", "be greater than 0", self.lr)
        require(self.score_rate > 0, "train.score_rate", "be greater than 0", self.score_rate)
        require(all(0 <= beta < 1 for beta in self.betas), "train.betas", "lie in [0, 1)", list(self.betas))
        require(0 <= self.warmup < 1, "train.warmup", "lie in [0, 1)", self.warmup)
        require(0 < self.warmup_from <= 1, "train.warmup_from", "lie in (0, 1]", self.warmup_from)
        require_one_of("train.loss", self.loss, LOSSES)
        require(0 <= self.seed < 2**32, "train.seed", "lie in [0, 2^32)", self.seed)
        require(self.threads is None or self.threads >= 1, "train.threads", "be 1 or more, or null", self.threads)
        require((self.threads or 1) <= 1024, "train.threads", "be at most 1024", self.threads)
        require(self.checkpoint_seconds >= 0, "train.checkpoint_seconds", "be 0 or more", self.checkpoint_seconds)
        known = re.fullmatch(r"auto|cpu|cuda(:(0|[1-9][0-9]?))?", self.device) is not None
        require(known, "train.device", "be auto, cpu, cuda or cuda:N", self.device)


def passes(epochs: int, batch: int, frames: int, rehearsed: int) -> int:
    """Passes over a video whose steps also rehearse, for the work of ``epochs`` passes whose steps do not.

    Args:
        epochs: to be matched, to the nearest whole pass.
        batch: frames of the video per step.
        frames: of a pass.
        rehearsed: frames a step trains on beside those.
    """
    steps = -(-frames // batch)
    return max(1, round(epochs * frames / (frames + steps * rehearsed)))


@dataclass(frozen=True)
class MatrixConfig:
    """What is measured after every session."""

    upper: bool = True
    """Also decode the videos of later sessions, with the latest session's mask."""
    verify: Literal["decode", "hash"] = "decode"
    """After each session, decode and measure every earlier video; or (hash, for methods that forget nothing) compare
    the hashes of its stored values and of a few of its frames with those of its own session, and leave its cells
    empty. The last row is always measured in full."""
    verify_frames: int = 8
    """Frames of each earlier video that ``hash`` decodes, rounded up to whole batches."""
    transfer_epochs: int = 0
    """Measure forward transfer after this many epochs, which trains a second network that long; 0 skips it."""

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
    """Tags of the run, of 1 to 64 characters each."""

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

    def __post_init__(self) -> None:
        self.method.check(self)
        k, epochs = self.matrix.transfer_epochs, self.train.epochs
        require(k <= epochs, "matrix.transfer_epochs", f"be at most train.epochs = {epochs}", k)
        proves = self.matrix.verify == "decode" or not self.method.forgets
        require(proves, "matrix.verify", f"be decode for {self.method.name}, which forgets", self.matrix.verify)
        fits = self.train.loss != "l1_ms_ssim" or min(self.stream.size) > 160
        require(fits, "train.loss", "not be l1_ms_ssim where a side is 160 px or less", list(self.stream.size))
