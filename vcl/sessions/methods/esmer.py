"""Error-sensitive modulation experience replay."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vcl.backbones import Backbone
from vcl.config import EsmerConfig, MethodConfig
from vcl.layers import init
from vcl.sessions.rehearsal import Reservoir, places, teacher_snapshot
from vcl.sessions.strategy import VideoStrategy
from vcl.subnet.ledger import Ledger


class EsmerPlugin(Reservoir):
    """A slow teacher that weighs what is new by how much it surprises, and chooses what is kept."""

    config: EsmerConfig

    def __init__(self, config: EsmerConfig, ledger: Ledger, seed: int = 0) -> None:
        super().__init__(config, seed)
        self.ledger = ledger
        self.stable: Backbone | None = None
        self.mean: Tensor | None = None
        self._working: Backbone | None = None
        self._recalled: dict[str, Tensor] = {}
        self._steps_before = 0

    def memory(self) -> dict[str, Tensor]:
        """The buffer, the running mean, and the one of the two networks that videos are not decoded with."""
        assert self.stable is not None
        assert self._working is not None
        assert self.mean is not None
        other = self._working if self.config.decode == "stable" else self.stable
        kept = {f"network/{name}": tensor.detach().clone() for name, tensor in other.state_dict().items()}
        counts = {"mean": self.mean, "steps": torch.tensor(self._steps_before)}
        return {**super().memory(), **counts, **kept}

    def recall(self, memory: Mapping[str, Tensor], session: int) -> None:
        """Take them; the networks are put together when a session begins."""
        if not memory:
            return
        self._recalled = {
            name.removeprefix("network/"): kept for name, kept in memory.items() if name.startswith("network/")
        }
        super().recall({name: memory[name] for name in ("place", "frame", "seen") if name in memory}, session)
        self.mean, self._steps_before = memory["mean"], int(memory["steps"])

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Give the teacher a head for the new session too."""
        super().before_training_exp(strategy, **kwargs)
        self._working = strategy.model
        if self.stable is None:
            self.stable = copy.deepcopy(strategy.model).requires_grad_(False)
            if self._recalled and self.config.decode == "stable":
                self.stable = teacher_snapshot(strategy.model, self.ledger)
            elif self._recalled:
                own = self.stable.state_dict()
                self.stable.load_state_dict({**own, **self._recalled})
        for head in strategy.model.heads[len(self.stable.heads) :]:
            self.stable.heads.append(torch.nn.Parameter(head.detach().clone(), requires_grad=False))
        if self.mean is not None:
            self.mean = self.mean.to(strategy.device)

    def state(self) -> dict[str, Tensor]:
        """The teacher and the running mean."""
        assert self.stable is not None
        found = {f"stable/{name}": tensor for name, tensor in self.stable.state_dict().items()}
        return found if self.mean is None else {**found, "mean": self.mean}

    def resume(self, state: Mapping[str, Tensor]) -> None:
        """Take them."""
        assert self.stable is not None
        self.stable.load_state_dict({name: state[f"stable/{name}"] for name in self.stable.state_dict()})
        self.mean = state["mean"].to(next(self.stable.parameters()).device) if "mean" in state else None

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        """Weigh the session's own frames, then add the buffer's."""
        own = _each(strategy, strategy.mb_output, strategy.mb_y)
        seen = self._surprise(strategy, strategy.mb_x, strategy.mb_y)
        self.mean = seen.mean() if self.mean is None else self.mean.lerp(seen.mean(), 1 - self.config.loss_decay)
        strategy.loss = (error_weights(seen, self.mean, self.config.margin) * own).mean()
        if self.rehearsed(strategy.session):
            super().before_backward(strategy, **kwargs)

    def loss(self, strategy: Any, chosen: Tensor) -> Tensor:
        """The session's own loss on kept frames, and the distance to the teacher there."""
        asked = self.held["place"][chosen]
        made = strategy.decode(strategy.model, asked)
        with torch.no_grad():
            taught = strategy.decode(self.stable, asked)
        loss: Tensor = strategy._criterion(made, self.truth(chosen))
        return loss + self.config.consistency * F.mse_loss(made, taught)

    @torch.no_grad()
    def after_update(self, strategy: Any, **_: Any) -> None:
        """Move the teacher, now and then."""
        source = init.generator(self.seed, "teacher", strategy.session, strategy.step)
        if float(torch.rand(1, generator=source)) >= self.config.update_probability:
            return
        assert self.stable is not None
        step = self._steps_before + strategy.step
        # In its first steps the teacher is about the mean of all networks so far, so that it leaves the untrained one.
        share = max(1 / step, 1 - self.config.decay)
        stable, working = ([p.detach() for p in network.parameters()] for network in (self.stable, strategy.model))
        torch._foreach_lerp_(stable, working, share)

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Choose what to keep from now on."""
        super().after_training_exp(strategy, **kwargs)
        self._steps_before += strategy.step

    def offered(self, strategy: Any) -> Tensor:
        """Frames that the teacher knows well, by chance."""
        frames = len(strategy.clips[strategy.session].frames)
        asked = places(strategy.session, torch.arange(frames), frames).to(strategy.device)
        truth = torch.from_numpy(np.array(strategy.clips[strategy.session].frames))
        seen = torch.cat(
            [
                self._surprise(strategy, asked[t : t + 1], truth[t : t + 1].to(strategy.device).float().div_(255))
                for t in range(frames)
            ]
        ).cpu()
        assert self.mean is not None
        order = super().offered(strategy)
        return order[seen[order] <= self.config.margin * self.mean.cpu()]

    @torch.no_grad()
    def _surprise(self, strategy: Any, asked: Tensor, truth: Tensor) -> Tensor:
        """The teacher's loss on each frame."""
        return _each(strategy, strategy.decode(self.stable, asked), truth)


def error_weights(losses: Tensor, mean: Tensor, margin: float) -> Tensor:
    """1 up to ``margin`` times the running mean, and as much less beyond as the loss is more than the mean."""
    return torch.where(losses <= margin * mean, torch.ones_like(losses), mean / losses)


def _each(strategy: Any, made: Tensor, truth: Tensor) -> Tensor:
    """The run's loss, frame by frame: ``(B,)``."""
    pairs = zip(torch.split(made, 1), torch.split(truth, 1), strict=True)
    return torch.stack([strategy._criterion(one, other) for one, other in pairs])


class Esmer(VideoStrategy):
    """Replay with a teacher whose weights are the moving average of those in training.

    Source:
        Sarfraz et al., ICLR 2023, arXiv:2302.11344, with its published settings as defaults. Differs: an example is a
        frame and its loss that of the run; the running mean takes in every frame, without leaving out those that lie
        far off; frames enter the buffer when a session ends, each with one chance, and not at every step.
    """

    @classmethod
    def own_plugins(cls, config: MethodConfig, ledger: Ledger, seed: int) -> list[Any]:
        """Teacher, weights and buffer."""
        assert isinstance(config, EsmerConfig)
        return [EsmerPlugin(config, ledger, seed)]

    @property
    def decoding(self) -> Backbone:
        """The teacher, unless asked otherwise."""
        own = next(plugin for plugin in self.plugins if isinstance(plugin, EsmerPlugin))
        if own.config.decode == "working":
            return super().decoding
        assert own.stable is not None
        return own.stable
