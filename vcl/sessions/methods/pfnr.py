"""Progressive Fourier neural representation."""

from dataclasses import replace

from vcl import backbones
from vcl.backbones import Backbone
from vcl.config import PfnrConfig, RunConfig
from vcl.layers.masked import WeightRule
from vcl.sessions.methods.wsn import Wsn


class Pfnr(Wsn):
    """Winning subnetworks over a network with a Fourier subneural operator, whose weights are masked like the others.

    Source:
        Kang et al., ICLR 2024, arXiv:2306.11305. Differs: see ``FourierOperator`` and ``Wsn``; the switches back are
        ``backbone.operator_path``, ``backbone.operator_spectrum`` and ``method.signed_operator_scores``.
    """

    @classmethod
    def network(cls, config: RunConfig, sessions: int) -> Backbone:
        """With scores on every shared weight, the operator's ranked by value if ``signed_operator_scores``."""
        method = config.method
        assert isinstance(method, PfnrConfig)
        rule = WeightRule(method.capacity, method.mask_unit)
        operator = replace(rule, signed=method.signed_operator_scores)
        return backbones.build(config.backbone, config.stream.size, sessions, rule, {"*.operator.*": operator})
