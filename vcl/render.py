"""The only door to a frame: a network, a session's subnetwork and a query make frames.

Knows no run folder and no config: whoever has the numbers can decode.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from vcl.backbones import Backbone, roles
from vcl.device import at_precision
from vcl.errors import ConfigError
from vcl.query import Query
from vcl.subnet.ledger import Subnetwork

BATCH = 4
"""Frames decoded at once. One constant, as the last bits of a frame may depend on it."""


class Renderer:
    """A dense network into which one subnetwork at a time is loaded.

    Args:
        network: dense, of the shape that the subnetworks have; it is overwritten.
        precision: of its layers, as in ``matrix.precision``.

    Raises:
        ConfigError: the network has numbers that no subnetwork would bring.
    """

    def __init__(self, network: Backbone, precision: str = "float32") -> None:
        roles.check(network)
        for child in network.training_only:
            delattr(network, child)
        self._network = network.eval().requires_grad_(False)
        self._precision = precision
        self._subnetwork: Subnetwork | None = None

    @property
    def device(self) -> torch.device:
        """Where the network is, and frames are made."""
        return next(self._network.parameters()).device

    @property
    def network(self) -> Backbone:
        """The network that makes frames with the numbers loaded last: to be watched, by forward hooks, not changed."""
        return self._network

    def load(self, subnetwork: Subnetwork) -> None:
        """Take a session's numbers; nothing is ranked or multiplied again while it decodes."""
        for name, weight in self._network.weights().items():
            weight.value.copy_(subnetwork.weights[name])
        self._subnetwork = subnetwork.to(self.device)

    @torch.inference_mode()
    def frames(
        self,
        session: int,
        frames: int,
        only: Sequence[float] | None = None,
        size: tuple[int, int] | None = None,
        window: tuple[int, int, int, int] | None = None,
    ) -> Iterator[Tensor]:
        """Decode with the subnetwork that was loaded last.

        Args:
            session: index to ask the network with.
            frames: length T of the video.
            only: frames to decode, default all; also moments between two, with the numbers of the frame before.
            size: height and width of a whole frame, as in ``Query``.
            window: top, left, height and width of the part to decode, as in ``Query``.

        Yields:
            Float frames ``(B, 3, H, W)`` in [0, 1], B at most ``BATCH``, in order.

        Raises:
            ConfigError: the network makes no frames of that size, no parts of frames or no moments between two.
            IndexError: a frame has no numbers of its own in this subnetwork, although the network needs some.
        """
        own = self._subnetwork
        assert own is not None, "load a subnetwork first"
        device = self.device
        indices = only if only is not None else range(frames)
        between = next((t for t in indices if t % 1), None)
        if between is not None and self._network.frame_tensors and not self._network.moments:
            raise ConfigError(f"{type(self._network).__name__} decodes whole frames alone, got the moment {between}")
        for first in range(0, len(indices), BATCH):
            batch = indices[first : first + BATCH]
            moments = torch.tensor(batch, dtype=torch.float64)
            query = Query.of_video(session, moments, frames, device, size, window)
            # A copy for each frame, as in training: the last bits of a product may depend on how they lie in memory.
            of_session = {name: tensor.repeat(len(batch), *[1] * tensor.dim()) for name, tensor in own.session.items()}
            keys = self._network.key_frames
            of_frame = {
                name: tensor[query.key_rows(keys[name]) if name in keys else [int(t) for t in batch]]
                for name, tensor in own.frame.items()
            }
            with at_precision(device, self._precision):
                output = self._network.answer(query, of_session, of_frame)
            yield output.float().frames.clamp(0, 1)
