"""A training step recorded as a CUDA graph: the device repeats its kernels without the host launching each of them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import torch
from avalanche.core import SupervisedPlugin
from avalanche.evaluation.metric_definitions import PluginMetric
from torch import Tensor

from vcl.backbones import Backbone
from vcl.sessions.adam import EagerAdam

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_SYNC = "synchronizing CUDA operation"
"""Part of what PyTorch warns of in its debug mode."""

WARM_UP = 3
"""Steps of a session that are taken before one is recorded: they set up what libraries and the optimiser allocate."""

STEP_HOOKS = (
    *("before_training_iteration", "before_forward", "after_forward", "before_backward", "after_backward"),
    *("before_update", "after_update"),
)
"""Hooks of plugins whose work is part of a recording, or which look at a batch before it is there."""

STEP_METHODS = (
    *("training_epoch", "training_step", "forward", "criterion", "backward", "optimizer_step", "ask", "loss_of"),
    "frame_losses",
)
"""Methods of a strategy whose work is part of a recording."""

MODEL_METHODS = ("forward", "ask", "answer", "decode", "encode", "encoded", "loss_terms")
"""Methods of a network whose work is part of a recording."""


class Graph(Protocol):
    """What records a step and replays it."""

    def warm_up(self, step: Callable[[], None]) -> None:
        """Take a step that is like the one to be recorded."""

    def rehearse(self, step: Callable[[], None]) -> str | None:
        """Warm up for the last time; gives what stands in the way of a recording, if anything does."""

    def record(self, step: Callable[[], None]) -> None:
        """Record a step, which is not taken by that."""

    def replay(self) -> None:
        """Take the step that was recorded."""


class CudaGraph:
    """A CUDA graph, with memory of its own."""

    def __init__(self) -> None:
        self._graph = torch.cuda.CUDAGraph()
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def warm_up(self, step: Callable[[], None]) -> None:
        """On the stream of the recording."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            step()
        torch.cuda.current_stream().wait_stream(self._stream)

    def rehearse(self, step: Callable[[], None]) -> str | None:
        """Gives the first operation that makes the host wait for the device: a recording of it would break off."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            mode = torch.cuda.get_sync_debug_mode()
            torch.cuda.set_sync_debug_mode("warn")
            try:
                self.warm_up(step)
            finally:
                torch.cuda.set_sync_debug_mode(mode)
        places = [f"{warning.filename}:{warning.lineno}" for warning in caught if _SYNC in str(warning.message)]
        return f"the host waits for the device at {places[0]}" if places else None

    def record(self, step: Callable[[], None]) -> None:
        """Record a step; other threads may use the device meanwhile."""
        before = torch.cuda.current_stream()
        try:
            with torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode="thread_local"):
                step()
        finally:
            torch.cuda.set_stream(before)  # A recording that breaks off may leave its own behind.

    def replay(self) -> None:
        """Take the recorded step, which the host launches at once."""
        self._graph.replay()


class Recording(Generic[Result]):
    """Takes the steps of a session: the first few one by one, then from a recording.

    A recorded step reads its batch, and the optimiser its rate, from tensors that stay where they are; of what Python
    does in a step nothing is done again. Replayed steps give the same bits as steps that are taken one by one.

    Args:
        step: takes one step, and returns tensors that it made.
        graph: records it.
    """

    def __init__(self, step: Callable[[], Result], graph: Graph) -> None:
        self._step = step
        self._graph: Graph | None = graph
        self._recorded: tuple[Sequence[Tensor], Result] | None = None
        self._warm = 0

    def take(self, batch: Sequence[Tensor]) -> Result:
        """Take a step.

        Args:
            batch: what the step trains on, always of the same shapes.

        Returns:
            What the step returns; of a replayed one the tensors that were recorded, with their new numbers.
        """
        if self._graph is None:
            return self._step()
        if self._recorded is None:
            self._warm += 1
            if self._warm < WARM_UP:
                return _result_of(self._graph.warm_up, self._step)
            if self._warm == WARM_UP:
                return _result_of(self._rehearse, self._step)
            if not self._record(self._graph, batch):
                return self._step()
            assert self._recorded is not None
        recorded_batch, result = self._recorded
        for recorded, tensor in zip(recorded_batch, batch, strict=True):
            recorded.copy_(tensor)
        self._graph.replay()
        return result

    def _rehearse(self, step: Callable[[], None]) -> None:
        assert self._graph is not None
        if (reason := self._graph.rehearse(step)) is not None:
            self._give_up(reason)

    def _record(self, graph: Graph, batch: Sequence[Tensor]) -> bool:
        try:
            self._recorded = tuple(batch), _result_of(graph.record, self._step)
        except RuntimeError as error:  # Such as no memory for a recording.
            self._give_up(" ".join(str(error).split())[:200])
        return self._recorded is not None

    def _give_up(self, reason: str) -> None:
        self._graph = None
        log.warning("steps are taken one by one, since they could not be recorded: %s", reason)


def _result_of(run: Callable[[Callable[[], None]], None], step: Callable[[], Result]) -> Result:
    """What a step returns when it is run by something that returns nothing."""
    results: list[Result] = []
    run(lambda: results.append(step()))
    return results[0]


def obstacle(strategy: Any, base: type[Any]) -> str | None:
    """Why the steps of a strategy cannot be recorded, in a few words; None where they can.

    A plugin, metric, backbone or strategy whose part in a step is the same work on the device every time, whatever the
    step, says so by an attribute ``recordable = True``. A loss is taken to be so.

    Args:
        strategy: with its plugins.
        base: the class whose own steps can be recorded.
    """
    if changed := _overridden(strategy, STEP_METHODS, base):
        return f"{type(strategy).__name__} has a method {changed}"
    if changed := _overridden(strategy.model, MODEL_METHODS, Backbone):
        return f"{type(strategy.model).__name__} has a method {changed}"
    if not isinstance(strategy.optimizer, EagerAdam):
        return f"its optimiser is {type(strategy.optimizer).__name__}"
    evaluator = strategy.evaluator
    listeners: Iterable[Any] = (*strategy.plugins, *evaluator.metrics, *evaluator.loggers)
    for listener in listeners:
        if listener is not evaluator and (hook := _overridden(listener, STEP_HOOKS, SupervisedPlugin, PluginMetric)):
            return f"{type(listener).__name__} has a hook {hook}"
    return None


def _overridden(listener: Any, names: Sequence[str], *bases: type[Any]) -> str | None:
    """The first of some methods that an object has neither from a base nor from a class that is ``recordable``.

    A class speaks for its own methods and those that it inherits, not for what a subclass makes of them.
    """
    classes = type(listener).__mro__
    for name in names:
        owner = next((number for number, part in enumerate(classes) if name in vars(part)), None)
        if owner is None or any(issubclass(base, classes[owner]) for base in bases):
            continue
        if not any(vars(part).get("recordable", False) for part in classes[: owner + 1]):
            return name
    return None
