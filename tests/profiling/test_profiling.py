"""That every benchmark runs, and that its ratios are what they say. No test here asserts a time."""

import math

import numpy as np
import pytest
import torch
from on_device import DEVICE
from torch.utils.flop_counter import FlopCounterMode

from vcl.errors import ConfigError, VclError
from vcl.profiling import BENCHMARKS, run_benchmark
from vcl.profiling.codec import coder_row
from vcl.profiling.machine import Peak, peak
from vcl.profiling.sessions import cut
from vcl.profiling.subjects import PlainNerv, closed_ledger, our_steps, plain
from vcl.profiling.table import Row, Table, rows_of
from vcl.profiling.timing import Measured, Watch, median_ratio, take_turns, timed
from vcl.query import Query
from vcl.sessions.methods import METHODS
from vcl.video.cache import Clip

pytestmark = pytest.mark.process

CODED = [
    *(f"{name} {bits} bit" for name in ("Gauss", "Laplace") for bits in (4, 6, 8)),
    *("mask 0.1", "mask 0.3", "mask 0.5", "mask 0.3, initial scores"),
]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("step", ["plain dense", "wsn", "pfnr"]),
        ("loop", ["bare loop", "vcl"]),
        ("mask", ["step", "ranking", "masked weights, forward and backward"]),
        ("fourier", ["convolution", "operator, dense", "operator, masked"]),
        ("decode", ["plain dense", "wsn", "pfnr"]),
        ("evaluate", ["decode", "decode, round, hash", "decode, round, hash, measure"]),
        ("loader", ["step", "its batch", "command to first step"]),
        ("codec", [f"{name}: {coder}" for name in CODED for coder in ("zlib", "vcl")]),
        ("sessions", ["a step of session 0", "a step of session 2", "session 0", "session 1", "session 2"]),
    ],
)
def test_every_benchmark_runs_and_its_baseline_has_ratio_one(name, rows, tiny_config, stream, monkeypatch):
    monkeypatch.setattr("vcl.profiling.loop.STEPS", 4)
    monkeypatch.setattr("vcl.profiling.sessions.STEPS", 2)
    monkeypatch.setattr("vcl.profiling.sessions.TURNS", 2)
    for measured in ("mask", "decode", "fourier"):  # That of steps is measured.
        monkeypatch.setattr(f"vcl.profiling.{measured}.peak", lambda *_: Peak(1e12, 1e10))
    table = run_benchmark(name, tiny_config(stream=stream), 3 if name == "sessions" else 1)
    assert [row.name for row in table.rows] == rows
    assert all(row.milliseconds > 0 for row in table.rows)
    assert table.rows[0].ratio == 1
    assert table.to_text().splitlines()[0].startswith(f"{name}: ")


OF_EACH_KIND = ("pfnr", "single", "joint", "replay", "ewc", "residual")


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=[] if name in OF_EACH_KIND else pytest.mark.slow) for name in METHODS]
)
def test_a_step_and_decoding_of_every_method_are_measured(method, tiny_config, monkeypatch):
    for name in ("step", "decode"):
        monkeypatch.setattr(f"vcl.profiling.{name}.peak", lambda *_: Peak(1e12, 1e10))
        assert [row.name for row in run_benchmark(name, tiny_config(method), 1).rows][-1] == method


def test_a_session_before_leaves_what_the_method_learns_from(tiny_config):
    config = tiny_config("replay", train={"batch": 2})
    assert len(closed_ledger(config).buffer["query"]) == 2


def test_the_table_of_benchmarks_is_whole():
    assert set(BENCHMARKS) == {
        "step",
        "loop",
        "mask",
        "fourier",
        "decode",
        "evaluate",
        "loader",
        "codec",
        "sessions",
        "ranks",
        "classical",
    }


@pytest.mark.parametrize(
    ("name", "rule"), [("mask", "method.name must be wsn or pfnr"), ("fourier", "method.name must be pfnr")]
)
def test_what_a_config_has_not_is_not_measured(name, rule, tiny_config, stream):
    with pytest.raises(ConfigError, match=rule):
        run_benchmark(name, tiny_config("finetune", stream=stream), 1)


def test_every_turn_trains_the_same_session_from_the_same_state(tiny_config):
    config = tiny_config()
    watched = []

    class Listening(Watch):
        def stop(self):
            super().stop()
            watched.append(self.wall)

    for before in (0, 1):
        subject = our_steps(config, 2, DEVICE, before)
        products = []
        for _ in range(3):
            with FlopCounterMode(display=False) as counter:
                subject(Listening())
            products.append(counter.get_total_flops())
        assert len(set(products)) == 1
    assert len(watched) == 6
    assert len(closed_ledger(config, 3)) == 3


def test_a_run_that_cannot_start_is_reported_with_what_it_said(tiny_config, monkeypatch, tmp_path):
    command = tmp_path / "python"
    command.write_text("#!/bin/sh\necho 'vcl: the videos are missing' >&2\nexit 2\n")
    command.chmod(0o755)
    monkeypatch.setattr("vcl.profiling.loader.sys.executable", str(command))
    with pytest.raises(VclError, match="must start to be timed, but it said: vcl: the videos are missing"):
        run_benchmark("loader", tiny_config(), 1)


def test_a_ratio_is_the_median_of_the_rounds_own_ratios():
    assert median_ratio([2.0, 9.0, 3.0], [1.0, 3.0, 3.0]) == 2.0


def test_rows_by_hand():
    measured = {
        "a": Measured(wall=[2.0, 4.0, 2.0], cpu=[1.0, 1.0, 1.0], flop=6_000_000_000, bytes=10**10, peak=2**21),
        "b": Measured(wall=[3.0, 4.0, 4.0], cpu=[2.0, 3.0, 4.0], flop=2_000_000_000, bytes=0, peak=None),
    }
    one, two = rows_of(measured, "a", units=2, peak=Peak(flop_per_second=12e9, bytes_per_second=10e9))
    assert one == Row("a", 1000.0, 1.0, 1.0, 3.0, 0.25, 5.0, 0.5, 2.0)
    assert two == Row("b", 2000.0, 1.5, 3.0, 0.5, 0.5 / 12, 0.0, 0.0, None)


def test_what_a_subject_does_while_its_watch_stands_still_is_not_counted():
    matrix = torch.rand(8, 8)

    def subject(watch):
        matrix @ matrix
        for _ in range(2):
            watch.start()
            matrix @ matrix
            watch.stop()

    assert take_turns({"two products": subject}, 1)["two products"].flop == 2 * (2 * 8**3)


def test_operations_and_bytes_are_counted_forward_and_backward_and_views_are_not():
    one, two = torch.rand(8, 16, requires_grad=True), torch.rand(16, 4)

    def work():
        (one @ two).t().sum().backward()
        one.grad = None

    measured = take_turns({"product": timed(work)}, 3)["product"]
    assert len(measured.wall) == len(measured.cpu) == 3
    assert measured.flop == 2 * (2 * 8 * 16 * 4)
    least = 4 * (8 * 16 + 16 * 4 + 8 * 4) * 2
    assert least <= measured.bytes < 2 * least


def test_subjects_take_turns_and_every_second_round_goes_backwards():
    calls = []
    subjects = {name: timed(lambda name=name: calls.append(name)) for name in "ab"}
    take_turns(subjects, 3)
    assert "".join(calls[-6:]) == "abbaab"


def test_the_baseline_has_the_weights_of_our_dense_network(tiny_config):
    config = tiny_config("finetune", backbone={"expansion": 1.5, "lower_width": 3})
    ours = METHODS["finetune"].network(config, 1)
    ours.reset_parameters(0)
    ours.add_session(0)
    theirs, embedding = plain(config, DEVICE)
    assert isinstance(theirs, PlainNerv)
    shapes = [list(parameter.shape) for parameter in theirs.parameters()]
    assert shapes[:-1] == [list(shape) for shape in ours.shapes().values()]
    with torch.no_grad():
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            other.copy_(mine.view(other.shape))
        golden = torch.tensor([(5**0.5 - 1) / 2], dtype=torch.float64)
        time, session = ours.encoding(torch.tensor([0.25], dtype=torch.float64)), ours.encoding(golden)
        frame = ours(Query.of_video(0, range(1, 2), 4).tensor())
        torch.testing.assert_close(frame, theirs(torch.cat((time, session), dim=1)))
    assert embedding.shape == (config.train.batch, 4 * config.backbone.levels)


def test_a_row_of_a_coder_by_hand():
    writes = Measured(wall=[2.0, 4.0, 3.0], cpu=[0.5, 1.0, 2.0], flop=0, bytes=0, peak=None)
    reads = Measured(wall=[1.0, 1.0, 1.0], cpu=[0.5, 0.25, 1.0], flop=0, bytes=0, peak=None)
    row = coder_row("a", 1_000_000, 150_000, 10**6, (writes, reads), (reads, reads))
    assert row == Row("a", 4000.0, 2.0, 1.5, more=row.more)
    assert row.more == {
        "bits_per_symbol": 1.2,
        "percent_over_entropy": pytest.approx(20),
        "million_written_per_cpu_second": 2.0,
        "million_read_per_cpu_second": 4.0,
    }


def test_a_peak_is_a_rate():
    rates = peak(DEVICE, "float32")
    assert 0 < rates.flop_per_second < math.inf
    assert 0 < rates.bytes_per_second < math.inf


def test_videos_are_cut_into_clips_of_one_length():
    clips = [Clip(name, np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1), "") for name, n in (("a", 7), ("b", 5))]
    pieces = cut(clips, 4)
    assert [clip.name for clip in pieces] == ["a-0", "a-2", "a-4", "b-0"]
    assert [clip.frames.flatten().tolist() for clip in pieces] == [[0, 1], [2, 3], [4, 5], [0, 1]]


def test_one_session_is_nothing_to_compare(tiny_config, stream):
    with pytest.raises(ConfigError, match="sessions must be 2 or more to be compared, got 1"):
        run_benchmark("sessions", tiny_config(stream=stream), 1)


def test_more_sessions_than_frames_are_refused():
    with pytest.raises(ConfigError, match="got 2 frames for 3 sessions"):
        cut([Clip("a", np.zeros((2, 1, 1, 1), np.uint8), "")], 3)


def test_text_has_only_the_columns_that_something_stands_in():
    rows = (Row("one", 12.5, ratio=1.0, more={"frames_per_second": 80.0}), Row("two", 1234.0, ratio=None))
    text = Table("decode", "one", "milliseconds", rows, {"size": [2, 4]}).to_text().splitlines()
    assert text[1].split() == ["name", "milliseconds", "ratio", "frames", "per", "second"]
    assert text[2].split() == ["one", "12.5", "1.000", "80"]
    assert text[3].split() == ["two", "1234", "n/a", "n/a"]
    assert text[4] == "size 2x4"
