"""TUNER in rounds: which frequencies go and come, and that everything which is promised of a run still holds."""

import signal

import pytest
import torch
from contract import assert_decoded_as_trained
from on_device import DEVICE
from small_strategy import strategy_of
from small_tuner import NYQUIST, along, beyond, made, trained

from vcl import backbones
from vcl.backbones.size_matching import numbers_of
from vcl.config.backbones import TunerConfig
from vcl.errors import ConfigError, Interrupted
from vcl.run import run_clips
from vcl.rundir import RunFolder
from vcl.sessions.experience import video_stream
from vcl.sessions.trainer import build as build_strategy

KNOBS = {"rounds": 2, "prune": 0.3, "reserve": 0.25, "l1": 1e-6}
TUNER = {"name": "tuner", **KNOBS}


def live_of(network, session=0):
    return network.session_dicts()[session]["live"].tolist()


@torch.no_grad()
def set_columns(network, *strengths):
    """Columns of V with one number each."""
    network.weights()["hidden.weight"].value.copy_(torch.tensor(strengths) * 1e-3)


def test_the_weakest_go_and_those_that_wait_come_until_none_is_left():
    config = TunerConfig(width=8, rounds=3, prune=0.4, reserve=0.3, low_bound=1.0, high_bound=1.0)
    network = made(config)
    set_columns(network, 5, 2, -9, 3, 2, 8, 1, 4)
    assert live_of(network) == [1, 1, 1, 1, 1, 1, -1, -1]
    network.restructure(0)  # Two of six, whatever those that wait weigh.
    assert live_of(network) == [1, 0, 1, 1, 0, 1, 1, 1]
    network.restructure(0)  # Two of six, and nobody waits.
    assert live_of(network) == [1, 0, 1, 0, 0, 1, 0, 1]
    network.restructure(0)  # One of four.
    assert live_of(network) == [1, 0, 1, 0, 0, 1, 0, 0]


def test_of_equal_columns_the_first_goes_and_the_first_that_waits_comes():
    network = made(TunerConfig(width=8, rounds=1, prune=0.2, reserve=0.25, low_bound=1.0, high_bound=1.0))
    set_columns(network, *[3] * 8)
    network.restructure(0)
    assert live_of(network) == [0, 1, 1, 1, 1, 1, 1, -1]


def test_a_column_counts_by_the_share_of_its_bound_that_it_uses():
    network = made(TunerConfig(width=24, rounds=1, prune=0.05, low_share=0.5, high_bound=0.25), (128, 128))
    with torch.no_grad():
        network.weights()["hidden.weight"].value.fill_(3e-3)[:, 1] = 2e-3
    assert float(network.hidden.bounded()[0, 1].detach()) > float(network.hidden.bounded()[0].detach().min())
    network.restructure(0)
    assert live_of(network).index(0) == 1


def test_a_column_counts_by_what_a_mask_leaves_of_it():
    network = made(TunerConfig(width=8, rounds=1, prune=0.2), capacity=7 / 8)
    set_columns(network, 1, 2, 3, 4, 5, 6, 7, 8)
    with torch.no_grad():
        network.weights()["hidden.weight"].score.copy_(torch.tensor([1.0, 1, 1, 1, 1, 0, 1, 1]).expand(8, 8))
    network.restructure(0)
    assert live_of(network).index(0) == 5


def test_every_session_has_its_own():
    network = made(TunerConfig(width=8, rounds=1, prune=0.5), sessions=2)
    network.restructure(1)
    assert sum(live_of(network, 0)) == 8
    assert sum(live_of(network, 1)) == 4


def test_without_rounds_the_network_is_what_it_is():
    plain, in_rounds = made(TunerConfig(width=24)), made(TunerConfig(width=24, rounds=1))
    assert "live" not in plain.session_tensors
    assert plain.loss_terms(None, None) is None
    assert torch.equal(plain.frequency, in_rounds.frequency)
    assert torch.equal(along(plain, 2, 20), along(in_rounds, 2, 20))
    assert numbers_of(in_rounds)[1] - numbers_of(plain)[1] == 24


def test_a_reserve_holds_the_same_frequencies_in_another_order_and_those_of_one_turn_are_live():
    size = (128, 128)
    plain, other = made(TunerConfig(width=64), size), made(TunerConfig(width=64, rounds=1, reserve=0.5), size)
    assert torch.equal(plain.frequency[:3], other.frequency[:3])
    assert not torch.equal(plain.frequency, other.frequency)
    assert sorted(plain.frequency.tolist()) == sorted(other.frequency.tolist())
    assert live_of(other) == [1] * 32 + [-1] * 32
    waiting = other.hidden.bound[32:]
    assert 0.4 < float((waiting == 1).float().mean()) < 0.95  # Some 0.7 of either half are low.


@torch.no_grad()
def test_a_frequency_that_is_not_live_changes_nothing():
    network = made(TunerConfig(width=24, rounds=1, prune=0.5, reserve=0.5))
    network.restructure(0)
    gone = torch.tensor(live_of(network)) < 1
    assert int(gone.sum()) == 12
    before = along(network, 2, 30)
    network.session_dicts()[0]["phase"][gone] += 1
    network.weights()["hidden.weight"].value[:, gone] *= 7
    assert torch.equal(along(network, 2, 30), before)
    network.session_dicts()[0]["live"].mul_(0.996)  # As integers of eight bits bring it back.
    assert torch.equal(along(network, 2, 30), before)


def test_the_regulariser_is_the_sum_over_live_columns_and_moves_no_other():
    network = made(TunerConfig(width=4, rounds=1, prune=0.5, l1=0.1, omega=10.0, low_bound=1.0, high_bound=1.0))
    set_columns(network, 1, -2, 3, 4)
    network.restructure(0)
    term = network.loss_terms(None, None)
    expected = 0.1 / 10 * 4 * (torch.tensor(0.03).tanh() + torch.tensor(0.04).tanh())
    assert float(term.detach()) == pytest.approx(float(expected), rel=1e-6)
    term.backward()
    slope = network.weights()["hidden.weight"].value.grad.amax(0)
    assert (slope > 0).tolist() == [False, False, True, True]


def test_the_regulariser_makes_columns_small():
    sums = []
    for l1 in (0.0, 1e-2):
        network, _ = trained(TunerConfig(width=48, l1=l1), steps=40)
        sums.append(float(network.hidden.bounded().detach().abs().sum()))
    assert sums[1] < sums[0] / 2


def test_spectrum_period_and_bounds_hold_through_the_rounds():
    network, loss = trained(
        TunerConfig(width=128, rounds=1, prune=0.3, reserve=0.2), after_half=lambda n: n.restructure(0)
    )
    assert sum(value == 1 for value in live_of(network)) == 128 - 25 - int(0.3 * 103) + 25
    assert loss < 0.15
    assert bool((network.hidden.bounded().abs() <= network.hidden.bound).all())
    assert beyond(network, 2, NYQUIST) < 1e-6
    assert beyond(network, 1, NYQUIST) < 1e-6
    torch.testing.assert_close(along(network, 1, 50), along(network, 1, 50, start=2.0), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("rounds", "first", "second"), [(1, [6], [4]), (3, [2, 4, 6], [2, 3, 4]), (5, [2, 3, 4, 5, 6], [1, 2, 3, 4, 4])]
)
def test_rounds_end_at_even_distances_in_the_first_half_of_a_session(rounds, first, second, tiny_config, clips):
    strategy = strategy_of("finetune", tiny_config("finetune"), clips, epochs=4)  # 12 steps, then 8.
    ended = {0: [], 1: []}
    strategy.model.rounds = rounds
    strategy.model.restructure = lambda session: ended[session].append(strategy.step)
    for experience in video_stream(clips).train_stream[:2]:
        strategy.train(experience, eval_streams=[])
    assert ended == {0: first, 1: second}


METHODS = ["single", "finetune", "residual", "replay", "ewc", "agem", "esmer", "wsn", "packnet"]


@pytest.mark.parametrize(("method", "bits"), [*((method, None) for method in METHODS), ("single", 5), ("wsn", 5)])
def test_what_is_decoded_from_disk_is_what_was_trained(method, bits, tiny_config, clips, tmp_path):
    knobs = {} if bits is None and method != "residual" else {"bits": bits or 5}
    config = tiny_config(method, method=knobs, backbone=TUNER, train={"epochs": 4})
    strategy = build_strategy(backbones.resolved(config), clips[:2], lambda event: None, DEVICE)
    assert_decoded_as_trained(strategy, config, clips[:2], tmp_path / "run")


def zero_columns(strategy, session):
    weight = strategy.ledger.subnetwork(session).weights["hidden.weight"]
    return (weight == 0).all(0)


@pytest.mark.parametrize("bits", [None, 5])
def test_a_network_of_its_own_stores_zeros_in_the_columns_that_it_does_not_use(bits, tiny_config, clips):
    config = tiny_config("single", method={"bits": bits}, backbone=TUNER, train={"epochs": 4})
    strategy = build_strategy(config, clips[:2], lambda event: None, DEVICE)
    for session, experience in enumerate(video_stream(clips).train_stream[:2]):
        strategy.train(experience, eval_streams=[])
        live = strategy.ledger.session_tensors(session)["live"] > 0.5
        # 18 of 24; 5 go and come, then 5 go and the last one comes.
        assert int(live.sum()) == 14
        assert torch.equal(zero_columns(strategy, session), ~live)


def test_a_network_of_several_videos_keeps_the_columns_that_any_of_them_uses():
    network, live = made(TunerConfig(width=4, rounds=1)), torch.tensor([[1.0, 0, 0, -1], [1, 1, 0, 0]])
    stored = network.trimmed({"hidden.weight": torch.full((4, 4), -2.0)}, {"live": live * 0.996})
    assert stored["hidden.weight"].tolist() == [[-2, -2, 0, 0]] * 4


@pytest.mark.parametrize("method", ["wsn", "single"])
def test_every_video_decodes_after_each_later_session_as_it_did_when_it_was_sealed(
    method, tiny_config, clips, tmp_path
):
    config = tiny_config(method, backbone=TUNER, train={"epochs": 2}, matrix={"upper": False})
    rows = run_clips(config, clips, tmp_path / "run").matrix()["rows"]
    for video in range(3):
        assert len({row["sha256"][video] for row in rows[video:]}) == 1


@pytest.mark.parametrize("stopped_at", [1, 2, 3])
def test_a_run_that_is_stopped_before_at_or_after_a_round_goes_on_to_the_same_bits(
    stopped_at, tiny_config, clips, tmp_path
):
    config = tiny_config("wsn", backbone={**TUNER, "rounds": 1}, train={"epochs": 4})

    def files(name, *listeners):
        folder = run_clips(config, clips[:2], tmp_path / name, lambda _: list(listeners))
        return [path.read_bytes() for path in sorted((folder.path / "sessions").iterdir())]

    def stop(event):
        if event["kind"] == "epoch" and (event["session"], event["step"]) == (0, 3 * stopped_at):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):  # Of 12 steps the round is before the seventh.
        files("stopped", stop)
    assert RunFolder.existing(tmp_path / "stopped").checkpoint_notes()["step"] == 3 * stopped_at
    assert files("stopped") == files("whole")


@pytest.mark.parametrize(
    ("knobs", "named"),
    [
        ({"l1": -1e-7}, r"backbone.l1 must be 0 or more, got -1e-07"),
        ({"rounds": -1}, r"backbone.rounds must be 0 or more, got -1"),
        ({"prune": 0.0}, r"backbone.prune must lie between 0 and 1, got 0"),
        ({"prune": 1.0}, r"backbone.prune must lie between 0 and 1, got 1"),
        ({"rounds": 1, "reserve": 1.0}, r"backbone.reserve must be 0 or more and less than 1, got 1"),
        ({"reserve": 0.1}, r"backbone.reserve must be 0 where rounds is 0, got 0.1"),
    ],
)
def test_knobs_of_rounds_out_of_range_are_refused(knobs, named):
    with pytest.raises(ConfigError, match=named):
        TunerConfig(**knobs)
