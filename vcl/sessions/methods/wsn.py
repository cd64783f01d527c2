"""Winning subnetworks."""

from typing import Any

from vcl import backbones
from vcl.backbones import Backbone
from vcl.config import MethodConfig, RunConfig, WsnConfig
from vcl.layers.masked import WeightRule
from vcl.sessions.mask_rate import MaskRate
from vcl.sessions.strategy import VideoStrategy
from vcl.sessions.subnetworks import Subnetworks
from vcl.subnet.ledger import Ledger


class Wsn(VideoStrategy):
    """One learned mask per session over shared weights; weights that a session used stay as they are.

    Source:
        Kang et al., ICML 2022 (winning subnetworks), with the networks and the re-drawn scores of Kang et al., ICLR
        2024, arXiv:2306.11305. Differs: the mask's count is exact and scores are ranked by magnitude everywhere.
    """

    state_kind = "shared_masked"

    @classmethod
    def network(cls, config: RunConfig, sessions: int) -> Backbone:
        """With scores on every shared weight."""
        method = config.method
        assert isinstance(method, WsnConfig)
        rule = WeightRule(method.capacity, method.mask_unit)
        return backbones.build(config.backbone, config.stream.size, sessions, rule)

    @classmethod
    def own_plugins(cls, config: MethodConfig, ledger: Ledger, seed: int) -> list[Any]:
        """What draws the scores anew and restores sealed weights, and the price of masks if they have one."""
        assert isinstance(config, WsnConfig)
        subnetworks = Subnetworks(ledger, config.reinit, seed)
        return [subnetworks, *([MaskRate(ledger, config.mask_rate, seed, config.reinit)] if config.mask_rate else [])]
