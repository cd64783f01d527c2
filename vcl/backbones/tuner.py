"""TUNER: sines of frozen frequencies, and a layer of sines whose bounded weights keep their harmonics in a band."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from vcl.backbones.pixels import PixelBackbone
from vcl.config import BackboneConfig
from vcl.config.backbones import TunerConfig
from vcl.layers import init
from vcl.layers.constant import constant
from vcl.layers.own import SessionTensor
from vcl.layers.sine import BoundedSine
from vcl.layers.spectrum import Frequencies, frequencies
from vcl.query import Batch, Output

_LENGTH = 2
"""Of each axis of the coordinates, from -1 to 1."""


class Tuner(PixelBackbone):
    """Sines of whole frequencies with phases of each session, a layer of bounded weights, and a linear one to colours.

    Whatever the weights are, what it decodes repeats after a period, which is longer than a video is. Its spectrum is
    that of sums of the frequencies, which fall off fast as the bounds are small: the sines reach ``band`` of what the
    pixels of a frame can show, and their harmonics are the rest.

    With ``rounds`` a session trains, lets go of the frequencies whose columns of weights are smallest, has others come
    in their place, trains on, and so forth; its tensor ``live`` is 1 for those in use, 0 for those that are gone and -1
    for those that wait. A dense network stores 0 in the columns that none of its videos uses. Under masks they are
    stored as they are: later sessions may use them.

    Args:
        config: a ``TunerConfig``.
        size: height and width of a frame, pixels; any.
        sessions: not used.

    Source:
        Novello et al., CVPR 2025. Differs: made for images; the third axis and its band are ours, as is the form of
        the bounds, see ``BoundedSine``. Of pruning, only that columns of small weight go and new frequencies come is
        known to us: how many and when, and that weights are measured by their bounds, is ours.
    """

    recordable: ClassVar = True
    frequency: Tensor

    def __init__(self, config: BackboneConfig, size: tuple[int, int], sessions: int) -> None:
        super().__init__(config, size, sessions)
        assert isinstance(config, TunerConfig)
        self.points, self.config, self.per_pixel = config.points, config, config.width
        self.rounds = config.rounds
        highest = [max(1, round(config.band * pixels * config.period / (2 * _LENGTH))) for pixels in size]
        band = (config.time_band, *highest)
        low = (config.time_band, *(min(config.low_band, end) for end in highest))
        turns, is_low = frequencies(config.width, low, band, config.low_share)
        if config.reserve:
            order = _mixed(turns)
            turns, is_low = turns[order], is_low[order]
        period = np.array([config.time_period, config.period, config.period])
        frequency = constant(lambda: torch.from_numpy(turns * (2 * math.pi / period)).float())
        bound = constant(lambda: torch.from_numpy(np.where(is_low, config.low_bound, config.high_bound)).float())
        self.register_buffer("frequency", frequency, persistent=False)
        self.hidden = BoundedSine(config.width, config.width, config.omega, bound)

    @property
    def session_tensors(self) -> Mapping[str, SessionTensor]:
        """Phases of the first layer, biases of the second, a head and its bias; with ``rounds``, what is live."""
        width, omega = self.config.width, self.config.omega
        return {
            "phase": SessionTensor((width,), "uniform", 1 / math.pi**2),
            "hidden_bias": SessionTensor((width,), "uniform", width),
            "head": SessionTensor((3, width), "uniform", width * omega**2 / 6),
            "head_bias": SessionTensor((3,), "zeros"),
            **({"live": SessionTensor((width,), "ones")} if self.rounds else {}),
        }

    @torch.no_grad()
    def add_session(self, seed: int) -> None:
        """Add the next session's own tensors; the last frequencies wait."""
        super().add_session(seed)
        if waiting := int(self.config.reserve * self.config.width):
            self.session_dicts()[-1]["live"][-waiting:] = -1

    @torch.no_grad()
    def restructure(self, session: int) -> None:
        """End a round: the weakest of the session's live frequencies go, and the first of those that wait come.

        A frequency is as strong as the sum of its column of |W| / ``bound``: first weights are spread as their bounds
        are, and by |W| alone all high ones would go. Of equal ones the first is the weaker.
        """
        live = self.session_dicts()[session]["live"]
        waiting, in_use = live < 0, _in_use(live)
        strength = (self.hidden.bounded().abs().sum(0) / self.hidden.bound).masked_fill(~in_use, math.inf)
        going = int(self.config.prune * int(in_use.sum()))
        live[strength.argsort(stable=True)[:going]] = 0
        live[waiting.nonzero()[:going, 0]] = 1

    def loss_terms(self, output: Output, batch: Batch) -> Tensor | None:
        """The sum of |W| over the frequencies that are live in the latest session."""
        if not self.config.l1:
            return None
        weight = self.hidden.bounded().abs()
        if self.rounds:
            weight = weight * _in_use(self.session_dicts()[-1]["live"])
        return self.config.l1 / self.config.omega * weight.sum()

    def trimmed(self, values: Mapping[str, Tensor], session: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """With 0 in the columns of the frequencies that no session uses."""
        if not self.rounds:
            return values
        unused = ~_in_use(session["live"]).view(-1, self.config.width).any(0)
        return {**values, "hidden.weight": values["hidden.weight"].masked_fill(unused, 0)}

    def colours(self, coordinates: Tensor, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Tensor:
        """(What the head gives + 1) / 2, which nothing holds to [0, 1]."""
        with torch.autocast(coordinates.device.type, enabled=False):
            waves = (coordinates @ self.frequency.mT + session["phase"][:, None]).sin()
            if self.rounds:
                waves = waves * _in_use(session["live"])[:, None]
        features: Tensor = self.hidden(waves, session["hidden_bias"])
        return (features @ session["head"].mT + session["head_bias"][:, None] + 1) / 2


def _in_use(live: Tensor) -> Tensor:
    """Boolean; what is stored as integers is not quite 1."""
    return live > 0.5


def _mixed(turns: Frequencies) -> Frequencies:
    """An order of frequencies, those of one turn first, in which the last ones are as all others are."""
    keys = init.drawn_integers(len(turns), "reserve")
    keys[: turns.shape[1]] = -(2**init.DRAWN_BITS)
    return np.argsort(keys, kind="stable")
