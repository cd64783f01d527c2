"""What the benchmarks time: the plain dense network, which is their baseline, and our own training."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vcl.config import FinetuneConfig, NervConfig, PfnrConfig, RunConfig, WsnConfig
from vcl.device import autocast, tensor_float32
from vcl.errors import ConfigError
from vcl.profiling.timing import Counter, Subject, Watch
from vcl.ranks import ALONE, Ranks
from vcl.sessions.experience import video_stream
from vcl.sessions.methods import METHODS
from vcl.sessions.recording import WARM_UP
from vcl.sessions.stateful import StatefulPlugin
from vcl.sessions.trainer import build
from vcl.subnet.ledger import Ledger
from vcl.video.cache import Clip


class Stopwatch(StatefulPlugin):
    """Calls ``start`` after the first steps of a session, and ``stop`` after its epoch.

    For sessions of one epoch.

    Args:
        start: called once.
        stop: called once.
        after: steps that are not timed.
    """

    def __init__(self, start: Callable[[], None], stop: Callable[[], None], after: int) -> None:
        super().__init__()
        self._start, self._stop, self._after = start, stop, after

    def after_training_iteration(self, strategy: Any, **_: Any) -> None:
        """Avalanche's hook after a step."""
        if strategy.step == self._after:
            self._start()

    def after_training_epoch(self, strategy: Any, **_: Any) -> None:
        """Avalanche's hook after the last step."""
        self._stop()


class PlainNerv(nn.Module):
    """NeRV in its plainest form, the baseline: dense, of torch's own modules, in channels-last order.

    Args:
        config: widths and strides; its operator is ignored.
        size: height and width of a frame.
    """

    def __init__(self, config: NervConfig, size: tuple[int, int]) -> None:
        super().__init__()
        scale = int(np.prod(config.strides))
        self.grid = size[0] // scale, size[1] // scale
        self.fc1 = nn.Linear(4 * config.levels, config.stem_width, bias=False)
        self.fc2 = nn.Linear(config.stem_width, config.channels * self.grid[0] * self.grid[1], bias=False)
        self.blocks = nn.ModuleList()
        width = config.channels
        for number, stride in enumerate(config.strides):
            narrower = max(width // config.reduction, config.lower_width)
            out_channels = narrower if number else int(width * config.expansion)
            conv = nn.Conv2d(width, out_channels * stride**2, 3, padding=1, bias=False)
            self.blocks.append(nn.Sequential(conv, nn.PixelShuffle(stride), nn.SiLU()))
            width = out_channels
        self.head = nn.Conv2d(width, 3, 1, bias=False)
        self.to(memory_format=torch.channels_last)

    def forward(self, embedding: Tensor) -> Tensor:
        """``(B, 4 * levels)`` to frames ``(B, 3, H, W)`` in [0, 1]."""
        stem = F.relu(self.fc2(F.relu(self.fc1(embedding)))).view(len(embedding), -1, *self.grid)
        features = stem.contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            features = block(features)
        frames: Tensor = (self.head(features).tanh() + 1) / 2
        return frames


def plain(config: RunConfig, device: torch.device) -> tuple[PlainNerv, Tensor]:
    """The plain network of a config, and embeddings ``(batch, 4 * levels)`` to run it on.

    Raises:
        ConfigError: the backbone is not NeRV.
    """
    backbone = config.backbone
    if not isinstance(backbone, NervConfig):
        raise ConfigError(f"backbone.name must be nerv to be measured against the plain network, got {backbone.name}")
    embedding = torch.rand(config.train.batch, 4 * backbone.levels, device=device)
    return PlainNerv(backbone, config.stream.size).to(device), embedding


def plain_steps(config: RunConfig, steps: int, device: torch.device) -> Subject:
    """Forward and backward of the plain network with an L2 loss, without an optimiser."""
    network, embedding = plain(config, device)
    truth = torch.rand(config.train.batch, 3, *config.stream.size, device=device)

    def subject(watch: Watch) -> None:
        watch.start()
        for _ in range(steps):
            network.zero_grad()
            with tensor_float32(config.train.precision == "tfloat32"):
                with autocast(device, config.train.precision):
                    frames = network(embedding)
                torch.autograd.backward(F.mse_loss(frames.float(), truth))
        watch.stop()

    return subject


def our_steps(config: RunConfig, steps: int, device: torch.device, before: int = 1, ranks: Ranks = ALONE) -> Subject:
    """Complete training steps of a run: ranking, masks, loss, optimiser, gate, events; only checkpoints are left out.

    Building the network and the optimiser is not timed, nor is the first step, which creates the optimiser's state; on
    CUDA nor are those that come before a recording and the first from it. Where operations are counted no step is
    replayed, as a replay has none.

    Args:
        config: of the run.
        steps: to be timed.
        device: where to train.
        before: number of sessions that are closed already and have sealed weights.
        ranks: who train together.
    """
    before = 0 if config.method.together else before
    ledger = closed_ledger(config, before, device)
    untimed = WARM_UP + 1 if device.type == "cuda" else 1
    clips = [noise(config, config.train.batch)] * before + [noise(config, (steps + untimed) * config.train.batch)]
    counted = replace(config, train=replace(config.train, graph=False))

    def subject(watch: Watch) -> None:
        plugins = [Stopwatch(watch.start, watch.stop, untimed)]
        of_watch = counted if isinstance(watch, Counter) else config
        _session(of_watch, clips, before, copy.deepcopy(ledger), device, plugins, ranks)

    return subject


def dense(config: RunConfig) -> RunConfig:
    """The same network and recipe without masks."""
    return replace(config, method=FinetuneConfig())


def noise(config: RunConfig, frames: int) -> Clip:
    """A video of random pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (frames, 3, *config.stream.size), np.uint8)
    return Clip("noise", pixels, hashlib.sha256(pixels.tobytes()).hexdigest())


def with_and_without_operator(config: RunConfig) -> list[RunConfig]:
    """A PFNR config, preceded by that of WSN, the same network without its operator; any other config alone."""
    backbone, method = config.backbone, config.method
    if not isinstance(method, PfnrConfig) or not isinstance(backbone, NervConfig):
        return [config]
    wsn = WsnConfig(capacity=method.capacity, mask_unit=method.mask_unit, reinit=method.reinit)
    return [replace(config, backbone=backbone.without_operator(), method=wsn), config]


def closed_ledger(config: RunConfig, sessions: int = 1, device: torch.device | None = None) -> Ledger:
    """A ledger with closed sessions, each trained for one step, so that it has everything that the method stores."""
    method = METHODS[config.method.name]
    ledger = Ledger(method.network(config, sessions).layout(), method.state_kind)
    clips = [noise(config, config.train.batch)] * sessions
    for session in range(sessions):
        _session(config, clips, session, ledger, device or torch.device("cpu"))
    return ledger


def _session(
    config: RunConfig,
    clips: Sequence[Clip],
    session: int,
    ledger: Ledger,
    device: torch.device,
    plugins: Sequence[Any] = (),
    ranks: Ranks = ALONE,
) -> None:
    """Train a session for one pass over its video."""
    strategy = build(config, clips, lambda _: None, device, ledger, plugins=plugins, stop_after=1, ranks=ranks)
    for plugin in strategy.stateful:
        plugin.load_session_state(ledger.buffer, session)
    strategy.train(video_stream(clips).train_stream[session], eval_streams=[])
