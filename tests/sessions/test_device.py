"""What a step asks of its device, on PyTorch's meta device: it has no numbers to give, and mixes with no other."""

import contextlib

import pytest
import torch
from avalanche.core import SupervisedPlugin
from avalanche.logging.base_logger import BaseLogger
from small_strategy import strategy_of
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vcl.metrics.loss import LOSSES
from vcl.sessions.epoch_metrics import EpochMeans, Evaluation
from vcl.sessions.experience import video_stream
from vcl.sessions.methods import METHODS
from vcl.sessions.schedule import WarmupCosine

ASKS = {
    "gem": "its quadratic programme is solved on the CPU",
    "mas": "Avalanche's plugin looks whether the loss is 0",
    "agem": "it projects a gradient only where that would raise the loss on buffered frames",
}
"""Methods whose steps wait for the device, and why."""


class EpochEnds(Exception):
    pass


class NoCopies(TorchDispatchMode):
    """Copies between host and device that one of them waits for are errors."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        outputs = func(*args, **(kwargs or {}))
        if "copy" in func.name() and not (kwargs or {}).get("non_blocking"):
            devices = {
                tensor.device.type for tensor in tree_leaves((args, outputs)) if isinstance(tensor, torch.Tensor)
            }
            assert len(devices) == 1, func.name()
        return outputs


class EndOfEpoch(SupervisedPlugin):
    def after_training_epoch(self, strategy, **_):
        raise EpochEnds


def adam_of_any_device(parameters):
    return torch.optim.Adam(parameters, lr=1e-3, foreach=True)


def small_strategy(method, config, clips, **options):
    return strategy_of(
        method,
        config,
        clips,
        evaluator=Evaluation([EpochMeans()], [BaseLogger()]),
        loss=LOSSES["l1_ssim"],
        make_optimizer_of=adam_of_any_device,
        **options,
    )


@pytest.mark.cpu
@pytest.mark.process
@pytest.mark.parametrize("method", sorted(set(METHODS) - ASKS.keys()))
def test_a_step_asks_its_device_for_no_number_and_mixes_no_devices(clips, tiny_config, monkeypatch, method):
    # Autocast knows no meta device, and is off in this test anyway.
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    config, sessions = tiny_config(method), video_stream(clips[:2]).train_stream
    first = small_strategy(method, config, clips[:2], device="cpu")
    first.train(sessions[0], eval_streams=[])
    plugins = [EndOfEpoch(), WarmupCosine(1e-3, 0.2, 0.1)]
    strategy = small_strategy(method, config, clips[:2], ledger=first.ledger, plugins=plugins, device="meta")
    for plugin in strategy.stateful:
        plugin.load_session_state(first.ledger.buffer, 1)
    step = strategy.training_step

    def step_without_copies():
        with NoCopies():
            step()

    strategy.training_step = step_without_copies
    with pytest.raises(EpochEnds):
        strategy.train(sessions[1], eval_streams=[])
    assert strategy.step == strategy.steps_per_epoch
    assert strategy.loss.device.type == "meta"
