"""Measuring a video in the middle of its session, for forward transfer."""

from typing import Any

import torch
from avalanche.core import SupervisedPlugin

from vcl.metrics import quality
from vcl.render import Renderer
from vcl.rundir import Listener
from vcl.video.pixels import stored_frames, to_uint8


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
        """Measure after the last step of epoch ``epochs``."""
        if strategy.step != self.epochs * strategy.steps_per_epoch:
            return
        clip = strategy.clips[strategy.session]
        self.renderer.load(strategy.subnetwork())
        total, measured = torch.zeros((), dtype=torch.float64, device=strategy.device), 0
        for batch in self.renderer.frames(strategy.session, len(clip.frames)):
            truth = stored_frames(clip.frames, slice(measured, measured + len(batch)), batch.device)
            measured += len(batch)
            total += quality.psnr(quality.to_unit(to_uint8(batch)), quality.to_unit(truth)).double().sum()
        self.emit(
            {
                "kind": "probe",
                "session": strategy.session,
                "epoch": self.epochs,
                "psnr": total.item() / measured,
                "scratch": self.scratch,
            }
        )
