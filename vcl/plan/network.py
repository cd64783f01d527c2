"""The network of a run without its numbers: how large it is, and how much work a frame is."""

from __future__ import annotations

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from vcl import backbones
from vcl.backbones import Backbone
from vcl.config import RunConfig
from vcl.query import Query
from vcl.subnet.record import StateKind


def network_of(config: RunConfig, sessions: int) -> Backbone:
    """The network that a run trains, on the meta device, where nothing is allocated.

    Raises:
        ConfigError: there is none.
    """
    from vcl.sessions.methods import METHODS  # Loads Avalanche, which takes seconds.

    with torch.device("meta"):
        network: Backbone = METHODS[config.method.name].network(config, sessions)
    return network


def state_kind_of(config: RunConfig) -> StateKind:
    """What the method leaves behind a session."""
    from vcl.sessions.methods import METHODS  # Loads Avalanche, which takes seconds.

    kind: StateKind = METHODS[config.method.name].state_kind
    return kind


def macs_of(config: RunConfig) -> int:
    """Multiplications with an addition that decode one frame: linear layers, convolutions and the operator's products.

    Counted as they are done, products with zeros among them; Fourier transforms and what is done pixel by pixel are
    left out.
    """
    # Not on the meta device: there autocast, which networks may use, is refused.
    with FakeTensorMode(), torch.no_grad():
        network = backbones.of_run(config, 1)
        layout = network.layout()
        session = {name: torch.zeros(1, *shape) for name, shape in layout.session.items()}
        # Of what key frames alone have, a frame is decoded with that of two.
        frame = {name: torch.zeros(1, *[2] * (name in layout.every), *shape) for name, shape in layout.frame.items()}
        with FlopCounterMode(display=False) as counter:
            network.answer(Query.of_video(0, range(1), 1), session, frame)
    return int(counter.get_total_flops()) // 2
