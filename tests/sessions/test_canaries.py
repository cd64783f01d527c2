"""What the framework relies on in Avalanche, and what it does in its place."""

from collections import Counter

import pytest
import torch
from avalanche.core import SupervisedPlugin
from avalanche.evaluation.metrics import loss_metrics
from avalanche.logging import BaseLogger
from avalanche.training import Naive
from avalanche.training.plugins import EvaluationPlugin, EWCPlugin
from on_device import DEVICE

from vcl.layers import init
from vcl.query import Query
from vcl.sessions.adam import adam
from vcl.sessions.epoch_metrics import EpochMeans, Evaluation, EventLogger
from vcl.sessions.experience import video_stream
from vcl.sessions.loader import ResidentFrames
from vcl.sessions.loss import LOSSES
from vcl.sessions.methods import METHODS
from vcl.sessions.schedule import WarmupCosine, share_of_rate
from vcl.sessions.strategy import VideoStrategy
from vcl.sessions.subnetworks import Subnetworks
from vcl.sessions.trainer import build
from vcl.subnet.ledger import Ledger


def network_of(config, method, clips):
    network = METHODS[method].network(config, len(clips))
    network.reset_parameters(0)
    return network


def strategy_of(method, config, clips, **options):
    network = network_of(config, method, clips)
    ledger = Ledger(network.layout(), METHODS[method].state_kind)
    plugins = [*METHODS[method].own_plugins(config.method, ledger, 0), *options.pop("plugins", [])]
    return METHODS[method](
        model=network,
        clips=clips,
        ledger=ledger,
        plugins=plugins,
        epochs=2,
        batch=2,
        **{"loss": LOSSES["l2"], "device": DEVICE, **options},
    )


class Drawn(WarmupCosine):
    """Notes every frame that is trained on."""

    def __init__(self):
        super().__init__(1e-3, 0.2, 0.1)
        self.seen = Counter()

    def before_update(self, strategy, **kwargs):
        super().before_update(strategy, **kwargs)
        self.seen.update(map(tuple, strategy.mb_x.tolist()))


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_every_frame_is_drawn_once_an_epoch_at_any_batch_size(tiny_config, clips, batch):
    drawn = Drawn()
    strategy = strategy_of("finetune", tiny_config("finetune"), clips, plugins=[drawn])
    strategy.train_mb_size = batch
    strategy.train(video_stream(clips).train_stream[0], eval_streams=[])
    assert drawn.seen == {(0.0, float(t), 5.0): 2 for t in range(5)}


def test_frames_of_joined_videos_are_drawn_once_each_without_repeating_the_shorter(clips):
    stream = video_stream(clips).train_stream
    joined = stream[0].dataset.concat(stream[1].dataset).concat(stream[2].dataset)
    loader = ResidentFrames(joined, clips, 4, torch.arange, DEVICE)
    x, y = (torch.cat(parts) for parts in zip(*loader, strict=True))
    assert len(loader) == 4
    assert x.tolist() == [[s, t, len(clip.frames)] for s, clip in enumerate(clips) for t in range(len(clip.frames))]
    assert torch.equal(y.cpu(), torch.cat([torch.from_numpy(clip.frames) for clip in clips]) / 255)


def test_the_device_loader_gives_what_the_stock_loader_gives(clips):
    dataset = video_stream(clips).train_stream[1].dataset
    ours = next(iter(ResidentFrames(dataset, clips, 4, torch.arange, DEVICE)))
    stock = next(iter(torch.utils.data.DataLoader(dataset, batch_size=4)))
    assert torch.equal(ours[0].cpu(), stock[0])
    assert torch.equal(ours[1].cpu(), stock[1])
    assert ours[1].is_contiguous()


def test_scores_learn_at_a_rate_of_their_own(tiny_config, clips):
    strategy = build(tiny_config("wsn", train={"score_rate": 0.25}), clips, lambda _: None, DEVICE)
    rates = []

    class Noting(SupervisedPlugin):
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


OPTIMISERS = {
    "Adam": lambda p: torch.optim.Adam(p, lr=1e-2),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1),
    "SGD with momentum": lambda p: torch.optim.SGD(p, lr=1e-1, momentum=0.9),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_sealed_weights_are_equal_to_the_bit_after_two_more_sessions(tiny_config, clips, name):
    strategy = strategy_of("pfnr", tiny_config("pfnr"), clips, make_optimizer_of=OPTIMISERS[name])
    stream = video_stream(clips).train_stream
    strategy.train(stream[0], eval_streams=[])
    sealed = {
        n: (strategy.ledger.sealed(n).clone(), w.value.detach().clone()) for n, w in strategy.model.weights().items()
    }
    before = strategy.ledger.subnetwork(0).sha256()
    for session in (1, 2):
        strategy.train(stream[session], eval_streams=[])
    moved = 0
    for n, weight in strategy.model.weights().items():
        mask, value = sealed[n]
        assert torch.equal(weight.value[mask], value[mask])
        moved += int((weight.value != value).sum())
    assert moved > 0
    assert strategy.ledger.subnetwork(0).sha256() == before


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


def test_events_tell_of_frames_and_never_of_accuracy(tiny_config, clips):
    events = []
    evaluator = Evaluation([EpochMeans()], [EventLogger(events.append)])
    strategy = strategy_of("wsn", tiny_config("wsn"), clips, evaluator=evaluator)
    metrics = strategy.train(video_stream(clips).train_stream[0], eval_streams=[])
    assert set(metrics) == {"loss", "psnr"}
    epochs = [event for event in events if event["kind"] == "epoch"]
    assert [event["epoch"] for event in epochs] == [0, 1]
    assert set(epochs[0]) >= {"session", "video", "epoch", "epochs", "step", "steps", "loss", "psnr", "lr", "seconds"}


def test_epoch_means_are_means_over_frames_not_over_steps(tiny_config, clips):
    means = EpochMeans()
    strategy = strategy_of(
        "finetune",
        tiny_config("finetune"),
        clips,
        make_optimizer_of=lambda p: torch.optim.SGD(p, lr=0.0),
        evaluator=EvaluationPlugin(means, loggers=[EventLogger(lambda _: None)]),
    )
    strategy.train(video_stream(clips).train_stream[0], eval_streams=[])
    truth = torch.from_numpy(clips[0].frames).to(DEVICE) / 255
    with torch.no_grad():
        errors = ((strategy.model(Query.of_video(0, range(5), 5, DEVICE).tensor()) - truth) ** 2).mean((1, 2, 3))
    assert means.result()["loss"] == pytest.approx(float(errors.mean()), rel=1e-5)
    assert means.result()["psnr"] == pytest.approx(float((-10 * errors.log10()).mean()), rel=1e-5)


def test_our_plugin_serves_in_a_plain_avalanche_script(tiny_config, clips):
    network = network_of(tiny_config("pfnr"), "pfnr", clips)
    for _ in clips:
        network.add_session(0)
    ledger = Ledger(network.layout(), "shared_masked")
    script = Naive(
        model=network,
        optimizer=torch.optim.Adam(network.parameters(), lr=1e-2),
        criterion=torch.nn.MSELoss(),
        train_mb_size=2,
        device=DEVICE,
        plugins=[Subnetworks(ledger)],
        evaluator=EvaluationPlugin(loss_metrics(epoch=True), loggers=[BaseLogger()]),
    )
    for session, experience in enumerate(video_stream(clips).train_stream):
        script.train(experience, eval_streams=[])
        ledger.seal(**network.learned(session))
        if session == 0:
            before = ledger.subnetwork(0).sha256()
    assert ledger.subnetwork(0).sha256() == before


def test_a_stock_plugin_serves_in_our_strategy(tiny_config, clips):
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


def test_learning_rate_rises_from_a_tenth_and_falls_to_nothing():
    assert share_of_rate(0, 0.2, 0.1) == pytest.approx(0.1)
    assert share_of_rate(0.1, 0.2, 0.1) == pytest.approx(0.55)
    assert share_of_rate(0.2, 0.2, 0.1) == pytest.approx(1)
    assert share_of_rate(0.6, 0.2, 0.1) == pytest.approx(0.5)
    assert share_of_rate(0.999999, 0.2, 0.1) == pytest.approx(0, abs=1e-9)
    assert share_of_rate(0, 0, 0.1) == pytest.approx(1)


@pytest.mark.parametrize("name", ["l1", "l2", "l1_ssim", "l2_ssim"])
def test_losses_of_equal_frames_are_zero_and_grow_with_the_error(name):
    truth = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(0)) / 2 + 0.2
    near, far = LOSSES[name](truth + 0.01, truth), LOSSES[name](truth + 0.1, truth)
    assert float(LOSSES[name](truth, truth)) == pytest.approx(0, abs=1e-6)
    assert 0 < float(near) < float(far)


def test_paper_loss_is_its_formula():
    decoded, truth = torch.full((1, 3, 16, 16), 0.5), torch.full((1, 3, 16, 16), 0.3)
    # Two flat frames: SSIM is its luminance term alone, with C1 = 0.01².
    likeness = (2 * 0.5 * 0.3 + 1e-4) / (0.5**2 + 0.3**2 + 1e-4)
    assert float(LOSSES["l1_ssim"](decoded, truth)) == pytest.approx(0.7 * 0.2 + 0.3 * (1 - likeness), abs=5e-5)


def test_frame_regression_is_not_a_method_of_its_own():
    assert VideoStrategy not in METHODS.values()
