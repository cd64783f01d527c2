"""Scaling over ranks: its arithmetic by hand, and two real ranks. No test here asserts a time."""

import json

import pytest
from on_device import DEVICE

from vcl import config as configs
from vcl.cli import main
from vcl.errors import ConfigError, VclError
from vcl.profiling import run_benchmark
from vcl.profiling.rank_processes import RankProcesses, Timing, Turn, measure_turn, slowest
from vcl.profiling.ranks import Calculation, calculated_rows, flop_of, gradient_bytes, measured_row, sent
from vcl.ranks import ALONE

BY_HAND = Calculation(flop=10e9, gradients=400_000_000, flop_per_second=100e9, bytes_per_second=4e9)


def test_each_rank_of_a_ring_sends_all_but_its_own_part_twice():
    assert [sent(ranks, 80) for ranks in (1, 2, 4, 8)] == [0, 80, 120, 140]


def test_a_step_is_calculated_from_work_and_rates_by_hand():
    assert BY_HAND.compute(1, 4) == 400
    assert BY_HAND.compute(2, 3) == 200  # Of the rank that has two of the three frames.
    assert [BY_HAND.communication(ranks) for ranks in (1, 2, 4)] == [0, 100, 150]


def test_calculated_rows_by_hand():
    rows = {row.name.removeprefix("720x1280, calculated: "): row for row in calculated_rows(BY_HAND, 4)}
    assert list(rows) == [
        "1 rank x 4 frames",
        "2 ranks x 2 frames",
        "2 ranks x 4 frames",
        "4 ranks x 1 frames",
        "4 ranks x 4 frames",
        "8 ranks x 4 frames",
    ]
    assert rows["1 rank x 4 frames"].milliseconds == 400
    shared, grown = rows["2 ranks x 2 frames"], rows["2 ranks x 4 frames"]
    assert (shared.milliseconds, grown.milliseconds) == (300, 500)
    assert grown.ratio == 1.25
    assert shared.more["speed_up"] == pytest.approx(4 / 3)
    assert shared.more["efficiency"] == pytest.approx(2 / 3)
    assert grown.more["frames_per_second"] == 16
    assert grown.more["efficiency"] == pytest.approx(0.8)


def test_a_measured_row_by_hand():
    one = [Timing(1.0, 1.0, 0.0, 0.0, 2**20), Timing(2.0, 1.0, 0.0, 0.0, 2**20), Timing(1.0, 1.0, 0.0, 0.0, 2**20)]
    two = [Timing(0.8, 0.5, 0.2, 0.1, 2**20), Timing(1.0, 0.6, 0.1, 0.1, 2**20), Timing(0.6, 0.7, 0.2, 0.3, 2**20)]
    row = measured_row(2, 4, 4, two, one)
    assert (row.name, row.milliseconds, row.ratio, row.cpu_ratio) == ("2 ranks x 2 frames", 800, 0.6, 0.6)
    assert row.more == {
        "frames_per_second": 5,
        "speed_up": pytest.approx(1 / 0.6),
        "efficiency": pytest.approx(1 / 1.2),
        "spread": pytest.approx(0.5),
        "compute_ms": pytest.approx(600),
        "communication_ms": 200,
        "all_reduce_ms": 100,
        "message_mebibytes": 1,
    }
    assert measured_row(2, 8, 4, two, one).more["efficiency"] == pytest.approx(1 / 0.6)


def test_ranks_wait_for_the_slowest():
    assert slowest([Timing(2.0, 1.0, 1.0, 0.2, 8), Timing(3.0, 2.0, 0.5, 0.1, 8)]) == Timing(3.0, 1.5, 0.75, 0.2, 8)


@pytest.mark.parametrize("method", ["pfnr", "finetune", "esmer", "packnet"])
def test_the_gradients_of_a_step_have_as_many_bytes_as_are_calculated(method, tiny_config):
    config = tiny_config(method)
    timing = measure_turn(config, 1, DEVICE, ALONE)
    assert timing.message == gradient_bytes(config)
    assert timing.step > 0
    assert (timing.averaging, timing.all_reduce) == (0, 0)


def test_operations_of_a_frame_by_hand(tiny_config):
    stem = 24 * 16 + 16 * 8 * (8 * 12)
    blocks = 9 * (8 * 32 * (8 * 12) + 8 * 24 * (16 * 24))
    head = 24 * 12 * (16 * 24)  # Before the last pixel shuffle, with products with zeros.
    assert flop_of(tiny_config("finetune")) == 3 * 2 * (stem + blocks + head)


@pytest.mark.cpu
@pytest.mark.process
def test_two_ranks_train_the_same_steps_as_one(tiny_config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("vcl.profiling.ranks._MOST", 2)
    (tmp_path / "tiny.yaml").write_text(configs.to_yaml(tiny_config()))
    assert main(["bench", "ranks", str(tmp_path / "tiny.yaml"), "--rounds", "1", "--flops", "1e12", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    one, shared, grown = table["rows"][:3]
    assert [row["name"] for row in (one, shared, grown)] == [
        "1 rank x 2 frames",
        "2 ranks x 1 frames",
        "2 ranks x 2 frames",
    ]
    assert one["ratio"] == one["more"]["efficiency"] == 1
    assert len({row["more"]["message_mebibytes"] for row in (one, shared, grown)}) == 1
    for row in (shared, grown):
        assert 0 < row["more"]["communication_ms"] < row["milliseconds"]
        assert row["more"]["all_reduce_ms"] > 0
        assert row["more"]["efficiency"] == pytest.approx(row["more"]["speed_up"] / 2)
    assert table["setting"]["gflop_per_second"] == "1000"
    assert len(table["rows"]) == 3 + 5  # Eight ranks cannot share two frames, nor can four.


@pytest.mark.process
@pytest.mark.parametrize("ended_before", [False, True])
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            "echo 'some warning' >&2; echo 'rank 0: train.batch must be odd' >&2; exit 1",
            "said: train.batch must be odd",
        ),
        ("kill -9 $$", "was ended by signal 9"),
        ("echo 'some warning' >&2; exit 2", "ended without a word"),
    ],
)
def test_a_rank_that_fails_ends_the_benchmark_with_one_line(
    script, reason, ended_before, tiny_config, monkeypatch, tmp_path
):
    command = tmp_path / "python"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setattr("vcl.profiling.rank_processes.sys.executable", str(command))
    with RankProcesses(tiny_config(), 1) as processes:
        if ended_before:
            processes._processes[0].wait()
        with pytest.raises(VclError) as refusal:
            processes.take(Turn(1, 2, 1))
    assert str(refusal.value) == f"ranks must train to be timed, but rank 0 {reason}"


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"ranks": 3}, "train.batch must be 3 or more, where as many ranks share the frames of a step, got 2"),
        ({"ranks": 1}, "--ranks must be 2 or more, or --bandwidth be given, got 1"),
        ({"ranks": 0}, "--ranks must be 1 or more, got 0"),
        ({"flops": 0.0}, "--flops must be positive and finite, got 0.0"),
        ({"bandwidth": float("inf")}, "--bandwidth must be positive and finite, got inf"),
    ],
)
@pytest.mark.cpu
def test_what_ranks_cannot_do_is_refused(choices, message, tiny_config):
    with pytest.raises(ConfigError) as refusal:
        run_benchmark("ranks", tiny_config(), 1, **choices)
    assert str(refusal.value) == message


def test_a_network_that_cannot_be_calculated_is_refused(tiny_config):
    config = tiny_config(backbone={"strides": [2, 7]}, stream={"size": [28, 42]})
    with pytest.raises(ConfigError, match="must also be one for 720x1280, which is calculated: stream"):
        run_benchmark("ranks", config, 1)


def test_more_ranks_than_cuda_devices_are_refused(tiny_config, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    config = tiny_config(train={"device": "cuda"})
    with pytest.raises(ConfigError, match="--ranks must be at most 1, the CUDA devices of this machine, got 2"):
        run_benchmark("ranks", config, 1, ranks=2)


def test_options_of_ranks_go_with_this_benchmark_only(tmp_path, capsys):
    assert main(["bench", "step", str(tmp_path / "any.yaml"), "--ranks", "2"]) == 2
    assert "--ranks goes with ranks, got step" in capsys.readouterr().err
