"""What networks of up-sampling blocks have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from vcl.config.backbones import UpsamplingConfig
from vcl.errors import ConfigError
from vcl.layers.fourier import FourierOperator
from vcl.layers.upsample import UpsampleBlock


def grid_of(
    size: tuple[int, int], strides: Sequence[int], knob: str = "backbone.strides", halved: bool = False
) -> tuple[int, int]:
    """Height and width of the map that the first block takes, or an encoder with such strides gives.

    Args:
        size: of a frame, pixels.
        strides: of the blocks.
        knob: name of the strides.
        halved: whether what blocks make and encoders take has half a frame's sides.

    Raises:
        ConfigError: the sides are no multiples of the strides' product.
    """
    scale = math.prod(strides) * (2 if halved else 1)
    if size[0] % scale or size[1] % scale:
        product = f"{'twice ' if halved else ''}the product of {knob}"
        nearest = [max(1, round(side / scale)) * scale for side in size]
        raise ConfigError(f"stream.size must be multiples of {scale}, {product}, got {list(size)}; {nearest} would do")
    return size[0] // scale, size[1] // scale


def check_normed(grid: tuple[int, int], config: UpsamplingConfig) -> None:
    """Refuse a first map that cannot be normalised.

    Args:
        grid: its height and width.
        config: of the network.

    Raises:
        ConfigError: it has one pixel.
    """
    if math.prod(grid) < 2:
        rule = "leave a first map of two pixels or more, which is normalised"
        raise ConfigError(f"backbone.strides must {rule}, got {list(config.strides)}, which leave one")


def up_blocks(
    config: UpsamplingConfig, grid: tuple[int, int], widths: Sequence[int], kernels: Sequence[int], bias: bool
) -> nn.ModuleList:
    """One block for each stride, one of them with the operator where the config says so.

    Args:
        config: of the network.
        grid: height and width of the map that the first block takes.
        widths: channels of that map and of what each block gives.
        kernels: sides of the convolutions, by block.
        bias: whether convolutions have biases.

    Raises:
        ConfigError: the map that the operator takes is too small.
    """
    blocks, size = nn.ModuleList(), grid
    for number, stride in enumerate(config.strides):
        (inputs, outputs), kernel = widths[number : number + 2], kernels[number]
        operator = operator_of(config, number, (inputs, outputs), size)
        alone = operator is not None and config.operator_path == "only"
        conv = None if alone else nn.Conv2d(inputs, outputs * stride**2, kernel, padding=kernel // 2, bias=bias)
        blocks.append(UpsampleBlock(conv, operator, stride, config.activation))
        size = size[0] * stride, size[1] * stride
    return blocks


def operator_of(
    config: UpsamplingConfig, block: int, channels: tuple[int, int], size: tuple[int, int]
) -> FourierOperator | None:
    """The operator of a block; None where the config says that it has none.

    Args:
        config: of the network.
        block: its index, from 0.
        channels: of what it takes and of what it gives.
        size: height and width of the map that it takes.

    Raises:
        ConfigError: that map is too small.
    """
    if block + 1 != config.operator_block:
        return None
    if min(size) < 2:
        raise ConfigError(f"backbone.operator_block must have an input of 2 px or more a side, got {size}")
    return FourierOperator(*channels, size, config.operator_spectrum)


def largest_of(grid: tuple[int, int], widths: Sequence[int], strides: Sequence[int]) -> int:
    """Numbers of the largest map between blocks; arguments as of ``up_blocks``."""
    scales = [math.prod(strides[:number]) for number in range(len(widths))]
    return max(math.prod(grid) * scale**2 * width for scale, width in zip(scales, widths, strict=True))
