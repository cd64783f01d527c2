"""Penalties on moving what earlier videos need, by Avalanche's plugins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from avalanche.training.plugins.ewc import EWCPlugin
from avalanche.training.plugins.mas import MASPlugin
from avalanche.training.utils import ParamData, copy_params_dict, zerolike_params_dict
from torch import Tensor

from vcl.backbones import Backbone
from vcl.config import EwcConfig, MasConfig, MethodConfig
from vcl.layers import init
from vcl.sessions.sealed import teacher_snapshot
from vcl.sessions.stateful import StatefulPlugin
from vcl.sessions.strategy import VideoStrategy
from vcl.subnet.ledger import Ledger


class EwcPlugin(EWCPlugin, StatefulPlugin):  # type: ignore[misc]
    """Avalanche's online EWC, which can go on in a new process, and with importances that do not fade with the loss.

    Args:
        config: strength, decay and kind of importance.
        ledger: has the weights that the penalty pulls towards.
        seed: draws the noise of ``gauss_newton``.
    """

    recordable: ClassVar = True  # The penalty is the same sum in every step of a session.

    def __init__(self, config: EwcConfig, ledger: Ledger, seed: int = 0) -> None:
        super().__init__(config.strength, mode="online", decay_factor=config.decay)
        self.config, self.ledger, self.seed = config, ledger, seed

    def session_state(self) -> dict[str, Tensor]:
        """Importances by name of parameter, of all sessions so far."""
        return _plain(self.importances[max(self.importances)])

    def session_spec(self, session: int, lengths: Sequence[int], network: Backbone) -> dict[str, Tensor]:
        """As many importances as parameters."""
        return _importance_spec(network)

    def load_session_state(self, state: Mapping[str, Tensor], session: int) -> None:
        """Set the importances of the session before."""
        if state:
            self.importances[session - 1] = _wrapped(state)

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Set the values that the penalty pulls towards, in a run that goes on in a new process."""
        last = strategy.session - 1
        if last >= 0 and last not in self.saved_params:
            anchors = copy_params_dict(teacher_snapshot(strategy.model, self.ledger))
            importances = _on(strategy.device, self.importances[last])
            # Avalanche needs both in the same order.
            self.saved_params[last] = {name: anchors[name] for name in anchors if name in importances}
            self.importances[last] = {name: importances[name] for name in anchors if name in importances}

    def before_backward(self, strategy: Any, **_: Any) -> None:
        """Add the penalty; Avalanche's own copies a zero from the host in each step."""
        last = strategy.clock.train_exp_counter - 1
        if last < 0:
            return
        saved, importances = self.saved_params[last], self.importances[last]
        penalty = torch.zeros((), device=strategy.device)
        for name, parameter in strategy.model.named_parameters():
            if name in saved:  # New parameters do not count.
                shape = parameter.shape
                distance = (parameter - saved[name].expand(shape)).pow(2)
                penalty += (importances[name].expand(shape) * distance).sum()
        strategy.loss += self.ewc_lambda * penalty

    def compute_importances(
        self,
        model: Any,
        criterion: Any,
        optimizer: Any,
        dataset: Any,
        device: Any,
        batch_size: int,
        num_workers: int = 0,
    ) -> dict[str, ParamData]:
        """As Avalanche does, or (``gauss_newton``) by squared gradients of the decoded frames against random signs.

        Summed over the pixels of a frame and divided by their number, so that strength 1 holds an earlier video as
        firmly as its own L2 loss would, near the weights it was left with.
        """
        model.zero_grad()  # Of earlier sessions' tensors too, which the optimiser does not hold.
        if self.config.importance == "gradient":
            return dict(super().compute_importances(model, criterion, optimizer, dataset, device, batch_size))
        importances: dict[str, ParamData] = dict(zerolike_params_dict(model))
        source = init.generator(self.seed, "signs", len(self.ledger) - 1)
        for number in range(len(dataset)):
            model.zero_grad()
            frames = model(dataset[number][0][None].to(device))
            signs = torch.randint(2, frames.shape, generator=source).to(device).mul_(2).sub_(1)
            ((frames * signs).sum() / math.sqrt(frames.numel())).backward()
            for name, parameter in model.named_parameters():
                if parameter.grad is not None:
                    importances[name].data += parameter.grad.square() / len(dataset)
        model.zero_grad()
        return importances


class MasPlugin(MASPlugin, StatefulPlugin):  # type: ignore[misc]
    """Avalanche's MAS, which can go on in a new process."""

    def __init__(self, config: MasConfig, ledger: Ledger) -> None:
        super().__init__(config.strength, config.decay)
        self.ledger = ledger
        self.params: dict[str, ParamData] | None = None

    def session_state(self) -> dict[str, Tensor]:
        """Importances by name of parameter, of all sessions so far."""
        return _plain(self.importance)

    def session_spec(self, session: int, lengths: Sequence[int], network: Backbone) -> dict[str, Tensor]:
        """As many importances as parameters."""
        return _importance_spec(network)

    def load_session_state(self, state: Mapping[str, Tensor], session: int) -> None:
        self.importance = _wrapped(state) if state else None

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Set the values that the penalty pulls towards, in a run that goes on in a new process."""
        if strategy.session and self.params is None:
            self.importance = _on(strategy.device, self.importance)
            self.params = dict(copy_params_dict(teacher_snapshot(strategy.model, self.ledger)))


def _plain(importances: Any) -> dict[str, Tensor]:
    return {f"importance/{name}": importance.data.detach().clone() for name, importance in importances.items()}


def _importance_spec(network: Backbone) -> dict[str, Tensor]:
    return {f"importance/{name}": parameter for name, parameter in network.named_parameters()}


def _on(device: torch.device, importances: Any) -> dict[str, ParamData]:
    return {
        name: ParamData(name, importance.data.shape, init_tensor=importance.data.to(device), device=device)
        for name, importance in importances.items()
    }


def _wrapped(state: Mapping[str, Tensor]) -> dict[str, ParamData]:
    importances = {name.removeprefix("importance/"): tensor for name, tensor in state.items()}
    return {name: ParamData(name, t.shape, init_tensor=t, device=t.device) for name, t in importances.items()}


class Ewc(VideoStrategy):
    """A quadratic penalty on moving weights, by their importance to earlier videos.

    Source:
        Kirkpatrick et al., PNAS 2017; one penalty for all earlier sessions as in Schwarz et al., ICML 2018. The
        importances of a regression loss are tiny: with an L1 and SSIM loss over a frame, strengths of many powers of
        ten have to be tried; ``importance: gauss_newton`` makes 1 a natural unit.
    """

    overflow_hint = "try a lower method.strength, or a lower train.lr"

    @classmethod
    def own_plugins(cls, config: MethodConfig, ledger: Ledger, seed: int) -> list[Any]:
        """The plugin that adds the penalty."""
        assert isinstance(config, EwcConfig)
        return [EwcPlugin(config, ledger, seed)]


class Mas(VideoStrategy):
    """As EWC, with importances from the gradient of the squared norm of the decoded frame, which needs no truth.

    Source:
        Aljundi et al., ECCV 2018, arXiv:1711.09601, by Avalanche.
    """

    overflow_hint = Ewc.overflow_hint

    @classmethod
    def own_plugins(cls, config: MethodConfig, ledger: Ledger, seed: int) -> list[Any]:
        """The plugin that adds the penalty."""
        assert isinstance(config, MasConfig)
        return [MasPlugin(config, ledger)]
