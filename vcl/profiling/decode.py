"""Frames per second of a sealed session, against the plain dense network."""

import time
from dataclasses import replace

import torch

from vcl import backbones
from vcl import config as configs
from vcl.config import RunConfig
from vcl.device import at_precision, prepared
from vcl.profiling.machine import peak
from vcl.profiling.subjects import closed_ledger, plain, with_and_without_operator
from vcl.profiling.table import Table, rows_of, setting_of
from vcl.profiling.timing import Subject, take_turns, timed
from vcl.render import BATCH, Renderer
from vcl.video.pixels import to_uint8

BATCHES = 2

ROUNDS = 5


def measure(config: RunConfig, rounds: int) -> Table:
    """Time decoding to uint8 frames; for PFNR also with WSN, the same network without its operator.

    A session's effective weights are built once, beforehand; the time of that is part of the setting.
    """
    config, device = prepared(config)
    config = replace(config, train=replace(config.train, batch=BATCH, precision=config.matrix.precision))
    subjects = {"plain dense": _plain(config, device)}
    loading: dict[str, float] = {}
    for variant in with_and_without_operator(config):
        ledger, renderer = closed_ledger(variant, device=device), _renderer(variant, device)
        started = time.perf_counter()
        renderer.load(ledger.subnetwork(0))
        loading[f"{variant.method.name}_loaded_in_ms"] = round(1e3 * (time.perf_counter() - started), 1)
        subjects[variant.method.name] = _decoding(renderer)
    machine_peak = peak(device, config.train.precision)
    rows = rows_of(take_turns(subjects, rounds, device), "plain dense", BATCH * BATCHES, machine_peak)
    rated = tuple(replace(row, more={"frames_per_second": 1e3 / row.milliseconds}) for row in rows)
    setting = setting_of(config, device, machine_peak, rounds=rounds, frames=BATCH * BATCHES, **loading)
    return Table("decode", "the plain dense network", "milliseconds per frame", rated, setting, configs.to_dict(config))


def _renderer(config: RunConfig, device: torch.device) -> Renderer:
    return Renderer(backbones.of_run(config, 1).to(device), config.matrix.precision)


def _plain(config: RunConfig, device: torch.device) -> Subject:
    network, embedding = plain(config, device)

    @torch.inference_mode()
    def decode() -> None:
        for _ in range(BATCHES):
            with at_precision(device, config.matrix.precision):
                frames = network(embedding)
            to_uint8(frames.float()).cpu()

    return timed(decode)


def _decoding(renderer: Renderer) -> Subject:
    def decode() -> None:
        for frames in renderer.frames(0, BATCH * BATCHES):
            to_uint8(frames).cpu()

    return timed(decode)
