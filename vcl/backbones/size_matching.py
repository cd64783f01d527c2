"""The widest network of a family that stays within a size."""

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

_TOLERANCE = 0.01
"""Share of a number of parameters by which it may be missed."""

Build = Callable[[BackboneConfig], Backbone]


def match_bytes(config: BackboneConfig, most_bytes: int, build: Build, bits: float | None = None) -> BackboneConfig:
    """The widest network whose weights and one session's tensors take no more bytes.

    Args:
        config: the family, as of ``widest``.
        most_bytes: of the weights and one session's tensors.
        build: a config to a network.
        bits: of a weight, as in ``MethodConfig.bits``; what entropy coding saves of them is not counted.

    Raises:
        ConfigError: not even widths of 1 fit.
    """

    def fits(network: Backbone) -> bool:
        weights, own, _ = numbers_of(network)
        return weights * (bits or 32) + own * (OWN_BITS if bits else 32) <= 8 * most_bytes

    matched = widest(config, fits, build)
    if matched is None:
        raise ConfigError(f"method.session_bytes must hold the smallest network of this kind, got {most_bytes}")
    return matched


def match_numbers(config: BackboneConfig, frames: int, build: Build) -> BackboneConfig:
    """The network that has as many numbers as ``config.size`` says: weights, a session's own, and those of its frames.

    Args:
        config: the family, as of ``widest``.
        frames: of a video.
        build: a config to a network.

    Returns:
        The same without ``size``.

    Raises:
        ConfigError: no network comes within 1 %.
    """

    def count(network: Backbone) -> int:
        return sum(numbers_of(network, frames))

    target, family = config.numbers or 0, replace(config, size=None)
    if not config.widths:
        raise ConfigError(f"backbone.size must be null, as {config.name} names no widths to scale, got {config.size}")
    matched = None
    for most in (target, (1 + _TOLERANCE) * target):
        matched = widest(family, lambda network, most=most: count(network) <= most, build)  # type: ignore[misc]
        if matched is not None and count(_on_meta(matched, build)) >= (1 - _TOLERANCE) * target:
            return matched
    rule = f"backbone.size must be met within {_TOLERANCE:.0%} by the network's widths, got {config.size}"
    if matched is None:
        raise ConfigError(f"{rule}, and the narrowest network has more numbers")
    raise ConfigError(f"{rule}; the nearest below is {count(_on_meta(matched, build)):,}")


def numbers_of(network: Backbone, frames: int = 1) -> tuple[int, int, int]:
    """Numbers of a network's shared weights, of one session's own tensors, and of the frames of its video."""
    layout = network.layout()
    shared, own = (sum(math.prod(shape) for shape in shapes.values()) for shapes in (layout.weights, layout.session))
    return shared, own, layout.frame_numbers(frames)


def widest(config: BackboneConfig, fits: Callable[[Backbone], bool], build: Build) -> BackboneConfig | None:
    """Scale all widths of a network by one factor as far as it fits; then turn its fine knob.

    Nothing is allocated: networks are built on the meta device.

    Args:
        config: the family; its ``widths`` are scaled, up or down.
        fits: whether a network is small enough.
        build: a config to a network.

    Returns:
        The config with other widths; None where not even widths of 1 fit.
    """

    def holds(candidate: BackboneConfig | None) -> bool:
        return candidate is not None and fits(_on_meta(candidate, build))

    def scaled(thousandths: int) -> BackboneConfig | None:
        """None where the widths are more than any network has."""
        while True:
            widths: dict[str, Any] = {
                key: max(1, width * thousandths // 1000) for key in config.widths if (width := getattr(config, key))
            }
            try:
                return replace(config, **widths)
            except ConfigError:  # Too narrow for the rest of the config, such as ``expansion``, or too wide.
                if thousandths >= 1000:
                    return None
                thousandths += 1

    smallest = scaled(0)
    if smallest is None or not holds(smallest):
        return None
    coarse = scaled(_largest(lambda share: holds(scaled(share)), 1000)) or smallest
    knob, step = config.fine_knob
    if not knob or (knob in config.widths and not getattr(coarse, knob)):  # Of a layer that the network does without.
        knob, step = config.widths[-1], 1

    def finer(steps: int) -> BackboneConfig | None:
        turned: dict[str, Any] = {knob: getattr(coarse, knob) + step * steps}
        try:
            return replace(coarse, **turned)
        except ConfigError:
            return None

    return finer(_largest(lambda steps: holds(finer(steps)), 16)) or coarse


def _on_meta(config: BackboneConfig, build: Build) -> Backbone:
    with torch.device("meta"):
        return build(config)


def _largest(holds: Callable[[int], bool], guess: int) -> int:
    """The largest number for which ``holds``, which is true up to it and false beyond."""
    low, high = 0, max(1, guess)
    while holds(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
