"""The widest network of a family that fits into a number of bytes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from vcl.backbones.base import Backbone
from vcl.config import BackboneConfig
from vcl.errors import ConfigError
from vcl.layers.quantise import OWN_BITS


def match_size(
    config: BackboneConfig, most_bytes: int, build: Callable[[BackboneConfig], Backbone], bits: float | None = None
) -> BackboneConfig:
    """Scale all widths of a network by one factor so that it fits; then widen the stem alone.

    Nothing is allocated: networks are built on the meta device.

    Args:
        config: the family; its ``widths`` are scaled, up or down.
        most_bytes: of the weights and one session's tensors.
        build: a config to a network.
        bits: of a weight, as in ``MethodConfig.bits``; what entropy coding saves of them is not counted.

    Raises:
        ConfigError: not even widths of 1 fit.
    """

    def fits(candidate: BackboneConfig | None) -> bool:
        if candidate is None:
            return False
        with torch.device("meta"):
            network = build(candidate)
        weights = sum(shape.numel() for shape in network.shapes().values())
        own = sum(math.prod(tensor.shape) for tensor in network.session_tensors.values())
        return weights * (bits or 32) + own * (OWN_BITS if bits else 32) <= 8 * most_bytes

    def scaled(thousandths: int) -> BackboneConfig | None:
        """None where the widths are more than any network has."""
        while True:
            widths: dict[str, Any] = {key: max(1, getattr(config, key) * thousandths // 1000) for key in config.widths}
            try:
                return replace(config, **widths)
            except ConfigError:  # Too narrow for the rest of the config, such as ``expansion``, or too wide.
                if thousandths >= 1000:
                    return None
                thousandths += 1

    def widened(stem: int) -> BackboneConfig | None:
        first: dict[str, Any] = {config.widths[0]: stem}
        try:
            return replace(scaled_config or config, **first)
        except ConfigError:
            return None

    smallest = scaled(0)
    if smallest is None or not fits(smallest):
        raise ConfigError(f"method.session_bytes must hold the smallest network of this kind, got {most_bytes}")
    scaled_config = scaled(_largest(lambda share: fits(scaled(share)), 1000))
    stem = getattr(scaled_config, config.widths[0])
    return widened(_largest(lambda width: fits(widened(width)), stem)) or scaled_config or smallest


def _largest(holds: Callable[[int], bool], guess: int) -> int:
    """The largest number for which ``holds``, which is true up to it and false beyond."""
    low, high = 0, max(1, guess)
    while holds(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
