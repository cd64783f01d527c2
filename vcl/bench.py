"""Timings that can be believed: what is compared takes turns in one process, and a ratio is what counts."""

from __future__ import annotations

import hashlib
import statistics
import time
from typing import Any

import numpy as np
import torch

from vcl.config import RunConfig
from vcl.layers import draw
from vcl.sessions.loss import LOSSES
from vcl.sessions.methods import METHODS
from vcl.sessions.plugins import Stopwatch
from vcl.sessions.schedule import share_of_rate
from vcl.sessions.strategy import adam
from vcl.sessions.stream import video_stream
from vcl.sessions.trainer import build
from vcl.subnet.gate import Gate
from vcl.subnet.ledger import Ledger
from vcl.video.cache import Clip


def loop_overhead(config: RunConfig, rounds: int = 9, frames: int = 48) -> dict[str, Any]:
    """Time an epoch of training as ``vcl run`` does it, and the same steps in a bare loop.

    Both rank, mask, step and keep sealed weights; ours also goes through Avalanche's hooks, measures PSNR and tells
    listeners. One round times one epoch of each, on random frames, and the next round starts with the other.

    Args:
        config: its network, method and recipe.
        rounds: epochs timed of each, after one of each that is not.
        frames: of the epoch.

    Returns:
        ``bare_ms`` and ``ours_ms`` a step (medians over rounds), ``ratio`` (median of the rounds' ratios), the same
        in processor time (``cpu_ratio``), which other processes disturb less, and how it was measured.
    """
    if config.train.threads is not None:
        torch.set_num_threads(config.train.threads)
    pixels = np.random.default_rng(0).integers(0, 256, (frames, 3, *config.stream.size), np.uint8)
    clip = Clip("noise", pixels, hashlib.sha256(pixels.tobytes()).hexdigest())
    loops = {"bare": _bare_epoch, "ours": _our_epoch}
    watches: dict[str, list[Watch]] = {name: [] for name in loops}
    for number in range(rounds + 1):
        for name in sorted(loops, reverse=number % 2 == 1):
            watch = Watch()
            loops[name](config, clip, watch)
            if number > 0:
                watches[name].append(watch)
    steps = -(-frames // config.train.batch)
    return {
        "benchmark": "loop",
        "bare_ms": 1e3 * statistics.median(watch.wall for watch in watches["bare"]) / steps,
        "ours_ms": 1e3 * statistics.median(watch.wall for watch in watches["ours"]) / steps,
        "ratio": median_ratio([watch.wall for watch in watches["ours"]], [watch.wall for watch in watches["bare"]]),
        "cpu_ratio": median_ratio([watch.cpu for watch in watches["ours"]], [watch.cpu for watch in watches["bare"]]),
        "rounds": rounds,
        "steps": steps,
        "batch": config.train.batch,
        "size": list(config.stream.size),
        "method": config.method.name,
        "threads": torch.get_num_threads(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }


class Watch:
    """Seconds between ``start`` and ``stop``: on the wall and of the processor."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def start(self) -> None:
        """Begin."""
        self.wall, self.cpu = -time.perf_counter(), -time.process_time()

    def stop(self) -> None:
        """End."""
        self.wall, self.cpu = self.wall + time.perf_counter(), self.cpu + time.process_time()


def to_text(result: dict[str, Any]) -> str:
    """A line a fact."""
    shown = {key: round(value, 3) if isinstance(value, float) else value for key, value in result.items()}
    return "\n".join(f"{key:<10} {value}" for key, value in shown.items())


def median_ratio(ours: list[float], bare: list[float]) -> float:
    """Median of the rounds' own ratios, which a disturbance of some rounds does not move."""
    return statistics.median(one / other for one, other in zip(ours, bare, strict=True))


def _our_epoch(config: RunConfig, clip: Clip, watch: Watch) -> None:
    """One epoch as a run trains it, checkpoints left out."""
    plugins = [Stopwatch(watch.start, watch.stop)]
    strategy = build(config, [clip], lambda _: None, torch.device("cpu"), plugins=plugins, stop_after=1)
    strategy.train(video_stream([clip]).train_stream[0], eval_streams=[])


def _bare_epoch(config: RunConfig, clip: Clip, watch: Watch) -> None:
    """One epoch, written out."""
    train = config.train
    network = METHODS[config.method.name].network(config, 1)
    network.draw(train.seed)
    network.add_head(train.seed)
    gate = Gate(network.weights(), Ledger(network.shapes(), "masks"))
    optimiser = adam(list(network.parameters()), train.lr, train.betas)
    truth = torch.from_numpy(clip.frames)
    order = torch.randperm(len(truth), generator=draw.generator(train.seed, "order", 0, 0))
    batches = [order[first : first + train.batch] for first in range(0, len(order), train.batch)]
    watch.start()
    for step, chosen in enumerate(batches):
        x = torch.stack((chosen.double() / len(truth), torch.zeros(len(chosen), dtype=torch.float64)), dim=1)
        optimiser.zero_grad()
        loss = LOSSES[train.loss](network(x), truth[chosen].float().div_(255))
        torch.autograd.backward(loss)
        gate.stop_gradients()
        share = share_of_rate(step / (train.epochs * len(batches)), train.warmup, train.warmup_from)
        optimiser.param_groups[0]["lr"] = train.lr * share
        optimiser.step()
        gate.put_back()
    watch.stop()
