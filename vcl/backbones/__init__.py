"""Networks: embedding to frame; a table from name to class."""

from vcl.backbones.base import Backbone
from vcl.backbones.nerv import Nerv
from vcl.config import BackboneConfig

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


__all__ = ["BACKBONES", "Backbone", "build"]
