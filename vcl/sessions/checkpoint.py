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
from vcl.ranks import ALONE, Agreement, Ranks
from vcl.rundir import RunFolder
from vcl.sessions.checkpoint_writer import CheckpointWriter
from vcl.sessions.epoch_metrics import EpochMeans
from vcl.subnet.version_1 import renamed_parameter


class Checkpoints(SupervisedPlugin):  # type: ignore[misc]
    """Saves the training state at intervals and at the end of each session, and restores it.

    Must be the last plugin: it may replace what the others have prepared, and saves what they have finished.

    Files are written beside training, see ``CheckpointWriter``: what is on disk is the whole state of one step. A save
    that falls due while the one before is still being written waits for a later step. Only the save at the end of a
    session and the one of a requested stop wait until they are on disk, and with ``seconds`` 0 each for the one before.
    What goes wrong with a file is raised at the next save.

    Args:
        folder: holds one checkpoint, the latest.
        seconds: time from one save within a session to the next; 0 saves after every step.
        means: of the current epoch, which are saved too.
        chained: whether a session starts from the checkpoint of the one before, which then must be there.
        ranks: who train together. All read the file, the first writes it, and a request to stop counts for all.
    """

    def __init__(
        self, folder: RunFolder, seconds: float, means: EpochMeans, chained: bool = True, ranks: Ranks = ALONE
    ) -> None:
        super().__init__()
        self.folder, self.seconds, self.means, self.chained = folder, seconds, means, chained
        self.stop_requested = False
        self._ranks, self._stop = ranks, Agreement(ranks)
        self._writer = CheckpointWriter()
        self._reserved = False
        self._saved_at = 0.0
        self._last = "none"

    def close(self) -> None:
        """Wait for the file that is being written, if there is one."""
        self._writer.close()

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
        self._reserved = False
        notes = self.folder.checkpoint_notes()
        with self._fitting():
            behind = notes is None or notes["session"] < strategy.session - 1
        if self.chained and strategy.session and behind:
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
        if not self._reserved and self._ranks.is_first:
            # In the first step, which is slow anyway; now the optimiser has its moments.
            self._writer.reserve(self._state(strategy))
            self._reserved = True
        if strategy.step % strategy.steps_per_epoch:
            self._save_if_due(strategy)
        elif not torch.isfinite(self.means.sums).all():
            self._writer.close()
            self._agree_on_last()
            raise self._diverged(strategy, strategy.step)

    def after_training_epoch(self, strategy: Any, **_: Any) -> None:
        """Save if it is due, now that the epoch's means have been reported."""
        self._save_if_due(strategy)

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Save the state that the next session starts from; it is on disk when this returns."""
        self._save(strategy)
        self._writer.wait()

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
        if self._stop.anyone(self.stop_requested):
            self._save(strategy)
            self._writer.wait()
            self._agree_on_last()
            raise Interrupted(f"stopped in {self._last}")
        is_due = time.monotonic() - self._saved_at >= self.seconds
        if is_due and (self.seconds == 0 or not self._writer.is_busy):
            self._save(strategy)

    def _save(self, strategy: Any) -> None:
        if not self._ranks.is_first:
            return
        notes = {"session": strategy.session, "step": strategy.step, "seconds": strategy.seconds}

        def write(tensors: Mapping[str, Tensor]) -> None:
            if not torch.isfinite(tensors["means"]).all():  # Here, where no step waits for the answer.
                raise self._diverged(strategy, notes["step"])
            self.folder.write_checkpoint(tensors, notes)
            self._last = _place(notes)

        self._writer.start(self._state(strategy), write)
        self._saved_at = time.monotonic()

    def _agree_on_last(self) -> None:
        """Know on every rank what the first has written, since any of them may be the one that says it."""
        self._last = self._ranks.gather(self._last)[0]

    def _state(self, strategy: Any) -> dict[str, Tensor]:
        tensors = dict(strategy.model.state_dict())
        for name, parameter in strategy.model.named_parameters():
            for key, value in strategy.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer/{name}/{key}"] = value
        for plugin in strategy.stateful:
            tensors.update({f"plugin/{name}": value for name, value in plugin.state_dict().items()})
        return {**tensors, "means": self.means.sums}

    def _diverged(self, strategy: Any, step: int) -> TrainingError:
        epoch = (step - 1) // strategy.steps_per_epoch
        return TrainingError(
            f"session {strategy.session}, epoch {epoch}: the loss is no longer finite; last good checkpoint: "
            f"{self._last} ({strategy.overflow_hint})"
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
