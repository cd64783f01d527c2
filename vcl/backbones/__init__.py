"""Networks: embedding to frame; the table of them stands in ``vcl.config.backbones``."""

from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from inspect import isabstract

from vcl.backbones import roles
from vcl.backbones.base import Backbone
from vcl.backbones.size_matching import match_bytes, match_numbers
from vcl.config import BackboneConfig, RunConfig, SingleConfig, SingleMatchedConfig
from vcl.config.backbones import BACKBONES as _REGISTRY
from vcl.errors import ConfigError
from vcl.layers.init import LeaveUndrawn
from vcl.layers.masked import WeightRule
from vcl.layers.own import SessionTensor

BACKBONES: MutableMapping[str, type[Backbone]] = _REGISTRY.implementations
"""Name to network, imported once it is looked up."""

DENSE = WeightRule()


def build(
    config: BackboneConfig,
    size: tuple[int, int],
    sessions: int,
    rule: WeightRule = DENSE,
    exceptions: Mapping[str, WeightRule] | None = None,
) -> Backbone:
    """An untrained network, without session tensors; its weights are drawn by ``reset_parameters``.

    Args:
        config: its knobs; the name chooses its class.
        size: height and width of a frame, pixels.
        sessions: videos in the stream, for networks whose input depends on it.
        rule: how sessions share the weights; by default the network is dense.
        exceptions: rules of the weights whose name matches a pattern such as ``*.operator.*``, the first that matches.

    Raises:
        ConfigError: the network cannot make frames of this size, or holds numbers that no session would store.
    """
    kind = BACKBONES[config.name]
    if not (isinstance(kind, type) and issubclass(kind, Backbone)) or isabstract(kind):
        raise ConfigError(f"the backbone {config.name} must extend Backbone and have decode")
    with LeaveUndrawn():
        network = kind(config, size, sessions)
    patterns = dict(exceptions or {})
    network.apply_rule(lambda name: next((patterns[p] for p in patterns if fnmatchcase(name, p)), rule))
    roles.check(network)
    return network


def of_run(config: RunConfig, sessions: int) -> Backbone:
    """The dense network that decodes the videos of a run, as ``build`` makes it.

    Raises:
        ConfigError: the network cannot make frames of this size, or none is as small as the method needs.
    """
    return build(resolved(config).backbone, config.stream.size, sessions)


def sized(config: RunConfig, frames: int | None = None) -> RunConfig:
    """The config with the widths that ``backbone.size`` asks for; arguments and errors as of ``resolved``."""
    if config.backbone.size is None:
        return config
    frames = frames or config.stream.frames or 1
    return replace(config, backbone=_sized(config.backbone, config.stream.size, frames))


def resolved(config: RunConfig, frames: int | None = None) -> RunConfig:
    """The config with every width known: ``single_matched`` becomes ``single`` with the widths that fit.

    Args:
        config: of the run.
        frames: of its longest video, which ``backbone.size`` counts; by default ``stream.frames``.

    Raises:
        ConfigError: no network is as small as the method needs, or as large as ``backbone.size`` says.
    """
    config = sized(config, frames)
    if not isinstance(config.method, SingleMatchedConfig):
        return config
    method = config.method
    backbone = _matched(config.backbone, config.stream.size, method.session_bytes, method.bits)
    return replace(
        config, backbone=backbone, method=SingleConfig(bits=method.bits, quantised_share=method.quantised_share)
    )


@lru_cache
def _matched(backbone: BackboneConfig, size: tuple[int, int], session_bytes: int, bits: float | None) -> BackboneConfig:
    """The backbone with the widths that fit; the search takes seconds at the size of the paper."""
    return match_bytes(backbone, session_bytes, lambda candidate: build(candidate, size, 1), bits)


@lru_cache
def _sized(backbone: BackboneConfig, size: tuple[int, int], frames: int) -> BackboneConfig:
    """The backbone with the widths that ``backbone.size`` asks for."""
    return match_numbers(backbone, frames, lambda candidate: build(candidate, size, 1))


__all__ = ["BACKBONES", "Backbone", "SessionTensor", "build", "of_run", "resolved", "sized"]
