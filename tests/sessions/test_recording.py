"""Recorded steps, with a tape of operations in the place of a CUDA graph."""

import copy
import logging

import pytest
import torch
from avalanche.core import SupervisedPlugin
from avalanche.logging.base_logger import BaseLogger
from avalanche.training.plugins.ewc import EWCPlugin
from small_strategy import strategy_of
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vcl.layers import masking
from vcl.sessions import strategy as strategies
from vcl.sessions.adam import EagerAdam
from vcl.sessions.epoch_metrics import EpochMeans, Evaluation
from vcl.sessions.experience import video_stream
from vcl.sessions.methods import METHODS
from vcl.sessions.methods.finetune import Finetune
from vcl.sessions.recording import WARM_UP, CudaGraph, Recording, obstacle
from vcl.sessions.schedule import WarmupCosine
from vcl.sessions.strategy import VideoStrategy

RECORDED = {"wsn", "pfnr", "finetune", "single", "single_matched", "residual", "joint", "cumulative", "ewc"}


class Tape(TorchDispatchMode):
    """As a CUDA graph: repeats the operations of a step on the same tensors, and nothing of what Python did."""

    def __init__(self):
        super().__init__()
        self.operations, self.replays = [], 0
        self.before = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        for number, argument in enumerate(func._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                written = args[number] if number < len(args) else kwargs.get(argument.name)
                for tensor in tree_leaves(written):
                    if isinstance(tensor, torch.Tensor):
                        self.before.setdefault(id(tensor), (tensor, tensor.clone()))
        outputs = func(*args, **kwargs)
        if not func.is_view and "empty" not in func.name():
            self.operations.append((func, args, kwargs, outputs))
        return outputs

    def warm_up(self, step):
        step()

    def rehearse(self, step):
        step()

    @torch.no_grad()
    def record(self, step):
        with torch.enable_grad(), self:
            step()
        for tensor, before in reversed(self.before.values()):  # A CPU has taken the step; a recording takes none.
            tensor.copy_(before)

    @torch.no_grad()
    def replay(self):
        self.replays += 1
        for func, args, kwargs, outputs in self.operations:
            for recorded, tensor in zip(tree_leaves(outputs), tree_leaves(func(*args, **kwargs)), strict=True):
                if isinstance(tensor, torch.Tensor) and tensor is not recorded:
                    recorded.copy_(tensor)


class Undone(Tape):
    """A recording that fails at its end, after which nothing has changed on the device."""

    def record(self, step):
        super().record(step)
        raise RuntimeError("operation not permitted\nwhen stream is capturing")


class Losses(SupervisedPlugin):
    """What a plugin finds after each step."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def after_training_iteration(self, strategy, **_):
        numbers = strategy.loss, strategy.mb_output.sum(), strategy.output.frames.sum()
        self.steps.append([float(number.detach()) for number in numbers])


def select_without_numpy(score, capacity, signed):
    """What is done off the CPU: a tape holds operations of torch alone."""
    rank = score if signed else score.abs()
    return masking._largest(rank, masking.entries_kept(capacity, score.numel())).to(score.dtype)


def adam_with_a_tensor_as_rate(parameters):
    return EagerAdam([{"params": parameters, "lr": torch.tensor(1e-3)}], lr=1e-3, betas=(0.5, 0.9), fused=True)


def trained(method, config, clips, record, **options):
    """A strategy after all sessions; and after each its step, the sums of its last epoch, its network and losses."""
    means, losses = EpochMeans(), Losses()
    strategy = strategy_of(
        method,
        config,
        clips,
        plugins=[WarmupCosine(1e-3, 0.2, 0.1), losses],
        make_optimizer_of=adam_with_a_tensor_as_rate,
        evaluator=Evaluation([means], [BaseLogger()]),
        **{"device": "cpu", "epochs": 5, **options},
    )
    strategy._new_recording = record
    results = []
    for experience in video_stream(clips).train_stream:
        strategy.train(experience, eval_streams=[])
        results.append((strategy.step, means.sums.clone(), copy.deepcopy(strategy.model.state_dict()), losses.steps))
    return strategy, results


@pytest.mark.cpu
@pytest.mark.process
@pytest.mark.parametrize("method", sorted(RECORDED - {"single_matched"}))
def test_a_replayed_session_is_a_trained_one_to_the_bit(clips, tiny_config, monkeypatch, method):
    monkeypatch.setattr(masking, "_select", select_without_numpy)
    tapes = []

    def record(step):
        tapes.append(Tape())
        return Recording(step, tapes[-1])

    config = tiny_config(method)
    one_by_one, steps = trained(method, config, clips, lambda step: None)
    replayed, replays = trained(method, config, clips, record)
    for (step, sums, state, losses), (recorded_step, recorded_sums, recorded_state, recorded_losses) in zip(
        steps, replays, strict=True
    ):
        assert step == recorded_step
        assert torch.equal(sums, recorded_sums)
        assert losses == recorded_losses
        assert [name for name in state if not torch.equal(state[name], recorded_state[name])] == []
    assert one_by_one.ledger.subnetwork(2).sha256() == replayed.ledger.subnetwork(2).sha256()
    full_steps = sum(len(clip.frames) for clip in clips) // 2 if method == "joint" else len(clips[2].frames) // 2
    assert tapes[-1].replays == 5 * full_steps - WARM_UP


@pytest.mark.cpu
def test_what_a_network_changes_between_its_rounds_is_replayed_with(clips, tiny_config):
    config = tiny_config("finetune", backbone={"name": "tuner", "rounds": 2, "reserve": 0.25, "l1": 1e-6})
    one_by_one, steps = trained("finetune", config, clips, lambda step: None)
    replayed, replays = trained("finetune", config, clips, lambda step: Recording(step, Tape()))
    assert obstacle(replayed, VideoStrategy) is None
    assert [losses for *_, losses in steps] == [losses for *_, losses in replays]
    assert 0 in one_by_one.ledger.session_tensors(2)["live"]
    assert one_by_one.ledger.subnetwork(2).sha256() == replayed.ledger.subnetwork(2).sha256()


@pytest.mark.cpu
def test_the_short_last_batch_of_a_pass_is_trained_on_outside_the_recording(clips, tiny_config):
    tapes = []

    def record(step):
        tapes.append(Tape())
        return Recording(step, tapes[-1])

    trained("finetune", tiny_config("finetune"), clips, record)
    assert [len(clip.frames) for clip in clips] == [5, 4, 6]
    assert [tape.replays for tape in tapes] == [5 * 2 - WARM_UP, 5 * 2 - WARM_UP, 5 * 3 - WARM_UP]


@pytest.mark.cpu
def test_a_step_that_cannot_be_recorded_is_taken_one_by_one_and_the_log_says_why(clips, tiny_config, caplog):
    config = tiny_config("finetune")
    one_by_one, steps = trained("finetune", config, clips, lambda step: None)
    with caplog.at_level(logging.WARNING, "vcl"):
        refused, refused_steps = trained("finetune", config, clips, lambda step: Recording(step, Undone()))
    assert "could not be recorded: operation not permitted when stream is capturing" in caplog.text
    assert [step for step, *_ in steps] == [step for step, *_ in refused_steps]
    assert one_by_one.ledger.subnetwork(2).sha256() == refused.ledger.subnetwork(2).sha256()


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"own"}))
def test_methods_say_why_their_steps_cannot_be_recorded(clips, tiny_config, method):
    reason = obstacle(strategy_of(method, tiny_config(method), clips, device="cpu"), VideoStrategy)
    assert (reason is None) == (method in RECORDED)
    assert reason is None or "has a" in reason


class Noisy(SupervisedPlugin):
    """What a user might write."""

    def after_backward(self, strategy, **_):
        strategy.loss.item()


class Declared(Noisy):
    recordable = True


class NoisyAgain(Declared):
    def after_backward(self, strategy, **_):
        strategy.loss.item()


def test_a_plugin_with_a_hook_in_the_step_has_to_say_that_it_is_recordable(clips, tiny_config):
    config = tiny_config("finetune")

    def reason(plugin):
        return obstacle(strategy_of("finetune", config, clips, device="cpu", plugins=[plugin]), VideoStrategy)

    assert reason(SupervisedPlugin()) is None
    assert reason(Noisy()) == "Noisy has a hook after_backward"
    assert reason(Declared()) is None
    assert reason(NoisyAgain()) == "NoisyAgain has a hook after_backward"
    assert reason(EWCPlugin(1.0)) == "EWCPlugin has a hook before_backward"


def test_a_strategy_with_a_forward_of_its_own_has_to_say_that_it_is_recordable(clips, tiny_config):
    class OwnForward(Finetune):
        def forward(self):
            return super().forward()

    class Recordable(OwnForward):
        recordable = True

    strategy = strategy_of("finetune", tiny_config("finetune"), clips, device="cpu")
    strategy.__class__ = OwnForward
    assert obstacle(strategy, VideoStrategy) == "OwnForward has a method forward"
    strategy.__class__ = Recordable
    assert obstacle(strategy, VideoStrategy) is None


class Halving(SupervisedPlugin):
    """Sets a rate where stock schedulers do."""

    def after_training_epoch(self, strategy, **_):
        for group in strategy.optimizer.param_groups:
            group["lr"] = 1e-4 / (1 + strategy.epoch)


@pytest.mark.cpu
def test_a_rate_that_a_plugin_sets_is_the_rate_of_replayed_steps(clips, tiny_config):
    config, hashes = tiny_config("finetune"), []
    for record in (lambda step: None, lambda step: Recording(step, Tape())):
        strategy = strategy_of(
            "finetune",
            config,
            clips,
            device="cpu",
            epochs=5,
            plugins=[Halving()],
            make_optimizer_of=adam_with_a_tensor_as_rate,
        )
        strategy._new_recording = record
        strategy.train(video_stream(clips).train_stream[2], eval_streams=[])
        hashes.append(strategy.ledger.subnetwork(0).sha256())
    assert hashes[0] == hashes[1]


@pytest.mark.cpu
def test_a_session_for_which_a_rehearsal_says_no_is_trained_one_by_one(clips, tiny_config, caplog):
    class Waiting(Tape):
        def rehearse(self, step):
            step()
            return "the host waits for the device at plugin.py:7"

        def record(self, step):
            raise AssertionError

    config = tiny_config("finetune")
    one_by_one, _ = trained("finetune", config, clips, lambda step: None)
    with caplog.at_level(logging.WARNING, "vcl"):
        waiting, _ = trained("finetune", config, clips, lambda step: Recording(step, Waiting()))
    assert "could not be recorded: the host waits for the device at plugin.py:7" in caplog.text
    assert one_by_one.ledger.subnetwork(2).sha256() == waiting.ledger.subnetwork(2).sha256()


def test_another_optimiser_or_network_is_not_taken_to_be_recordable(clips, tiny_config):
    config = tiny_config("finetune")

    def sgd(parameters):
        return torch.optim.SGD(parameters, lr=0.1)

    strategy = strategy_of("finetune", config, clips, device="cpu", make_optimizer_of=sgd)
    assert obstacle(strategy, VideoStrategy) == "its optimiser is SGD"
    strategy = strategy_of("finetune", config, clips, device="cpu")

    class Counting(type(strategy.model)):
        def decode(self, query, session, frame):
            return super().decode(query, session, frame)

    strategy.model.__class__ = Counting
    assert obstacle(strategy, VideoStrategy) == "Counting has a method decode"


def counted_graphs(monkeypatch):
    """A list of the CUDA graphs that are made, each of which counts its replays."""
    graphs = []

    class Counted(CudaGraph):
        def __init__(self):
            super().__init__()
            self.replays = 0
            graphs.append(self)

        def replay(self):
            super().replay()
            self.replays += 1

    monkeypatch.setattr(strategies, "CudaGraph", Counted)
    return graphs


@pytest.mark.gpu
@pytest.mark.process
@pytest.mark.parametrize("method", sorted(RECORDED - {"single_matched"}))
def test_a_cuda_graph_trains_as_steps_one_by_one_to_the_bit(clips, tiny_config, monkeypatch, method):
    config, graphs, results = tiny_config(method), counted_graphs(monkeypatch), []
    for graph in (False, True):
        strategy = strategy_of(
            method, config, clips, device="cuda:0", epochs=5, graph=graph, plugins=[WarmupCosine(1e-3, 0.2, 0.1)]
        )
        for experience in video_stream(clips).train_stream:
            strategy.train(experience, eval_streams=[])
        results.append(strategy.ledger.subnetwork(2).sha256())
    assert results[0] == results[1]
    assert graphs[-1].replays == 5 * (15 // 2 if method == "joint" else 6 // 2) - WARM_UP


class Asking(SupervisedPlugin):
    """Says what is not true."""

    recordable = True

    def after_backward(self, strategy, **_):
        strategy.loss.item()


@pytest.mark.gpu
@pytest.mark.process
def test_a_step_that_waits_for_a_gpu_is_found_before_it_is_recorded(clips, tiny_config, monkeypatch, caplog):
    graphs = counted_graphs(monkeypatch)
    strategy = strategy_of("finetune", tiny_config("finetune"), clips, device="cuda:0", epochs=5, plugins=[Asking()])
    with caplog.at_level(logging.WARNING, "vcl"):
        strategy.train(video_stream(clips).train_stream[0], eval_streams=[])
    assert "could not be recorded: the host waits for the device at " in caplog.text
    assert strategy.step == 15
    assert [graph.replays for graph in graphs] == [0]
