"""Avalanche plugins: subnetworks, fresh networks, checkpoints, probes."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from avalanche.core import SupervisedPlugin
from torch import Tensor

from vcl.backbones import Backbone
from vcl.errors import Interrupted, RunFolderError, TrainingError
from vcl.layers import draw
from vcl.metrics import quality
from vcl.render import Renderer
from vcl.rundir import Listener, RunFolder
from vcl.sessions.metrics import EpochMeans
from vcl.subnet.gate import Gate
from vcl.subnet.ledger import Ledger, Subnetwork
from vcl.video.pixels import to_uint8


class Subnetworks(SupervisedPlugin):  # type: ignore[misc]
    """Each session learns which weights it uses; weights of closed sessions do not move.

    Fits any strategy whose model is a ``Backbone`` with a capacity. Closing a session, by ``ledger.close``, is up to
    the strategy: ours does, and in a script of one's own it is the line after ``train``.

    Args:
        ledger: entries of closed sessions.
        reinit: draw the scores anew at the start of each session.
        seed: draws them.

    Source:
        Kang et al., ICLR 2024, arXiv:2306.11305, algorithm 1, which zeroes the gradients of sealed weights. We put
        those weights back after each step instead, which holds under every optimiser.
    """

    def __init__(self, ledger: Ledger, reinit: bool = True, seed: int = 0) -> None:
        super().__init__()
        self.ledger, self.reinit, self.seed = ledger, reinit, seed
        self._gate: Gate | None = None

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Draw scores, close the gate."""
        weights = strategy.model.weights()
        session = strategy.experience.current_experience
        if self.reinit and session > 0:
            for name, weight in weights.items():
                weight.draw_scores(draw.generator(self.seed, "score", name, session))
        self._gate = Gate(weights, self.ledger)

    def after_update(self, strategy: Any, **_: Any) -> None:
        """No step moves a sealed weight."""
        assert self._gate is not None
        self._gate.put_back()


class FreshNetwork(SupervisedPlugin):  # type: ignore[misc]
    """Draws the whole network anew at the start of each session, so that every video has its own."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Forget."""
        strategy.model.draw(self.seed, strategy.experience.current_experience)


class Checkpoints(SupervisedPlugin):  # type: ignore[misc]
    """Saves the training state now and then and at the end of a session, and goes back to it.

    Must be the last plugin: it may replace what the others prepared, and saves what they have finished.

    Args:
        folder: where the state is kept; one state, always the latest.
        seconds: time between two saves within a session; 0 saves after every step.
        means: what has been measured of the current epoch, which is saved too.
    """

    def __init__(self, folder: RunFolder, seconds: float, means: EpochMeans) -> None:
        super().__init__()
        self.folder, self.seconds, self.means = folder, seconds, means
        self.stop_requested = False
        self._saved_at = 0.0
        self._last = "none"

    def load_network(self, network: Backbone, seed: int) -> None:
        """Put the saved weights, scores and heads into a network; nothing is done where nothing was saved."""
        checkpoint = self.folder.read_checkpoint()
        if checkpoint is not None:
            tensors, notes = checkpoint
            while f"heads.{len(network.heads)}" in tensors:
                network.add_head(seed)
            with self._fitting():
                _load_network(network, tensors)
                self._last = _place(notes)

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Go back to the middle, or to the end, of this session if that is where the saved state is.

        Raises:
            RunFolderError: the state that the session starts from is not there.
        """
        self._saved_at = time.monotonic()
        notes = self.folder.checkpoint_notes()
        with self._fitting():
            behind = notes is None or notes["session"] < strategy.session - 1
        if strategy.session and behind:
            found = "none" if notes is None else f"one of session {notes['session']}"
            raise RunFolderError(
                f"{self.folder.path} must have the checkpoint of session {strategy.session - 1} to train session "
                f"{strategy.session}, found {found}; what is sealed can still be decoded"
            )
        kept = self.folder.read_checkpoint() if notes and notes["session"] == strategy.session else None
        if kept is None:
            return
        tensors, notes = kept
        with self._fitting():
            _load_network(strategy.model, tensors)
            _load_optimizer(strategy, tensors)
            for plugin in strategy.remembering:
                plugin.resume(_within("plugin/", tensors))
            strategy.step, strategy.seconds_before = notes["step"], notes["seconds"]
            if strategy.step % strategy.steps_an_epoch:
                self.means.resume(tensors["means"].to(strategy.device))

    def after_training_iteration(self, strategy: Any, **_: Any) -> None:
        """Save when it is time, or the user wants to stop; after the last step of an epoch only look at its loss."""
        if strategy.step % strategy.steps_an_epoch:
            self._save_if_due(strategy)
        else:
            self._check(strategy)

    def after_training_epoch(self, strategy: Any, **_: Any) -> None:
        """Save likewise, now that the epoch's metrics are out."""
        self._save_if_due(strategy)

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Save the state that the next session starts from."""
        self._save(strategy)

    @contextmanager
    def _fitting(self) -> Iterator[None]:
        """Say in one line that what was saved is not the state of this run."""
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
        for plugin in strategy.remembering:
            tensors.update({f"plugin/{name}": value for name, value in plugin.state().items()})
        self.folder.write_checkpoint({**tensors, "means": self.means.sums}, notes)
        self._saved_at = time.monotonic()
        self._last = _place(notes)

    def _check(self, strategy: Any) -> None:
        if not torch.isfinite(self.means.sums).all():
            raise TrainingError(
                f"session {strategy.session}, epoch {(strategy.step - 1) // strategy.steps_an_epoch}: the loss is no "
                f"longer finite; last good checkpoint: {self._last} ({strategy.overflow_hint})"
            )


class Stopwatch(SupervisedPlugin):  # type: ignore[misc]
    """Calls ``start`` after a session's first step, which makes the optimiser's state, and ``stop`` after its epoch.

    For sessions of one epoch.
    """

    def __init__(self, start: Callable[[], None], stop: Callable[[], None]) -> None:
        super().__init__()
        self._start, self._stop = start, stop

    def after_training_iteration(self, strategy: Any, **_: Any) -> None:
        """Avalanche's hook after a step."""
        if strategy.step == 1:
            self._start()

    def after_training_epoch(self, strategy: Any, **_: Any) -> None:
        """Avalanche's hook after the last step."""
        self._stop()


class Probe(SupervisedPlugin):  # type: ignore[misc]
    """Measures the session's video after its first epochs, for forward transfer.

    Args:
        epochs: measure after so many.
        renderer: decodes; its network is overwritten.
        emit: gets the ``probe`` event.
        scratch: whether the network started from nothing.
    """

    def __init__(self, epochs: int, renderer: Renderer, emit: Listener, scratch: bool) -> None:
        super().__init__()
        self.epochs, self.renderer, self.emit, self.scratch = epochs, renderer, emit, scratch

    def after_training_epoch(self, strategy: Any, **_: Any) -> None:
        """Measure at the one epoch that is asked for."""
        if strategy.step != self.epochs * strategy.steps_an_epoch:
            return
        model, clip = strategy.decoding, strategy.clips[strategy.session]
        weights = {name: weight().detach() for name, weight in model.weights().items()}
        self.renderer.load(Subnetwork(weights, model.heads[strategy.session].detach()))
        total, done = 0.0, 0
        for batch in self.renderer.frames(strategy.session, len(clip.frames)):
            truth = torch.from_numpy(np.array(clip.frames[done : done + len(batch)]))
            done += len(batch)
            total += float(quality.psnr(quality.to_unit(to_uint8(batch).cpu()), quality.to_unit(truth)).double().sum())
        self.emit(
            {
                "kind": "probe",
                "session": strategy.session,
                "epoch": self.epochs,
                "psnr": total / done,
                "scratch": self.scratch,
            }
        )


def _load_network(network: Backbone, tensors: Mapping[str, Tensor]) -> None:
    network.load_state_dict({name: tensors[name] for name in network.state_dict()})


def _load_optimizer(strategy: Any, tensors: Mapping[str, Tensor]) -> None:
    names = {parameter: name for name, parameter in strategy.model.named_parameters()}
    held = [parameter for group in strategy.optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for number, parameter in enumerate(held):
        found = _within(f"optimizer/{names[parameter]}/", tensors)
        if any(value.shape not in (parameter.shape, ()) for value in found.values()):
            raise ValueError(f"the optimiser's numbers of {names[parameter]} have another shape")
        if found:
            state[number] = found
    # The optimiser itself knows which of its numbers live on the device.
    strategy.optimizer.load_state_dict({**strategy.optimizer.state_dict(), "state": state})


def _within(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _place(notes: dict[str, Any]) -> str:
    return f"session {notes['session']}, step {notes['step']}"
