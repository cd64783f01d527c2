"""Error-sensitive modulation experience replay."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vcl.backbones import Backbone
from vcl.config import EsmerConfig, MethodConfig
from vcl.layers import init
from vcl.metrics.quality import to_unit
from vcl.query import Batch, Query
from vcl.sessions.rehearsal import Reservoir
from vcl.sessions.sealed import seen_frames, teacher_snapshot
from vcl.sessions.strategy import VideoStrategy
from vcl.subnet.ledger import Ledger
from vcl.video.pixels import stored_frames


class EsmerPlugin(Reservoir):
    """A slow teacher, whose loss on a frame decides how much the frame counts and whether it enters the buffer."""

    config: EsmerConfig
    video_copies = 1

    def __init__(self, config: EsmerConfig, ledger: Ledger, seed: int = 0) -> None:
        super().__init__(config, seed)
        self.ledger = ledger
        self.stable: Backbone | None = None
        self.mean: Tensor | None = None
        self._working: Backbone | None = None
        self._other_network: dict[str, Tensor] = {}
        self._training_only: dict[str, Tensor] = {}
        self._steps_before = 0

    def session_state(self) -> dict[str, Tensor]:
        """The buffer, the running mean, the network that videos are not decoded with, and what no ledger has."""
        assert self.stable is not None
        assert self._working is not None
        assert self.mean is not None
        other = self._working if self.config.decode == "stable" else self.stable
        network = {f"network/{name}": tensor.detach().clone() for name, tensor in other.state_dict().items()}
        return {
            **super().session_state(),
            "mean": self.mean,
            "steps": torch.tensor(self._steps_before),
            **network,
            **self._training_only_of(self.stable),
        }

    def session_spec(self, session: int, lengths: Sequence[int], network: Backbone) -> dict[str, Tensor]:
        other = {f"network/{name}": tensor for name, tensor in network.state_dict().items()}
        counted = {"mean": torch.tensor(0.0), "steps": torch.tensor(0)}
        return {
            **super().session_spec(session, lengths, network),
            **counted,
            **other,
            **self._training_only_of(network),
        }

    def load_session_state(self, state: Mapping[str, Tensor], session: int) -> None:
        """Fill the buffer; the networks are put together when a session begins."""
        if not state:
            return
        self._other_network, self._training_only = (
            {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
            for prefix in ("network/", "teacher/")
        )
        super().load_session_state({n: state[n] for n in ("query", "frame", "seen") if n in state}, session)
        self.mean, self._steps_before = state["mean"], int(state["steps"])

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Make the teacher, and give it the new session's tensors."""
        super().before_training_exp(strategy, **kwargs)
        self._working = strategy.model
        if self.stable is None:
            self.stable = copy.deepcopy(strategy.model).requires_grad_(False)
            if self._other_network and self.config.decode == "stable":
                self.stable = teacher_snapshot(strategy.model, self.ledger).train()
                self.stable.load_state_dict({**self.stable.state_dict(), **self._training_only})
            elif self._other_network:
                self.stable.load_state_dict({**self.stable.state_dict(), **self._other_network})
        for own in list(strategy.model.session_parameters)[len(self.stable.session_parameters) :]:
            self.stable.session_parameters.append(copy.deepcopy(own).requires_grad_(False))
        self.stable.load_frames(self.ledger.frames())
        if self.mean is not None:
            self.mean = self.mean.to(strategy.device)

    def state_dict(self) -> dict[str, Tensor]:
        """The teacher and the running mean."""
        assert self.stable is not None
        teacher = {f"stable/{name}": tensor for name, tensor in self.stable.state_dict().items()}
        return teacher if self.mean is None else {**teacher, "mean": self.mean}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        assert self.stable is not None
        self.stable.load_state_dict({name: state[f"stable/{name}"] for name in self.stable.state_dict()})
        self.mean = state["mean"].to(next(self.stable.parameters()).device) if "mean" in state else None

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        """Weigh the session's own frames, then add the buffer's."""
        surprise = self._surprise(strategy, strategy.batch)
        mean = strategy.shared(surprise.mean())
        strategy.ranks.average_([mean])
        self.mean = mean if self.mean is None else self.mean.lerp(mean, 1 - self.config.loss_decay)
        weight = error_weights(surprise, self.mean, self.config.margin)
        strategy.loss = strategy.shared(strategy.loss_of(strategy.output, replace(strategy.batch, weight=weight)))
        if self.rehearsed(strategy.session, strategy.lengths):
            super().before_backward(strategy, **kwargs)

    def loss(self, strategy: Any, chosen: Tensor) -> Tensor:
        """The run's loss on frames in the buffer, and the distance to the teacher there."""
        batch = self.batch(chosen)
        output = strategy.ask(strategy.model, batch.query)
        with torch.no_grad():
            taught = strategy.ask(self.stable, batch.query).frames
        loss: Tensor = strategy.loss_of(output, batch)
        return loss + self.config.consistency * F.mse_loss(output.frames, taught)

    @torch.no_grad()
    def after_update(self, strategy: Any, **_: Any) -> None:
        """Move the teacher, in ``config.update_probability`` of the steps."""
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
        """Fill the buffer, and count the session's steps."""
        super().after_training_exp(strategy, **kwargs)
        self._steps_before += strategy.step

    def offered(self, strategy: Any) -> Tensor:
        """Frames that the teacher knows well, by chance."""
        clip = strategy.clips[strategy.session].frames
        surprise = []
        assert self.stable is not None
        self.stable.eval()  # As it is decoded, and so that nothing in it moves.
        for t in range(len(clip)):
            query = Query.of_video(strategy.session, range(t, t + 1), len(clip), strategy.device)
            truth = to_unit(stored_frames(clip, slice(t, t + 1)).to(strategy.device))
            seen = seen_frames(self.stable, clip, torch.tensor([t]), strategy.device)
            surprise.append(self._surprise(strategy, Batch(query, truth, seen=seen)))
        self.stable.train()
        assert self.mean is not None
        order = super().offered(strategy)
        return order[torch.cat(surprise).cpu()[order] <= self.config.margin * self.mean.cpu()]

    def _training_only_of(self, network: Backbone) -> dict[str, Tensor]:
        """The teacher's encoder and the like, which decoding does without; the network in training has a checkpoint."""
        only = network.training_only if self.config.decode == "stable" else ()
        return {
            f"teacher/{name}": tensor.detach().clone()
            for name, tensor in network.state_dict().items()
            if name.split(".")[0] in only
        }

    @torch.no_grad()
    def _surprise(self, strategy: Any, batch: Batch) -> Tensor:
        """The teacher's loss on each frame, ``(B,)``."""
        losses: Tensor = strategy.frame_losses(strategy.ask(self.stable, batch.query, batch.to_encode), batch.target)
        return losses


def error_weights(losses: Tensor, mean: Tensor, margin: float) -> Tensor:
    """1 up to ``margin`` times the running mean, and as much less beyond as the loss is more than the mean."""
    return torch.where(losses <= margin * mean, torch.ones_like(losses), mean / losses)


class Esmer(VideoStrategy):
    """Replay with a teacher whose weights are the moving average of those in training.

    Source:
        Sarfraz et al., ICLR 2023, arXiv:2302.11344, with its published settings as defaults. Differs: an example is a
        frame and its loss that of the run; the running mean takes in every frame, without leaving out those that lie
        far off; frames enter the buffer when a session ends, each with one chance, and not at every step.
    """

    @classmethod
    def own_plugins(cls, config: MethodConfig, ledger: Ledger, seed: int) -> list[Any]:
        """The plugin that has the teacher and the buffer."""
        assert isinstance(config, EsmerConfig)
        return [EsmerPlugin(config, ledger, seed)]

    @property
    def decoding(self) -> Backbone:
        """The teacher, unless ``config.decode`` says otherwise."""
        own = next(plugin for plugin in self.plugins if isinstance(plugin, EsmerPlugin))
        if own.config.decode == "working":
            return super().decoding
        assert own.stable is not None
        return own.stable
