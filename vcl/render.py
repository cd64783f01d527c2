"""The only door to a frame: a network, a session's subnetwork, a session and a time make frames."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from vcl.backbones import Backbone
from vcl.subnet.ledger import Subnetwork

BATCH = 4
"""Frames decoded at once. One constant, as the last bits of a frame may depend on it."""


class Renderer:
    """A dense network into which one subnetwork at a time is loaded.

    Args:
        network: dense, of the shape that the subnetworks have; it is overwritten.

    Raises:
        ConfigError: the network has numbers that no subnetwork would bring.
    """

    def __init__(self, network: Backbone) -> None:
        network.check_roles()
        self._network = network.eval().requires_grad_(False)
        self._head: Tensor | None = None

    def load(self, subnetwork: Subnetwork) -> None:
        """Take a session's weights and head; nothing is ranked or multiplied again while it decodes."""
        for name, weight in self._network.weights().items():
            weight.value.copy_(subnetwork.weights[name])
        self._head = subnetwork.head.to(next(self._network.parameters()).device)

    @torch.inference_mode()
    def frames(self, session: int, frames: int, only: range | None = None) -> Iterator[Tensor]:
        """Decode with the subnetwork that was loaded last.

        Args:
            session: index to ask the network with.
            frames: length T of the video.
            only: frames to decode; default all.

        Yields:
            Float frames ``(B, 3, H, W)`` in [0, 1], B at most ``BATCH``, in order.
        """
        assert self._head is not None, "load a subnetwork first"
        times = only if only is not None else range(frames)
        for first in range(0, len(times), BATCH):
            batch = times[first : first + BATCH]
            x = torch.tensor([[t / frames, session] for t in batch], dtype=torch.float64, device=self._head.device)
            yield self._network(x, self._head)
