"""What a step asks of its device, on PyTorch's meta device: it has no numbers to give, and mixes with no other."""

import contextlib

import pytest
import torch
from avalanche.core import SupervisedPlugin
from avalanche.logging.base_logger import BaseLogger
from small_strategy import strategy_of

from vcl.sessions.epoch_metrics import EpochMeans, Evaluation
from vcl.sessions.experience import video_stream
from vcl.sessions.loss import LOSSES
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
    with pytest.raises(EpochEnds):
        strategy.train(sessions[1], eval_streams=[])
    assert strategy.step == strategy.steps_per_epoch
    assert strategy.loss.device.type == "meta"
