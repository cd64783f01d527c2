"""The config of training."""

import re
from dataclasses import dataclass
from typing import Literal

from vcl.config.recipes import FAST
from vcl.config.rules import require, require_one_of

LOSSES = {
    "l1": "mean absolute error",
    "l2": "mean squared error",
    "l1_ssim": "0.7 L1 + 0.3 (1 - SSIM), as in NeRV and PFNR",
    "l2_ssim": "0.7 L2 + 0.3 (1 - SSIM)",
    "l1_ms_ssim": "0.7 L1 + 0.3 (1 - MS-SSIM), for frames over 160 px on each side",
}
"""Losses by name; their functions stand in ``vcl.metrics.loss``."""

POINTWISE = ("l1", "l2")
"""Losses that compare pixel by pixel."""


@dataclass(frozen=True)
class TrainConfig:
    """How each session is trained; the defaults are those of the recipe ``fast``."""

    recipe: Literal["fast", "paper"] = FAST
    """Chooses the settings that are not set: fast, the paper's quality in a quarter of its time; or paper, as the
    PFNR paper's code trains; `vcl list recipes` shows both."""
    epochs: int = 36
    """Passes over the video of a session."""
    batch: int = 1
    """Frames per step."""
    lr: float = 4e-3
    """Peak learning rate."""
    score_rate: float = 0.3
    """Learning rate of the scores, relative to that of the weights."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay rates of Adam's two moments."""
    gradient_clip: float | None = None
    """Largest norm of the gradient of a step, which is scaled down to it; null leaves every gradient as it is."""
    warmup: float = 0.2
    """Share of a session's steps that warm up the learning rate, in [0, 1)."""
    warmup_from: float = 0.1
    """Learning rate of the first step, relative to the peak."""
    loss: str = "l1_ssim"
    """Name of the loss: l1, l2, l1_ssim, l2_ssim or l1_ms_ssim; `vcl list losses` explains them."""
    precision: Literal["auto", "float32", "tfloat32", "bfloat16"] = "auto"
    """Precision of the network's layers in training: bfloat16; float32; tfloat32, which on CUDA computes float32 from
    fewer bits, faster and 1e-4 off; or auto, which is bfloat16 on CUDA and float32 on a CPU. The spectrum,
    the loss and the weights stay in float32."""
    seed: int = 0
    """Seed of the initial weights, the scores and the order of frames."""
    device: str = "auto"
    """auto (the first CUDA device if there is one), cpu, cuda (the first) or cuda:N, which chooses among several."""
    graph: bool = True
    """On CUDA, record a session's step once and replay it (a CUDA graph), where its plugins allow that; the same
    bits either way."""
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
        clip = self.gradient_clip
        require(clip is None or clip > 0, "train.gradient_clip", "be greater than 0, or null", clip)
        require(0 <= self.warmup < 1, "train.warmup", "lie in [0, 1)", self.warmup)
        require(0 < self.warmup_from <= 1, "train.warmup_from", "lie in (0, 1]", self.warmup_from)
        require_one_of("train.loss", self.loss, LOSSES)
        require(0 <= self.seed < 2**32, "train.seed", "lie in [0, 2^32)", self.seed)
        require(self.threads is None or self.threads >= 1, "train.threads", "be 1 or more, or null", self.threads)
        require((self.threads or 1) <= 1024, "train.threads", "be at most 1024", self.threads)
        require(self.checkpoint_seconds >= 0, "train.checkpoint_seconds", "be 0 or more", self.checkpoint_seconds)
        is_device = re.fullmatch(r"auto|cpu|cuda(:(0|[1-9][0-9]?))?", self.device) is not None
        require(is_device, "train.device", "be auto, cpu, cuda or cuda:N", self.device)


def passes(epochs: int, batch: int, frames: int, rehearsed: int) -> int:
    """How many passes with rehearsal take as much work as ``epochs`` passes without it.

    Args:
        epochs: passes of steps that train on frames of the video alone.
        batch: frames of the video per step.
        frames: frames of the video per pass.
        rehearsed: additional frames per step.

    Returns:
        The nearest whole number, at least 1.
    """
    steps = -(-frames // batch)
    return max(1, round(epochs * frames / (frames + steps * rehearsed)))
