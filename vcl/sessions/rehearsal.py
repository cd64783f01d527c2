"""Training on earlier videos again: what is kept of them, what a step takes of it, and the network as it was."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vcl.backbones import Backbone
from vcl.config import BufferConfig, RehearsalConfig
from vcl.layers import init
from vcl.render import BATCH
from vcl.sessions.strategy import StatefulPlugin
from vcl.subnet.ledger import Ledger
from vcl.video.pixels import to_uint8


class Rehearsal(StatefulPlugin):
    """Adds the loss on rehearsed frames to that of the session's own.

    Args:
        config: how many frames a step.
        seed: draws which.
        stock: for the Avalanche plugin that it is mixed with, if any.
    """

    def __init__(self, config: RehearsalConfig, seed: int = 0, **stock: Any) -> None:
        super().__init__(**stock)
        self.config, self.seed = config, seed

    def rehearsed(self, session: int) -> int:
        """As many as asked for, or as there are."""
        return min(self.config.rehearse, self.available(session)) if session else 0

    def available(self, session: int) -> int:
        """Frames that a step can choose from."""
        raise NotImplementedError

    def loss(self, strategy: Any, chosen: Tensor) -> Tensor:
        """Of the frames chosen for this step, weighted.

        Args:
            strategy: the one in training.
            chosen: numbers of frames, below ``available``.
        """
        raise NotImplementedError

    def before_backward(self, strategy: Any, **_: Any) -> None:
        """Avalanche's hook between loss and backward."""
        if strategy.session:
            strategy.loss += self.loss(strategy, self.choose(strategy))

    def choose(self, strategy: Any) -> Tensor:
        """Frames for this step, on the device; the same for a run that was stopped and goes on."""
        source = init.generator(self.seed, "rehearse", strategy.session, strategy.step)
        drawn = torch.randperm(self.available(strategy.session), generator=source)
        return drawn[: self.config.rehearse].to(strategy.device)


class Buffered(Rehearsal):
    """Rehearses frames that it keeps.

    What is kept changes when a session ends, never while it lasts, and each frame of a video has one chance to be kept,
    however many passes there were.

    Args:
        config: how many frames to keep, and how many a step.
        seed: draws what to keep.
        stock: as in ``Rehearsal``.
    """

    config: BufferConfig

    def __init__(self, config: BufferConfig, seed: int = 0, **stock: Any) -> None:
        super().__init__(config, seed, **stock)
        self.held: dict[str, Tensor] = {}

    def available(self, session: int) -> int:
        """All that is kept."""
        return len(self.held["place"]) if self.held else 0

    def memory(self) -> dict[str, Tensor]:
        """``place`` (n, 2), ``frame`` (n, 3, H, W) uint8, and whatever else the method keeps beside each."""
        return self.held

    def recall(self, memory: Mapping[str, Tensor], session: int) -> None:
        """Take what was kept."""
        self.held = dict(memory)

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Move what is kept to where it is needed."""
        self.held = {name: kept.to(strategy.device) for name, kept in self.held.items()}

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Choose what to keep from now on."""
        order = self.offered(strategy)
        earlier = self.held["place"][:, 1].long().tolist() if self.held else []
        kept = self.keep(earlier, strategy.session, len(order))
        old = torch.tensor([number for number in kept if number < len(earlier)], dtype=torch.long)
        new = order[[number - len(earlier) for number in kept if number >= len(earlier)]]
        held = {name: kept[old] for name, kept in self.held.items()}
        if len(new):
            taken = self.take(strategy, new)
            held = {name: torch.cat((held[name], kept)) if held else kept for name, kept in taken.items()}
        self.held = held

    def offered(self, strategy: Any) -> Tensor:
        """Frames of the session's video that may be kept, the most wanted first; by chance here."""
        frames = len(strategy.clips[strategy.session].frames)
        return torch.randperm(frames, generator=init.generator(self.seed, "keep", strategy.session))

    def keep(self, earlier: list[int], session: int, offered: int) -> list[int]:
        """Which to keep of the earlier frames and those offered now, numbered through; equally many of each video."""
        return balanced([*earlier, *[session] * offered], self.config.buffer)

    def take(self, strategy: Any, times: Tensor) -> dict[str, Tensor]:
        """What is kept of some frames of the session's video, by name."""
        frames = strategy.clips[strategy.session].frames
        return {
            "place": places(strategy.session, times, len(frames)).to(strategy.device),
            "frame": torch.from_numpy(np.array(frames[times.numpy()])).to(strategy.device),
        }

    def truth(self, chosen: Tensor) -> Tensor:
        """True frames, float32 in [0, 1]."""
        return self.held["frame"][chosen].float().div_(255)


class Reservoir(Buffered):
    """Keeps every frame so far with the same chance (Vitter, 1985)."""

    def __init__(self, config: BufferConfig, seed: int = 0) -> None:
        super().__init__(config, seed)
        self.seen = 0

    def memory(self) -> dict[str, Tensor]:
        """What is kept, and of how many frames."""
        return {**super().memory(), "seen": torch.tensor(self.seen)}

    def recall(self, memory: Mapping[str, Tensor], session: int) -> None:
        """Likewise."""
        super().recall({name: kept for name, kept in memory.items() if name != "seen"}, session)
        self.seen = int(memory["seen"]) if memory else 0

    def keep(self, earlier: list[int], session: int, offered: int) -> list[int]:
        """By chance."""
        kept = list(range(len(earlier)))
        source = init.generator(self.seed, "reservoir", session)
        for number in range(len(earlier), len(earlier) + offered):
            self.seen += 1
            place = int(torch.randint(self.seen, (1,), generator=source))
            if len(kept) < self.config.buffer:
                kept.append(number)
            elif place < self.config.buffer:
                kept[place] = number
        return kept


def balanced(sessions: list[int], size: int) -> list[int]:
    """The first frames of each session, as many of each as ``size`` allows; a rest goes to the earliest.

    Args:
        sessions: of every frame, the most wanted first within a session.
        size: frames to keep.
    """
    present = sorted(set(sessions))
    room = {session: size // len(present) + (rank < size % len(present)) for rank, session in enumerate(present)}
    kept = []
    for number, session in enumerate(sessions):
        if room[session]:
            room[session] -= 1
            kept.append(number)
    return kept


def places(session: int, times: Tensor, frames: int) -> Tensor:
    """What a network is asked with for some frames of a video: ``(n, 2)`` float64, t / T and session."""
    return torch.stack((times.double() / frames, torch.full_like(times, session, dtype=torch.float64)), dim=1)


def teacher_snapshot(model: Backbone, ledger: Ledger) -> Backbone:
    """A frozen copy of a network with the weights and heads that it had when the latest session closed."""
    network = copy.deepcopy(model).eval().requires_grad_(False)
    last = ledger.subnetwork(len(ledger) - 1)
    for name, weight in network.weights().items():
        weight.value.copy_(last.weights[name])
    for session in range(len(ledger)):
        network.heads[session].copy_(ledger.subnetwork(session).head)
    return network


@torch.no_grad()
def decoded(strategy: Any, network: Backbone, asked: Tensor) -> Tensor:
    """Frames of a network, a few at a time, as uint8 ``(n, 3, H, W)``."""
    return torch.cat([to_uint8(strategy.decode(network, batch)) for batch in torch.split(asked, BATCH)])
