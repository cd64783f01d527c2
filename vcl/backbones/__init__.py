"""Networks: embedding to frame; a table from name to class."""

from vcl.backbones.base import Backbone
from vcl.backbones.narrow import narrowed
from vcl.backbones.nerv import Nerv
from vcl.config import BackboneConfig, RunConfig, SingleMatchedConfig

BACKBONES: dict[str, type[Backbone]] = {"nerv": Nerv}
"""Name to network, a line each; the knobs of each stand in ``vcl.config``."""


def build(
    config: BackboneConfig,
    size: tuple[int, int],
    sessions: int,
    capacity: float | None = None,
    signed_operator_scores: bool = False,
) -> Backbone:
    """An untrained network, without heads; its values are whatever the memory held until ``draw`` is called.

    Args:
        config: its knobs; the name chooses the class.
        size: height and width of a frame, pixels.
        sessions: videos in the stream, for the parity switch that needs to know.
        capacity: share of the weights in one session's mask; None for a dense network.
        signed_operator_scores: rank the operator's scores by value (parity).

    Raises:
        ConfigError: the network cannot make frames of this size.
    """
    return BACKBONES[config.name](config, size, sessions, capacity, signed_operator_scores)


def of_run(config: RunConfig, sessions: int) -> Backbone:
    """The dense network that a run's videos are decoded with; as ``build`` gives it.

    Raises:
        ConfigError: the network cannot make frames of this size, or none is as small as the method asks for.
    """
    backbone, size = config.backbone, config.stream.size
    if isinstance(config.method, SingleMatchedConfig):
        backbone = narrowed(backbone, config.method.session_bytes, lambda narrow: build(narrow, size, sessions))
    return build(backbone, size, sessions)


__all__ = ["BACKBONES", "Backbone", "build", "of_run"]
