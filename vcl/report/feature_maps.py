"""What the layers of a network give while it decodes: variance and spectrum of its feature maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from vcl.backbones import Backbone
from vcl.layers.activation import ACTIVATIONS
from vcl.layers.light import LightBlock
from vcl.layers.masked import MaskedWeight
from vcl.layers.temporal import ScaleUp
from vcl.layers.upsample import UpsampleBlock, pixel_shuffle
from vcl.metrics.spectrum import frequencies, map_variance, radial_amplitude

SUM, CONVOLUTION, OPERATOR = "with the operator", "convolution alone", "operator alone"
"""The paths of a block with a Fourier operator; its output before activation is the sum of the two others."""

_Block = UpsampleBlock | LightBlock | ScaleUp


@dataclass(frozen=True)
class Curve:
    """A spectrum of a block.

    Args:
        group: the block, such as ``block 1``.
        path: one of those above; empty in a block without operator.
    """

    group: str
    path: str = ""

    @property
    def name(self) -> str:
        """``block 1, operator alone``, or the block where it has one path."""
        return ", ".join(filter(None, (self.group, self.path)))


@dataclass(frozen=True)
class MapNumbers:
    """Means over frames.

    Args:
        variance: by layer, in the order in which the network lists them: ``map_variance`` of what it gives.
        amplitude: by curve: ``frequencies`` and ``radial_amplitude`` of what a block gives before its activation.
    """

    variance: Mapping[str, float]
    amplitude: Mapping[Curve, tuple[Tensor, Tensor]]


class FeatureMaps:
    """Watches a network while it decodes; a context, after which the network is as it was.

    A layer is a child of the network, or of a list of its children, that gives feature maps ``(B, C, H, W)``; others
    have no variance over positions. Its output is after its activation where the layer itself activates. An up-sampling
    block also has spectra: of the output before its activation, at its full size, and, where it has a Fourier operator,
    of its two paths.

    Args:
        network: of any shape; where no layer gives maps, there are no numbers.
    """

    def __init__(self, network: Backbone) -> None:
        self._layers = {name: layer for name, layer in _layers(network) if not isinstance(layer, UpsampleBlock)}
        self._order = [name for name, _ in _layers(network)]
        self._blocks = {name: block for name, block in network.named_modules() if isinstance(block, _Block)}
        self._handles: list[RemovableHandle] = []
        self._paths: dict[str, dict[str, Tensor]] = {}
        self._variances: dict[str, list[Tensor]] = {}
        self._amplitudes: dict[Curve, list[Tensor]] = {}
        self._frequencies: dict[Curve, Tensor] = {}

    def __enter__(self) -> FeatureMaps:
        for name, layer in self._layers.items():
            self._handles.append(layer.register_forward_hook(partial(self._see_layer, name)))
        for name, block in self._blocks.items():
            for path, module in _modules(block).items():
                self._handles.append(module.register_forward_hook(partial(self._see_path, name, path)))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def take(self) -> MapNumbers:
        """Means over the frames that were decoded since the last call."""
        variance = {name: _mean(self._variances[name]).item() for name in self._order if name in self._variances}
        amplitude = {curve: (self._frequencies[curve], _mean(rows)) for curve, rows in self._amplitudes.items()}
        self._variances, self._amplitudes = {}, {}
        return MapNumbers(variance, amplitude)

    def _see_layer(self, name: str, layer: nn.Module, inputs: Any, output: Any) -> None:
        if _is_maps(output):
            self._variances.setdefault(name, []).append(map_variance(output))

    def _see_path(self, name: str, path: str, module: nn.Module, inputs: Any, output: Tensor) -> None:
        """Keep what a path gives until the others have given theirs: a network may call them without their block."""
        block, paths = self._blocks[name], self._paths.setdefault(name, {})
        paths[path] = output
        if len(paths) < len(_modules(block)):
            return
        maps = block_paths(block, self._paths.pop(name))
        if isinstance(block, UpsampleBlock):
            self._see_layer(name, block, inputs, ACTIVATIONS[block.activation](next(iter(maps.values()))))
        for path, features in maps.items():
            if min(features.shape[-2:]) >= 2:
                curve = Curve(group_of(name), path)
                self._amplitudes.setdefault(curve, []).append(radial_amplitude(features))
                self._frequencies[curve] = frequencies((features.shape[-2], features.shape[-1]))


def block_paths(block: _Block, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a block gives before its activation, at its full size, and its paths.

    Args:
        block: of up-sampling.
        outputs: of its convolution and of its operator, by path, as they give them.

    Returns:
        By path, the sum first; with one path alone, that path, whose name is empty if it is the convolution.
    """
    maps = {path: outputs[path].float() for path in (CONVOLUTION, OPERATOR) if path in outputs}
    if CONVOLUTION in maps and isinstance(block, UpsampleBlock):
        maps[CONVOLUTION] = pixel_shuffle(maps[CONVOLUTION], block.stride)
    if len(maps) == 1:
        return maps if OPERATOR in maps else {"": maps[CONVOLUTION]}
    return {SUM: maps[CONVOLUTION] + maps[OPERATOR], **maps}


def group_of(name: str) -> str:
    """Name a block as the config counts them, ``block 1`` for ``blocks.0``; others by their path in the network."""
    where, _, number = name.removesuffix(".scale_up").rpartition(".")
    return f"block {int(number) + 1}" if where == "blocks" else name.removesuffix(".scale_up")


def _layers(network: Backbone) -> Iterator[tuple[str, nn.Module]]:
    for name, child in network.named_children():
        if isinstance(child, nn.ModuleList):
            yield from ((f"{name}.{number}", item) for number, item in enumerate(child))
        elif not isinstance(child, MaskedWeight):
            yield name, child


def _modules(block: _Block) -> dict[str, nn.Module]:
    """The paths of a block, as the modules that make them."""
    convolution = block.up if isinstance(block, LightBlock) else block.conv
    return {
        path: module for path, module in ((CONVOLUTION, convolution), (OPERATOR, block.operator)) if module is not None
    }


def _is_maps(output: Any) -> bool:
    """Whether a layer gives maps, of two positions or more."""
    return (
        isinstance(output, Tensor)
        and output.dim() == 4
        and output.shape[-2:].numel() > 1
        and output.is_floating_point()
    )


def _mean(rows: list[Tensor]) -> Tensor:
    """Over all frames of all batches."""
    return torch.cat(rows).mean(0).cpu()
