"""Winning subnetworks."""

from typing import Any

from vcl import backbones
from vcl.backbones import Backbone
from vcl.config import MethodConfig, RunConfig, WsnConfig
from vcl.sessions.strategy import VideoStrategy
from vcl.sessions.subnetworks import Subnetworks
from vcl.subnet.ledger import Ledger


class Wsn(VideoStrategy):
    """A learned mask a session over shared weights; weights that a session used stay as they are.

    Source:
        Kang et al., ICML 2022 (winning subnetworks), with the networks and the re-drawn scores of Kang et al., ICLR
        2024, arXiv:2306.11305. Differs: the mask's count is exact and scores are ranked by magnitude everywhere.
    """

    keeps = "masks"

    @classmethod
    def network(cls, config: RunConfig, sessions: int) -> Backbone:
        """With scores on every shared weight."""
        method = config.method
        assert isinstance(method, WsnConfig)
        return backbones.build(config.backbone, config.stream.size, sessions, method.capacity)

    @classmethod
    def own_plugins(cls, config: MethodConfig, ledger: Ledger, seed: int) -> list[Any]:
        """Redraws the scores and guards sealed weights."""
        assert isinstance(config, WsnConfig)
        return [Subnetworks(ledger, config.reinit, seed)]
