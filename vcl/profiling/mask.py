"""Ranking all scores of a network, against its training step."""

from dataclasses import replace

import torch

from vcl.config import RunConfig, WsnConfig
from vcl.device import prepared
from vcl.errors import ConfigError
from vcl.profiling.machine import peak
from vcl.profiling.subjects import our_steps
from vcl.profiling.table import Table, rows_of, setting_of
from vcl.profiling.timing import take_turns, timed
from vcl.sessions.methods import METHODS

ROUNDS = 5


def measure(config: RunConfig, rounds: int) -> Table:
    """Time a step, the ranking in it, and masked weights forward and backward.

    Raises:
        ConfigError: the method has no masks.
    """
    if not isinstance(config.method, WsnConfig):
        raise ConfigError(f"method.name must be wsn or pfnr to rank scores, got {config.method.name}")
    config, device = prepared(config)
    network = METHODS[config.method.name].network(config, 1).to(device)
    network.reset_parameters(config.train.seed)
    weights = list(network.weights().values())
    scores = sum(weight.value.numel() for weight in weights)

    def rank() -> None:
        for weight in weights:
            weight.mask()

    def forward_and_backward() -> None:
        for weight in weights:
            masked = weight()
            torch.autograd.backward(masked, masked.detach())
            weight.zero_grad()

    subjects = {
        "step": our_steps(config, 1, device),
        "ranking": timed(rank),
        "masked weights, forward and backward": timed(forward_and_backward),
    }
    measured = take_turns(subjects, rounds, device)
    # The bytes that any implementation must move: a score is read and a bit of mask written; then a weight and the
    # mask's bit are read and a weight is written, and backward three numbers are read and two written.
    least = {"ranking": scores * 4.125, "masked weights, forward and backward": scores * (4.125 + 8 + 20)}
    measured.update({name: replace(measured[name], bytes=int(moved)) for name, moved in least.items()})
    machine_peak = peak(device, config.train.precision)
    step, *others = rows_of(measured, "step", 1, machine_peak)
    rows = (
        replace(step, gbytes_per_second=None, share_of_gbytes=None),
        *(replace(row, gflop_per_second=None, share_of_gflop=None) for row in others),
    )
    setting = setting_of(config, device, machine_peak, rounds=rounds, scores=scores)
    return Table("mask", "a training step", "milliseconds", rows, setting)
