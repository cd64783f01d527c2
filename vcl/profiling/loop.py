"""A training step as ``vcl run`` takes it, against the same step in a bare loop."""

from dataclasses import replace

import torch

from vcl.config import RunConfig
from vcl.device import autocast, prepared
from vcl.layers import init
from vcl.metrics.loss import LOSSES
from vcl.profiling.subjects import noise, our_steps
from vcl.profiling.table import Table, rows_of, setting_of
from vcl.profiling.timing import Subject, Watch, take_turns
from vcl.query import Query
from vcl.sessions.adam import adam, set_rate
from vcl.sessions.methods import METHODS
from vcl.sessions.schedule import share_of_rate
from vcl.subnet.gate import Gate
from vcl.subnet.ledger import Ledger

STEPS = 48

ROUNDS = 9


def measure(config: RunConfig, rounds: int) -> Table:
    """Time an epoch of the first session as a run trains it, and the same steps in a bare loop; no step is replayed.

    Both rank, mask and step; ours also calls Avalanche's hooks, measures PSNR and emits events to listeners.
    """
    config, device = prepared(replace(config, train=replace(config.train, graph=False)))
    subjects = {"bare loop": _bare_steps(config, device), "vcl": our_steps(config, STEPS, device, before=0)}
    rows = rows_of(take_turns(subjects, rounds, device), "bare loop", STEPS)
    setting = setting_of(config, device, rounds=rounds, steps=STEPS)
    return Table("loop", "the same steps in a bare loop", "milliseconds per step", rows, setting)


def _bare_steps(config: RunConfig, device: torch.device) -> Subject:
    train = config.train
    frames_of_noise = noise(config, (STEPS + 1) * train.batch).frames

    def subject(watch: Watch) -> None:
        network = METHODS[config.method.name].network(config, 1).to(device)
        network.reset_parameters(train.seed)
        network.add_session(train.seed)
        gate = Gate(network.weights(), Ledger(network.layout(), "shared_masked"))
        optimiser = adam(list(network.parameters()), train.lr, train.betas)
        truth = torch.from_numpy(frames_of_noise).to(device)
        order = torch.randperm(len(truth), generator=init.generator(train.seed, "order", 0, 0))
        batches = [order[first : first + train.batch].to(device) for first in range(0, len(order), train.batch)]
        for step, chosen in enumerate(batches):
            if step == 1:
                watch.start()
            optimiser.zero_grad()
            with autocast(device, train.precision):
                output = network.ask(Query.of_video(0, chosen, len(truth)))
            loss = LOSSES[train.loss](output.frames.float(), truth[chosen].float().div_(255))
            torch.autograd.backward(loss)
            share = share_of_rate(step / (train.epochs * len(batches)), train.warmup, train.warmup_from)
            set_rate(optimiser.param_groups[0], train.lr * share)
            optimiser.step()
            gate.restore()
        watch.stop()

    return subject
