"""The Fourier operator, forward and backward, against the convolution path of its block."""

import math
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from vcl import config as configs
from vcl.config import NervConfig, PfnrConfig, RunConfig
from vcl.device import prepared
from vcl.errors import ConfigError
from vcl.layers.upsample import UpsampleBlock
from vcl.profiling.machine import peak
from vcl.profiling.subjects import dense
from vcl.profiling.table import Table, rows_of, setting_of
from vcl.profiling.timing import Subject, take_turns, timed
from vcl.sessions.methods import METHODS

ROUNDS = 9


def measure(config: RunConfig, rounds: int) -> Table:
    """Time the operator with dense and with masked weights.

    Raises:
        ConfigError: the method is not PFNR, or the block has no convolution in parallel with the operator.
    """
    backbone = config.backbone
    if not isinstance(config.method, PfnrConfig) or not isinstance(backbone, NervConfig):
        raise ConfigError(f"method.name must be pfnr to have an operator, got {config.method.name}")
    if backbone.operator_path != "sum":
        raise ConfigError(f"backbone.operator_path must be sum to be measured, got {backbone.operator_path}")
    config = replace(config, train=replace(config.train, precision="float32"))  # As the spectrum always is.
    config, device = prepared(config)
    scale = math.prod(backbone.strides[backbone.operator_block - 1 :])
    size = (config.stream.size[0] // scale, config.stream.size[1] // scale)
    block = _block(dense(config), backbone.operator_block, device)
    masked = _block(config, backbone.operator_block, device)
    assert block.operator is not None
    in_channels = block.operator.positive_real.shape[2]
    x = torch.rand(config.train.batch, in_channels, *size, device=device).contiguous(memory_format=torch.channels_last)
    subjects = {
        "convolution": _forward_and_backward(_only(block, "conv"), x),
        "operator, dense": _forward_and_backward(_only(block, "operator"), x),
        "operator, masked": _forward_and_backward(_only(masked, "operator"), x),
    }
    machine_peak = peak(device, "float32")
    rows = rows_of(take_turns(subjects, rounds, device), "convolution", 1, machine_peak)
    setting = setting_of(
        config, device, machine_peak, rounds=rounds, operator_block=backbone.operator_block, input=list(size)
    )
    return Table(
        "fourier",
        "the convolution path of the same block",
        "milliseconds, forward and backward",
        rows,
        setting,
        configs.to_dict(config),
    )


def _block(config: RunConfig, number: int, device: torch.device) -> UpsampleBlock:
    network = METHODS[config.method.name].network(config, 1).to(device)
    network.reset_parameters(config.train.seed)
    block = network.get_submodule(f"blocks.{number - 1}")
    assert isinstance(block, UpsampleBlock)
    return block


def _only(block: UpsampleBlock, path: Literal["conv", "operator"]) -> UpsampleBlock:
    return UpsampleBlock(
        block.conv if path == "conv" else None, block.operator if path == "operator" else None, block.stride
    )


def _forward_and_backward(block: UpsampleBlock, x: Tensor) -> Subject:
    x = x.clone().requires_grad_()

    def work() -> None:
        output = block(x)
        torch.autograd.backward(output, output.detach())
        block.zero_grad()
        x.grad = None

    return timed(work)
