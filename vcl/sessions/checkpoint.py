"""Checkpoints of training, and resuming from them."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from avalanche.core import SupervisedPlugin
from torch import Tensor

from vcl.backbones import Backbone
from vcl.errors import Interrupted, RunFolderError, TrainingError
from vcl.rundir import RunFolder
from vcl.sessions.epoch_metrics import EpochMeans
from vcl.subnet.version_1 import renamed_parameter


class Checkpoints(SupervisedPlugin):  # type: ignore[misc]
    """Saves the training state at intervals and at the end of each session, and restores it.

    Must be the last plugin: it may replace what the others have prepared, and saves what they have finished.

    Args:
        folder: holds one checkpoint, the latest.
        seconds: time between two saves within a session; 0 saves after every step.
        means: of the current epoch, which are saved too.
    """

    def __init__(self, folder: RunFolder, seconds: float, means: EpochMeans) -> None:
        super().__init__()
        self.folder, self.seconds, self.means = folder, seconds, means
        self.stop_requested = False
        self._saved_at = 0.0
        self._last = "none"

    def load_network(self, network: Backbone, seed: int) -> None:
        """Put the saved parameters into a network; nothing is done where nothing was saved."""
        checkpoint = self._read()
        if checkpoint is not None:
            tensors, notes = checkpoint
            while any(name.startswith(f"session_parameters.{len(network.session_parameters)}.") for name in tensors):
                network.add_session(seed)
            with self._fitting():
                _load_network(network, tensors)
                self._last = _place(notes)

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Restore the state in the middle or at the end of this session, if that is what was saved.

        Raises:
            RunFolderError: the checkpoint that the session starts from is missing or does not fit.
        """
        self._saved_at = time.monotonic()
        notes = self.folder.checkpoint_notes()
        with self._fitting():
            behind = notes is None or notes["session"] < strategy.session - 1
        if strategy.session and behind:
            latest = "none" if notes is None else f"one of session {notes['session']}"
            raise RunFolderError(
                f"{self.folder.path} must have the checkpoint of session {strategy.session - 1} to train session "
                f"{strategy.session}, found {latest}; what is sealed can still be decoded"
            )
        checkpoint = self._read() if notes and notes["session"] == strategy.session else None
        if checkpoint is None:
            return
        tensors, notes = checkpoint
        with self._fitting():
            _load_network(strategy.model, tensors)
            _load_optimizer(strategy, tensors)
            for plugin in strategy.stateful:
                plugin.load_state_dict(_within("plugin/", tensors))
            strategy.step, strategy.seconds_before = notes["step"], notes["seconds"]
            if strategy.step % strategy.steps_per_epoch:
                self.means.resume(tensors["means"])

    def after_training_iteration(self, strategy: Any, **_: Any) -> None:
        """Save if it is due or a stop was requested; after the last step of an epoch only check its loss."""
        if strategy.step % strategy.steps_per_epoch:
            self._save_if_due(strategy)
        else:
            self._check(strategy)

    def after_training_epoch(self, strategy: Any, **_: Any) -> None:
        """Save if it is due, now that the epoch's means have been reported."""
        self._save_if_due(strategy)

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Save the state that the next session starts from."""
        self._save(strategy)

    def _read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        checkpoint = self.folder.read_checkpoint()
        if checkpoint is None:
            return None
        tensors, notes = checkpoint
        return {renamed_parameter(name): tensor for name, tensor in tensors.items()}, notes

    @contextmanager
    def _fitting(self) -> Iterator[None]:
        """Refuse in one line a checkpoint that is not of this run."""
        try:
            yield
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise RunFolderError(
                f"{self.folder.path} has a checkpoint that does not fit it ({type(error).__name__}: {reason[:200]}); "
                "what is sealed can still be decoded"
            ) from error

    def _save_if_due(self, strategy: Any) -> None:
        if self.stop_requested or time.monotonic() - self._saved_at >= self.seconds:
            self._save(strategy)
            if self.stop_requested:
                raise Interrupted(f"stopped in {self._last}")

    def _save(self, strategy: Any) -> None:
        self._check(strategy)
        notes = {"session": strategy.session, "step": strategy.step, "seconds": strategy.seconds}
        tensors = dict(strategy.model.state_dict())
        for name, parameter in strategy.model.named_parameters():
            for key, value in strategy.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer/{name}/{key}"] = value
        for plugin in strategy.stateful:
            tensors.update({f"plugin/{name}": value for name, value in plugin.state_dict().items()})
        self.folder.write_checkpoint({**tensors, "means": self.means.sums}, notes)
        self._saved_at = time.monotonic()
        self._last = _place(notes)

    def _check(self, strategy: Any) -> None:
        if not torch.isfinite(self.means.sums).all():
            raise TrainingError(
                f"session {strategy.session}, epoch {(strategy.step - 1) // strategy.steps_per_epoch}: the loss is no "
                f"longer finite; last good checkpoint: {self._last} ({strategy.overflow_hint})"
            )


def _load_network(network: Backbone, tensors: Mapping[str, Tensor]) -> None:
    network.load_state_dict({name: tensors[name] for name in network.state_dict()})


def _load_optimizer(strategy: Any, tensors: Mapping[str, Tensor]) -> None:
    names = {parameter: name for name, parameter in strategy.model.named_parameters()}
    parameters = [parameter for group in strategy.optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for number, parameter in enumerate(parameters):
        moments = _within(f"optimizer/{names[parameter]}/", tensors)
        if any(value.shape not in (parameter.shape, ()) for value in moments.values()):
            raise ValueError(f"the optimiser's numbers of {names[parameter]} have another shape")
        if moments:
            state[number] = moments
    # The optimiser itself knows which of its numbers live on the device.
    strategy.optimizer.load_state_dict({**strategy.optimizer.state_dict(), "state": state})


def _within(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _place(notes: dict[str, Any]) -> str:
    return f"session {notes['session']}, step {notes['step']}"
