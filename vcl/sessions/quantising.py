"""The end of a session: integers in the place of its own weights, and training with what they decode to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from vcl.backbones import Backbone
from vcl.config import MethodConfig
from vcl.config.methods.base import FEWEST_BITS, MOST_BITS
from vcl.layers.masked import MaskedWeight
from vcl.layers.quantise import Quantised, bits_by_layer, quantised_rows, row_steps
from vcl.metrics.quality import psnr, to_unit
from vcl.query import Query
from vcl.render import BATCH
from vcl.sessions.sealed import seen_frames
from vcl.sessions.stateful import StatefulPlugin
from vcl.subnet.ledger import Ledger
from vcl.video.pixels import stored_frames

BITS = range(FEWEST_BITS, MOST_BITS + 1)
"""Bits that a layer may have."""

MeanBits = Callable[[Callable[[float], Mapping[str, Any]]], float]
"""Gives the mean number of bits, from what would be sealed with one: arguments of ``Ledger.seal`` by name."""

_TRIED_ON = 4
"""Frames on which the damage of fewer bits is measured."""


@dataclass(frozen=True)
class Quantisation:
    """What a session's integers cost.

    Args:
        bits: of each layer.
        float_psnr: of the session's frames just before integers took the place of its weights, dB.
        psnr: of what is stored, dB.
    """

    bits: Mapping[str, int]
    float_psnr: float
    psnr: float


class QuantisedTraining(StatefulPlugin):
    """Chooses masks, bits and steps before a session's last passes, which then train with what will be stored.

    Bits are chosen layer by layer for a mean, by how much the frames change where one layer alone has so many. A row's
    step makes its largest weight the largest integer. Scores do not move any more.

    ``mean_bits`` chooses the mean, by default that of ``config``.

    Args:
        config: ``bits`` and ``quantised_share`` of a method.
        ledger: has the sealed weights, which stay what they are; of ``differences``, integers are of the
            difference to what it has.
    """

    recordable: ClassVar = True

    def __init__(self, config: MethodConfig, ledger: Ledger) -> None:
        super().__init__()
        self.config, self.ledger = config, ledger
        self.mean_bits: MeanBits = lambda _: float(config.bits or BITS[-1])
        self.result: Quantisation | None = None
        self._state: dict[str, Tensor] = {}

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Train float32 weights again."""
        self._state, self.result = {}, None
        _release(strategy.model)

    @torch.no_grad()
    def before_training_epoch(self, strategy: Any, **_: Any) -> None:
        """Begin, once the passes before are done; or go on where a stopped run had begun."""
        share, passes = self.config.quantised_share, strategy.passes
        first = max(1, passes - max(1, round(share * passes))) if share else passes
        if strategy.epoch >= first and all(weight.quantised is None for weight in strategy.model.weights().values()):
            self._begin(strategy, strategy.model)
            strategy.restart_recording()

    def state_dict(self) -> dict[str, Tensor]:
        """Masks, bits and steps, once they are chosen."""
        return self._state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._state = dict(state)

    @torch.no_grad()
    def seal(
        self, strategy: Any, learned: dict[str, Any], frame: Mapping[str, Tensor]
    ) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]:
        """What is stored of a session.

        Args:
            strategy: at the end of it.
            learned: ``values``, ``masks`` and ``session``, as ``Ledger.seal`` takes them.
            frame: numbers of the frames of the session's video.

        Returns:
            The same dequantised, the frame numbers dequantised, and the steps of all of them.
        """
        network: Backbone = strategy.decoding
        weights = network.weights()
        if network is not strategy.model or any(weight.quantised is None for weight in weights.values()):
            self._begin(strategy, network)
        base = self._base(weights)
        values, steps = {}, {}
        for name, weight in weights.items():
            assert weight.quantised is not None
            values[name] = weight() if base[name] is None else weight.quantised.difference(weight.value)
            steps[f"weight/{name}"] = self._state[f"step/{name}"]
        session = self._quantise_own("session", learned["session"], steps)
        frame = self._quantise_own("frame", frame, steps)
        return {**learned, "values": values, "session": session}, frame, steps

    @torch.no_grad()
    def sealed(self, strategy: Any) -> None:
        """Measure what is stored, which the network holds by now, and from then on as plain numbers."""
        network: Backbone = strategy.decoding
        _release(network)
        bits = dict(zip(network.weights(), map(int, self._state["bits"].tolist()), strict=True))
        self.result = Quantisation(bits, float(self._state["float_psnr"]), _psnr(strategy, network, encode=False))

    def _begin(self, strategy: Any, network: Backbone) -> None:
        """Choose what is not chosen yet, and let the network see it."""
        weights = network.weights()
        base, device = self._base(weights), strategy.device
        # A method that decodes with another network than it trains chooses anew for that one, and once.
        if "bits" not in self._state or (network is not strategy.model and "decoding" not in self._state):
            _release(network)
            self._state["float_psnr"] = torch.tensor(_psnr(strategy, network, encode=True), dtype=torch.float64)
            self._choose(strategy, network, base)
            if network is not strategy.model:
                self._state["decoding"] = torch.ones(1)
        for (name, weight), bits in zip(weights.items(), self._state["bits"].tolist(), strict=True):
            mask, step = self._state[f"mask/{name}"].to(device), self._state[f"step/{name}"].to(device)
            own = self._own(name, weight, mask)
            weight.quantised = Quantised(mask, own, step, int(bits), weight.channels[0], base[name])

    def _choose(self, strategy: Any, network: Backbone, base: Mapping[str, Tensor | None]) -> None:
        weights = network.weights()
        chosen = strategy.masks() if strategy.state_kind == "shared_masked" else {}
        masks = {
            name: chosen.get(name, torch.ones_like(weight.value, dtype=torch.bool)) for name, weight in weights.items()
        }
        device = strategy.device
        forms: dict[str, list[Quantised]] = {}
        for name, weight in weights.items():
            mask = masks[name].to(device)
            own = self._own(name, weight, mask)
            dim = weight.channels[0]
            steps = [row_steps(weight.value, bits, dim, own) for bits in BITS]
            forms[name] = [
                Quantised(mask, own, step, bits, dim, base[name]) for step, bits in zip(steps, BITS, strict=True)
            ]
        counts = [int(forms[name][0].own.sum()) for name in weights]
        damage = _damage(strategy, network, forms)

        def formed(mean: float) -> dict[str, Quantised]:
            bits = bits_by_layer(damage, counts, BITS, mean)
            return {name: forms[name][BITS.index(number)] for name, number in zip(weights, bits, strict=True)}

        def sealed(mean: float) -> dict[str, Any]:
            of_layers = formed(mean)
            values = {name: form.difference(weights[name].value) for name, form in of_layers.items()}
            of_rows = {f"weight/{name}": form.step for name, form in of_layers.items()}
            return {"values": values, "masks": masks, "steps": of_rows}

        bits = []
        for name, form in formed(self.mean_bits(sealed)).items():
            bits.append(form.bits)
            self._state[f"mask/{name}"], self._state[f"step/{name}"] = form.mask, form.step
        self._state["bits"] = torch.tensor(bits)

    def _own(self, name: str, weight: MaskedWeight, mask: Tensor) -> Tensor:
        own = mask.expand(weight.value.shape)
        if self.ledger.state_kind == "shared_masked":
            own = own & ~self.ledger.sealed(name).to(own.device)
        return own

    def _base(self, weights: Mapping[str, MaskedWeight]) -> dict[str, Tensor | None]:
        """What a session's integers are added to: the weights of the session before, or nothing."""
        if self.ledger.state_kind != "differences" or not len(self.ledger):
            return dict.fromkeys(weights)
        before = self.ledger.subnetwork(len(self.ledger) - 1).weights
        return {name: before[name].to(weight.value.device) for name, weight in weights.items()}

    def _quantise_own(self, kind: str, tensors: Mapping[str, Tensor], steps: dict[str, Tensor]) -> dict[str, Tensor]:
        """Session or frame tensors as they are stored; adds their steps to ``steps``.

        Steps are chosen once: a run that is stopped while it seals goes on from what it has sealed, and seals the same.
        """
        stored = {}
        for name, tensor in tensors.items():
            path = f"{kind}/{name}"
            # One session's tensor, or those of all so far; the numbers of a video's frames have one step.
            parts = tensor if kind == "session" and self.ledger.state_kind == "shared_latest" else [tensor]
            if kind == "frame":
                parts = [tensor.flatten()]
            chosen = self._state.get(path)
            pairs = [
                quantised_rows(part, None if chosen is None else chosen.view(len(parts), -1)[number])
                for number, part in enumerate(parts)
            ]
            stored[name] = torch.stack([value for value, _ in pairs]).view(tensor.shape)
            step = torch.stack([step for _, step in pairs])
            steps[path] = self._state[path] = step if parts is tensor else step[0]
        return stored


def _release(network: Backbone) -> None:
    for weight in network.weights().values():
        weight.quantised = None


def _damage(strategy: Any, network: Backbone, forms: Mapping[str, list[Quantised]]) -> list[list[float]]:
    """By layer and number of bits, how far frames are from those of unquantised weights: a mean squared difference."""
    clip = strategy.clips[strategy.session].frames
    tried = sorted({round(t * (len(clip) - 1) / max(1, _TRIED_ON - 1)) for t in range(_TRIED_ON)})
    reference = [decoded for _, decoded in _decoded(strategy, network, tried, encode=True)]
    damage = []
    for name, weight in network.weights().items():
        lost = []
        for form in forms[name]:
            weight.quantised = form
            batches = zip(_decoded(strategy, network, tried, encode=True), reference, strict=True)
            lost.append(sum(float((decoded - before).square().sum()) for (_, decoded), before in batches))
        weight.quantised = None
        damage.append(lost)
    return damage


def _psnr(strategy: Any, network: Backbone, encode: bool) -> float:
    times = range(len(strategy.clips[strategy.session].frames))
    values = torch.cat([psnr(decoded, truth) for truth, decoded in _decoded(strategy, network, times, encode)])
    return float(values.mean())


def _decoded(strategy: Any, network: Backbone, times: Sequence[int], encode: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """True and decoded frames of the session's video, in float32 layers whatever the training has.

    Args:
        strategy: in the session.
        network: decodes.
        times: indices of frames.
        encode: for networks with numbers of frames, whether to make them of the true frames or take those that are
            stored.
    """
    clip = strategy.clips[strategy.session].frames
    for first in range(0, len(times), BATCH):
        batch = list(times[first : first + BATCH])
        truth = to_unit(stored_frames(clip, np.array(batch), strategy.device))
        query = Query.of_video(strategy.session, torch.tensor(batch), len(clip), strategy.device)
        seen = seen_frames(network, clip, torch.tensor(batch), strategy.device) if encode else None
        yield truth, network.ask(query, seen).frames.clamp(0, 1)
