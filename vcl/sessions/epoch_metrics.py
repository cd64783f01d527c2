"""Avalanche metrics and loggers: the means of an epoch, and the events that report them."""

import time
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from avalanche.evaluation.metric_definitions import PluginMetric
from avalanche.evaluation.metric_results import MetricValue
from avalanche.logging.base_logger import BaseLogger
from avalanche.training.plugins.evaluation import EvaluationPlugin
from torch import Tensor

from vcl.metrics import quality
from vcl.rundir import Listener


class EpochMeans(PluginMetric[dict[str, float]]):  # type: ignore[misc]
    """Mean loss and mean PSNR (dB) of the frames of an epoch, each measured in the step that trained on it.

    Sums stay on the device, in one place, so that no step waits for the host and a recorded step finds them.
    """

    recordable: ClassVar = True

    def __init__(self) -> None:
        super().__init__()
        self.sums = torch.zeros(3)
        self._resumed = False

    def resume(self, sums: Tensor) -> None:
        """Continue in the middle of an epoch.

        Args:
            sums: ``(3,)`` of loss, PSNR and frames so far.
        """
        self.sums.copy_(sums)
        self._resumed = True

    def reset(self) -> None:
        """Set the sums to 0."""
        self.sums.zero_()

    def result(self) -> dict[str, float]:
        """``loss`` and ``psnr``, means over frames."""
        loss, psnr, frames = self.sums.tolist()
        return {"loss": loss / frames, "psnr": psnr / frames}

    def before_training_epoch(self, strategy: Any) -> None:
        """Set the sums to 0, unless a checkpoint has just set them."""
        if self.sums.device != strategy.device:
            self.sums = self.sums.to(strategy.device)
        if not self._resumed:
            self.reset()
        self._resumed = False

    @torch.no_grad()
    def after_update(self, strategy: Any) -> None:
        """Add the frames of a step."""
        psnr = strategy.shared(quality.psnr(strategy.mb_output, strategy.mb_y).mean())
        means = torch.stack((strategy.loss.detach().squeeze(), psnr, torch.ones_like(psnr)))
        strategy.ranks.average_([means])
        self.sums += means * strategy.rows

    def after_training_epoch(self, strategy: Any) -> list[MetricValue]:
        """The means, for the loggers."""
        return [MetricValue(self, name, value, strategy.step) for name, value in self.result().items()]


class Evaluation(EvaluationPlugin):  # type: ignore[misc]
    """Avalanche's evaluation plugin without the hooks that none of its metrics and loggers uses.

    The stock one copies the experience at every hook, eight times per step.
    """

    def __init__(self, metrics: Sequence[Any], loggers: Sequence[BaseLogger]) -> None:
        super().__init__(*metrics, loggers=loggers, collect_all=False)
        self._used_hooks = {
            name
            for listener in (*self.metrics, *self.loggers)
            for name in dir(listener)
            if name.startswith(("before_", "after_"))
            and getattr(type(listener), name) is not getattr(PluginMetric, name, None)
        }

    def _update_metrics_and_loggers(self, strategy: Any, callback: str) -> None:
        if callback in self._used_hooks:
            super()._update_metrics_and_loggers(strategy, callback)


class EventLogger(BaseLogger):  # type: ignore[misc]
    """Reports the means as one event per epoch, and progress as an event a few times per second.

    Args:
        emit: gets the events.
    """

    def __init__(self, emit: Listener) -> None:
        super().__init__()
        self.emit = emit
        self._last = 0.0

    def after_training_iteration(self, strategy: Any, _: Sequence[MetricValue]) -> None:
        """Emit a ``step`` event, at most four times per second."""
        if time.monotonic() - self._last >= 0.25:
            self._last = time.monotonic()
            self.emit({"kind": "step", **_progress(strategy, strategy.epoch)})

    def after_training_epoch(self, strategy: Any, values: Sequence[MetricValue]) -> None:
        """Emit an ``epoch`` event with every metric by name."""
        self.emit(
            {
                "kind": "epoch",
                **_progress(strategy, strategy.epoch - 1),
                **{value.name: value.value for value in values},
                "lr": strategy.optimizer.param_groups[0].get("rate"),
                "seconds": round(strategy.seconds, 3),
            }
        )


def _progress(strategy: Any, epoch: int) -> dict[str, Any]:
    return {
        "session": strategy.session,
        "video": strategy.clips[strategy.session].name,
        "epoch": epoch,
        "epochs": min(strategy.stop_after, strategy.passes),
        "step": strategy.step,
        "steps": strategy.steps,
    }
