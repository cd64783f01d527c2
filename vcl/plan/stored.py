"""How large a run's network is, and what its sessions will store: names and shapes of real tensors without content."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from vcl import backbones
from vcl.backbones import Backbone
from vcl.config import BufferConfig, DerConfig, EsmerConfig, EwcConfig, MasConfig, PacknetConfig, RunConfig
from vcl.plan.work import SessionWork
from vcl.query import Query
from vcl.report.summary import KINDS, capacity_of

_DTYPES = {torch.int64: "I64", torch.float64: "F64", torch.float32: "F32", torch.uint8: "U8"}
"""Of what is stored, in the order in which safetensors lays it out; within a type, by name."""


def network_of(config: RunConfig, sessions: int) -> Backbone:
    """The dense network that videos are decoded with, nothing allocated.

    Raises:
        ConfigError: there is none.
    """
    with torch.device("meta"):
        return backbones.of_run(config, sessions)


def macs_of(config: RunConfig) -> int:
    """Multiplications with an addition that decode one frame: linear layers, convolutions and the operator's products.

    Counted as they are done, products with zeros among them; Fourier transforms and what is done pixel by pixel are
    left out.
    """
    with FakeTensorMode(), torch.no_grad():
        network = backbones.of_run(config, 1)
        network.add_session(0)
        with FlopCounterMode(display=False) as counter:
            network.ask(Query.of_video(0, range(1), 1))
    return int(counter.get_total_flops()) // 2


def session_files(config: RunConfig, names: Sequence[str], work: Sequence[SessionWork]) -> list[dict[str, int]]:
    """Bytes of each session's file by kind, as ``RunFolder.session_bytes`` gives them.

    Masks of different sessions are taken to overlap as chance has it.

    Args:
        config: the run's.
        names: of the videos, by session.
        work: of the sessions.
    """
    network, keeps = network_of(config, len(names)), keeps_of(config)
    shapes = network.shapes()
    free = {name: float(shape.numel()) for name, shape in shapes.items()}
    found = []
    for session, (name, done) in enumerate(zip(names, work, strict=True)):
        tensors: dict[str, Tensor] = {}
        for layer, shape in shapes.items():
            weights = shape.numel()
            if keeps == "shared_masked":
                tensors[f"mask/{layer}"] = _empty(torch.uint8, math.ceil(weights / 8))
                left = _left(config, weights, free[layer])
                weights, free[layer] = round(free[layer]) - round(left), left
            tensors[f"weight/{layer}"] = _empty(torch.float32, weights)
        stacked = (session + 1,) if keeps == "shared_latest" else ()
        for own, own_shape in network.layout().session.items():
            tensors[f"session/{own}"] = _empty(torch.float32, *stacked, *own_shape)
        tensors.update(_buffer(config, network, session + 1, done.kept))
        notes = {"video": name, "frames": done.frames, "sessions": len(names), "state_kind": keeps, "version": 2}
        found.append(_sizes(tensors, notes))
    return found


def stored_of(files: Sequence[Mapping[str, int]], keeps: str) -> dict[str, int]:
    """Bytes that decoding all videos, and learning another, needs at the end, by kind; as ``vcl compare`` counts."""
    last_only = ("weight", "session", "buffer") if keeps == "shared_latest" else ("buffer",)
    return {
        kind: files[-1].get(kind, 0) if kind in last_only else sum(file.get(kind, 0) for file in files)
        for kind in KINDS
    }


def keeps_of(config: RunConfig) -> str:
    """What the method leaves behind a session."""
    from vcl.sessions.methods import METHODS  # Loads Avalanche, which takes seconds.

    kind: str = METHODS[config.method.name].state_kind
    return kind


def _left(config: RunConfig, weights: int, free: float) -> float:
    """Free weights of a layer after another session."""
    if isinstance(config.method, PacknetConfig):
        return free - max(1, round(config.method.kept * free)) if free else 0
    capacity = capacity_of(config.method)
    assert capacity is not None
    return free * (1 - max(1, round(capacity * weights)) / weights)


def _buffer(config: RunConfig, network: Backbone, heads: int, kept: int) -> dict[str, Tensor]:
    """What the method keeps for the next session."""
    method, found = config.method, dict[str, Tensor]()
    if isinstance(method, BufferConfig) and kept:
        found["query"] = _empty(torch.float64, kept, 3)
        pixels = _empty(torch.uint8, kept, 3, *config.stream.size)
        if not isinstance(method, DerConfig) or method.truth:
            found["frame"] = pixels
        if isinstance(method, DerConfig):
            found["output"] = pixels
    if method.name in ("replay", "der", "esmer"):
        found["seen"] = _empty(torch.int64)
    parameters = {name: _empty(torch.float32, *value.shape) for name, value in network.named_parameters()}
    parameters |= {
        f"session_parameters.{number}.{name}": _empty(torch.float32, *shape)
        for number in range(heads)
        for name, shape in network.layout().session.items()
    }
    if isinstance(method, EwcConfig | MasConfig):
        found |= {f"importance/{name}": value for name, value in parameters.items()}
    if isinstance(method, EsmerConfig):
        found |= {"mean": _empty(torch.float32), "steps": _empty(torch.int64)}
        found |= {f"network/{name}": value for name, value in parameters.items()}
    return {f"buffer/{name}": value for name, value in found.items()}


def _empty(dtype: torch.dtype, *shape: int) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def _sizes(tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> dict[str, int]:
    """Bytes by kind, and those of the safetensors header that names them."""
    sizes, at = dict[str, int](), 0
    header: dict[str, Any] = {"__metadata__": {"notes": json.dumps(notes)}}
    laid = sorted(tensors.items(), key=lambda item: (list(_DTYPES).index(item[1].dtype), item[0]))
    for name, tensor in laid:
        kind, size = name.split("/")[0], tensor.numel() * tensor.element_size()
        sizes[kind] = sizes.get(kind, 0) + size
        header[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, at + size]}
        at += size
    text = len(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode())
    return {**sizes, "container": 8 + 8 * math.ceil(text / 8)}
