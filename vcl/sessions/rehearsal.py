"""Training on earlier videos again: buffers of their frames, and what a step takes from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from vcl.backbones import Backbone
from vcl.config import BufferConfig, RehearsalConfig
from vcl.layers import init
from vcl.metrics.quality import to_unit
from vcl.query import Batch, Query
from vcl.render import BATCH
from vcl.sessions.stateful import StatefulPlugin
from vcl.video.pixels import stored_frames, to_uint8


class Rehearsal(StatefulPlugin):
    """Adds the loss on rehearsed frames to that of the session's own.

    Args:
        config: how many frames per step.
        seed: draws which.
        stock: for the Avalanche plugin that it is mixed with, if any.
    """

    def __init__(self, config: RehearsalConfig, seed: int = 0, **stock: Any) -> None:
        super().__init__(**stock)
        self.config, self.seed = config, seed

    def rehearsed(self, session: int, lengths: Sequence[int]) -> int:
        """``config.rehearse``, or all frames where there are fewer."""
        return min(self.config.rehearse, self.available(session, lengths)) if session else 0

    def available(self, session: int, lengths: Sequence[int]) -> int:
        """Frames that a step can choose from."""
        raise NotImplementedError

    def loss(self, strategy: Any, chosen: Tensor) -> Tensor:
        """The weighted loss on the frames of this step.

        Args:
            strategy: the one in training.
            chosen: indices of frames, below ``available``.
        """
        raise NotImplementedError

    def before_backward(self, strategy: Any, **_: Any) -> None:
        """Add the loss on this step's frames."""
        if strategy.session:
            chosen = self.choose(strategy)
            part = strategy.ranks.part(len(chosen))
            loss = self.loss(strategy, chosen[part.items])
            strategy.loss += loss if part.weight == 1 else part.weight * loss

    def choose(self, strategy: Any) -> Tensor:
        """Indices of this step's frames, on the device; the same for a run that was stopped and goes on."""
        source = init.generator(self.seed, "rehearse", strategy.session, strategy.step)
        order = torch.randperm(self.available(strategy.session, strategy.lengths), generator=source)
        return order[: self.config.rehearse].to(strategy.device, non_blocking=True)


class Buffered(Rehearsal):
    """Rehearses frames that it keeps in a buffer.

    The buffer changes when a session ends, never while it lasts, and each frame of a video has one chance to enter it,
    however many passes there were.

    Args:
        config: size of the buffer, and frames per step.
        seed: draws what to keep.
        stock: as in ``Rehearsal``.
    """

    config: BufferConfig

    def __init__(self, config: BufferConfig, seed: int = 0, **stock: Any) -> None:
        super().__init__(config, seed, **stock)
        self.buffer: dict[str, Tensor] = {}

    @property
    def images(self) -> tuple[str, ...]:
        """Names of the tensors in the buffer that hold a picture per frame."""
        return ("frame",)

    @property
    def buffered(self) -> int:
        """Frames in the buffer."""
        return len(self.buffer["query"]) if self.buffer else 0

    def available(self, session: int, lengths: Sequence[int]) -> int:
        """Frames in the buffer."""
        return self.buffered

    def session_state(self) -> dict[str, Tensor]:
        """``query`` (n, 3), see ``Query.tensor``; ``frame`` (n, 3, H, W) uint8; and what else the method keeps."""
        return self.buffer

    def session_spec(self, session: int, lengths: Sequence[int], network: Backbone) -> dict[str, Tensor]:
        """The buffer, where each frame of the session's video may enter it; only owners are looked at afterwards."""
        owners, offered = self.owners(), lengths[session]
        candidates = [*owners, *[session] * offered]
        selected = [candidates[index] for index in self.keep(owners, session, offered)]
        pictures = torch.empty(len(selected), 3, *network.size, dtype=torch.uint8, device="meta")
        query = torch.tensor([[owner, 0, 0] for owner in selected], dtype=torch.float64)
        self.buffer = {"query": query, **dict.fromkeys(self.images, pictures)} if selected else {}
        return self.buffer

    def load_session_state(self, state: Mapping[str, Tensor], session: int) -> None:
        self.buffer = dict(state)

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Move the buffer to the device."""
        self.buffer = {name: tensor.to(strategy.device) for name, tensor in self.buffer.items()}

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Choose what the buffer holds from now on."""
        order = self.offered(strategy)
        owners = self.owners()
        selected = self.keep(owners, strategy.session, len(order))
        old = torch.tensor([index for index in selected if index < len(owners)], dtype=torch.long)
        new = order[[index - len(owners) for index in selected if index >= len(owners)]]
        buffer = {name: tensor[old] for name, tensor in self.buffer.items()}
        if len(new):
            added = self.take(strategy, new)
            buffer = {name: torch.cat((buffer[name], more)) if buffer else more for name, more in added.items()}
        self.buffer = buffer

    def owners(self) -> list[int]:
        """The session of each frame in the buffer."""
        return [int(session) for session in self.buffer["query"][:, 0].tolist()] if self.buffer else []

    def offered(self, strategy: Any) -> Tensor:
        """Frames of the session's video that may enter the buffer, the most wanted first; in random order here."""
        frames = len(strategy.clips[strategy.session].frames)
        return torch.randperm(frames, generator=init.generator(self.seed, "keep", strategy.session))

    def keep(self, owners: list[int], session: int, offered: int) -> list[int]:
        """What the buffer keeps; equally many frames of each video here.

        Args:
            owners: session of each frame in the buffer.
            session: the one that ends.
            offered: how many of its frames may enter.

        Returns:
            Indices into the buffer's frames followed by those offered.
        """
        return balanced([*owners, *[session] * offered], self.config.buffer)

    def take(self, strategy: Any, times: Tensor) -> dict[str, Tensor]:
        """What enters the buffer of some frames of the session's video, by name."""
        frames = strategy.clips[strategy.session].frames
        return {
            "query": Query.of_video(strategy.session, times, len(frames)).tensor().to(strategy.device),
            "frame": stored_frames(frames, times.numpy()).to(strategy.device),
        }

    def query(self, chosen: Tensor) -> Query:
        """Of some frames in the buffer."""
        return Query.of_tensor(self.buffer["query"][chosen])

    def truth(self, chosen: Tensor) -> Tensor:
        """True frames in the buffer, ``(n, 3, H, W)`` float32 in [0, 1]."""
        return to_unit(self.buffer["frame"][chosen])

    def batch(self, chosen: Tensor) -> Batch:
        """Some frames in the buffer, to be trained on."""
        return Batch(self.query(chosen), self.truth(chosen))


class Reservoir(Buffered):
    """Keeps every frame so far with the same chance (Vitter, 1985)."""

    def __init__(self, config: BufferConfig, seed: int = 0) -> None:
        super().__init__(config, seed)
        self.seen = 0

    def session_state(self) -> dict[str, Tensor]:
        """The buffer, and ``seen``: how many frames have had their chance."""
        return {**super().session_state(), "seen": torch.tensor(self.seen)}

    def session_spec(self, session: int, lengths: Sequence[int], network: Backbone) -> dict[str, Tensor]:
        """The buffer and ``seen``."""
        return {**super().session_spec(session, lengths, network), "seen": torch.tensor(self.seen)}

    def load_session_state(self, state: Mapping[str, Tensor], session: int) -> None:
        """Fill the buffer and set ``seen``."""
        super().load_session_state({name: tensor for name, tensor in state.items() if name != "seen"}, session)
        self.seen = int(state["seen"]) if state else 0

    def keep(self, owners: list[int], session: int, offered: int) -> list[int]:
        """A random sample of all frames so far."""
        reservoir = list(range(len(owners)))
        source = init.generator(self.seed, "reservoir", session)
        for index in range(len(owners), len(owners) + offered):
            self.seen += 1
            slot = int(torch.randint(self.seen, (1,), generator=source))
            if len(reservoir) < self.config.buffer:
                reservoir.append(index)
            elif slot < self.config.buffer:
                reservoir[slot] = index
        return reservoir


def balanced(owners: list[int], size: int) -> list[int]:
    """The first frames of each session, as many of each as ``size`` allows; a rest goes to the earliest.

    Args:
        owners: session of every frame, the most wanted first within a session.
        size: frames to keep.

    Returns:
        Indices of the frames that are kept.
    """
    sessions = sorted(set(owners))
    room = {session: size // len(sessions) + (rank < size % len(sessions)) for rank, session in enumerate(sessions)}
    indices = []
    for index, session in enumerate(owners):
        if room[session]:
            room[session] -= 1
            indices.append(index)
    return indices


@torch.no_grad()
def decoded(strategy: Any, network: Backbone, query: Query) -> Tensor:
    """Frames of a network as uint8 ``(n, 3, H, W)``, a few at a time."""
    batches = (Query.of_tensor(rows) for rows in torch.split(query.tensor(), BATCH))
    return torch.cat([to_uint8(strategy.ask(network, batch).frames) for batch in batches])
