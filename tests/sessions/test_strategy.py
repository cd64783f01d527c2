"""What the framework relies on in Avalanche, and what it does in its place."""

import pytest
import torch
from on_device import DEVICE
from small_strategy import network_of, strategy_of

from vcl.layers import init
from vcl.metrics.loss import LOSSES
from vcl.query import Query
from vcl.sessions.adam import adam
from vcl.sessions.experience import video_stream
from vcl.sessions.methods import METHODS
from vcl.sessions.schedule import WarmupCosine, share_of_rate
from vcl.sessions.stateful import StatefulPlugin
from vcl.sessions.strategy import VideoStrategy
from vcl.sessions.trainer import build


def test_scores_learn_at_a_rate_of_their_own(tiny_config, clips):
    strategy = build(tiny_config("wsn", train={"score_rate": 0.25}), clips, lambda _: None, DEVICE)
    rates = []

    class Noting(StatefulPlugin):
        def after_update(self, strategy, **_):
            rates.append([group["lr"] for group in strategy.optimizer.param_groups])

    strategy.plugins.append(Noting())
    strategy.train(video_stream(clips).train_stream[0], eval_streams=[])
    assert all(of_scores == 0.25 * of_weights > 0 for of_weights, of_scores in rates)
    held = [{id(p) for p in group["params"]} for group in strategy.optimizer.param_groups]
    weights = strategy.model.weights().values()
    assert held[1] == {id(weight.score) for weight in weights}
    assert held[0] == {id(weight.value) for weight in weights} | {id(strategy.model.session_dicts()[0]["head"])}


def test_the_strategy_does_what_a_bare_loop_does_to_the_bit(tiny_config, clips):
    config = tiny_config("finetune")
    strategy = strategy_of("finetune", config, clips, plugins=[WarmupCosine(5e-4, 0.2, 0.1)])
    strategy.train(video_stream(clips).train_stream[0], eval_streams=[])

    network = network_of(config, "finetune", clips)
    network.add_session(0)
    network.to(DEVICE)
    optimiser = adam(list(network.parameters()))
    truth = torch.from_numpy(clips[0].frames).to(DEVICE) / 255
    for epoch in range(2):
        order = torch.randperm(5, generator=init.generator(0, "order", 0, epoch))
        for number, chosen in enumerate(order.split(2)):
            optimiser.param_groups[0]["lr"] = 5e-4 * share_of_rate((3 * epoch + number) / 6, 0.2, 0.1)
            optimiser.zero_grad()
            LOSSES["l2"](network(Query.of_video(0, chosen, 5).tensor().to(DEVICE)), truth[chosen]).backward()
            optimiser.step()
    for ours, bare in zip(strategy.model.parameters(), network.parameters(), strict=True):
        assert torch.equal(ours, bare)


def test_heads_of_earlier_sessions_do_not_move_in_any_method(tiny_config, clips):
    strategy = strategy_of("finetune", tiny_config("finetune"), clips)
    stream = video_stream(clips).train_stream
    strategy.train(stream[0], eval_streams=[])
    first = strategy.model.session_dicts()[0]["head"]
    head = first.detach().clone()
    strategy.train(stream[1], eval_streams=[])
    assert torch.equal(first, head)
    assert len(strategy.model.session_dicts()) == 2
    assert all(first is not p for group in strategy.optimizer.param_groups for p in group["params"])


def test_a_session_starts_with_an_optimiser_that_knows_nothing(tiny_config, clips):
    states = []

    class First(WarmupCosine):
        def before_update(self, strategy, **kwargs):
            super().before_update(strategy, **kwargs)
            if strategy.step == 0:
                states.append(len(strategy.optimizer.state))

    strategy = strategy_of("pfnr", tiny_config("pfnr"), clips, plugins=[First(1e-3, 0.2, 0.1)])
    for experience in video_stream(clips).train_stream:
        strategy.train(experience, eval_streams=[])
    assert states == [0, 0, 0]


@pytest.mark.process
def test_a_stock_plugin_serves_in_our_strategy(tiny_config, clips):
    from avalanche.training.plugins.ewc import EWCPlugin

    config = tiny_config("finetune")
    heads = []
    for strength in (0.0, 1e9):
        strategy = strategy_of(
            "finetune", config, clips, plugins=[EWCPlugin(strength, mode="online", decay_factor=0.9)]
        )
        for experience in list(video_stream(clips).train_stream)[:2]:
            strategy.train(experience, eval_streams=[])
        heads.append(strategy.model.fc2.weight.detach().clone())
    assert not torch.equal(*heads)


def test_single_draws_a_network_for_each_video(tiny_config, clips):
    strategy = strategy_of(
        "single", tiny_config("single"), clips, make_optimizer_of=lambda p: torch.optim.SGD(p, lr=0.0)
    )
    stream = video_stream(clips).train_stream
    found = []
    for session in (0, 1):
        strategy.train(stream[session], eval_streams=[])
        found.append(strategy.model.fc1.weight.detach().cpu().clone())
    assert not torch.equal(*found)
    assert torch.equal(strategy.ledger.subnetwork(0).weights["fc1.weight"].cpu(), found[0])


def test_frame_regression_is_not_a_method_of_its_own():
    assert VideoStrategy not in METHODS.values()
