"""Which published numbers are compared with a run, and what speaks against the comparison."""

import dataclasses

import pytest
from fake_run import T
from published_numbers import SOURCE, VIDEOS, differing, numbers

from vcl.config import JointConfig, NervConfig, PfnrConfig, SingleConfig
from vcl.report.published import MEAN
from vcl.report.published_comparison import compare_with_published


def reasons(runs, reported):
    (each,) = compare_with_published(runs, reported).sources["run"]
    return each.reasons


def test_a_run_under_the_same_conditions_is_comparable(published_runs):
    (each,) = compare_with_published(published_runs(), numbers()).sources["run"]
    assert each.verdict == "comparable as far as its settings are known"
    assert [(theirs.video, theirs.psnr, ours) for theirs, ours in each.pairs] == [
        ("bunny", 29.0, 28.0),
        ("city", 30.0, 31.0),
        ("beauty", 35.5, 35.0),
        (MEAN, 31.5, pytest.approx(94 / 3)),
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"height": 720, "width": 1280}, "size 720x1280, ours 18x32"),
        ({"epochs": 300}, "epochs 300, ours 150"),
        ({"batch": 6}, "batch 6, ours 1"),
        ({"lr": 0.01}, "rate 0.01, ours 0.0005"),
        ({"session_embedding": "fraction"}, "session embedding fraction, ours open"),
        ({"capacity": 0.5}, "capacity 0.5, ours 0.3"),
        ({"reinit": False}, "re-init no, ours yes"),
        ({"operator_block": 2}, "operator block 2, ours 0"),
        ({"backbone": "hnerv"}, "backbone hnerv, ours nerv"),
        ({"channels": 58}, "channels 58, ours 112"),
    ],
)
def test_each_setting_that_differs_is_a_reason(published_runs, changes, reason):
    assert reasons(published_runs(), differing(**changes)) == (reason,)


def test_all_reasons_are_listed(published_runs):
    runs = published_runs(
        PfnrConfig(capacity=0.5, reinit=False), train={"epochs": 25}, backbone=NervConfig(operator_block=1)
    )
    reason_list = reasons(runs, differing(method="pfnr", operator_block=2))
    assert reason_list == (
        "epochs 150, ours 25",
        "capacity 0.3, ours 0.5",
        "re-init yes, ours no",
        "operator block 2, ours 1",
    )


def test_what_is_unknown_of_a_paper_is_no_reason(published_runs):
    unknown = dict.fromkeys(("height", "epochs", "batch", "lr", "capacity", "reinit", "operator_block", "channels"))
    assert reasons(published_runs(), differing(**unknown, backbone="", session_embedding="")) == ()


def test_a_part_of_the_videos_is_a_shorter_stream_and_has_no_mean(published_runs):
    reported = numbers(psnr=(29.0, 30.0, 35.5, 33.0), videos=(*VIDEOS, "focus"))
    (each,) = compare_with_published(published_runs(), reported).sources["run"]
    assert each.reasons == ("sessions 4, ours 3",)
    assert [theirs.video for theirs, _ in each.pairs] == list(VIDEOS)


def test_another_order_is_a_reason_where_videos_follow_on_one_another(published_runs):
    turned = VIDEOS[::-1]
    assert reasons(published_runs(), numbers(videos=turned)) == ("another order of sessions",)


@pytest.mark.parametrize("method", [SingleConfig(), JointConfig()])
def test_the_order_is_no_reason_where_no_video_comes_after_another(published_runs, method):
    source = dataclasses.replace(SOURCE, method=method.name, capacity=None, reinit=None)
    assert reasons(published_runs(method), numbers(source, videos=VIDEOS[::-1])) == ()


def test_networks_of_their_own_do_not_mind_how_many_others_there_are(published_runs):
    source = dataclasses.replace(SOURCE, method="single", capacity=None, reinit=None)
    longer = numbers(source, psnr=(29.0, 30.0, 35.5, 33.0), videos=(*VIDEOS, "focus"))
    assert reasons(published_runs(SingleConfig()), longer) == ()


def test_frames_that_are_unknown_or_others_are_a_reason(published_runs):
    first, second, *rest = numbers()
    other = dataclasses.replace(first, frames=132)
    unknown = dataclasses.replace(second, frames=None)
    assert reasons(published_runs(), [other, unknown, *rest]) == (
        "frames unknown of city",
        f"frames of bunny 132, ours {T}",
    )


def test_many_videos_of_unknown_length_are_counted(published_runs, monkeypatch):
    monkeypatch.setattr("vcl.report.published_comparison._MOST_NAMES", 2)
    assert reasons(published_runs(), numbers(frames=None)) == ("frames unknown of 3 videos",)


def test_the_frames_behind_a_mean_alone_are_unknown(published_runs):
    assert reasons(published_runs(), numbers()[-1:]) == ("frames unknown of bunny, city, beauty",)


def test_a_run_that_is_not_finished_says_so(published_runs):
    (each,) = compare_with_published(published_runs(done=2), numbers()).sources["run"]
    assert each.reasons == ("not finished: 2 of 3 sessions",)
    assert [(theirs.video, ours) for theirs, ours in each.pairs] == [("bunny", 26.0), ("city", 32.0)]


def test_sources_with_the_fewest_reasons_come_first(published_runs):
    comparisons = compare_with_published(published_runs(), [*differing(epochs=300), *numbers()]).sources["run"]
    assert [len(each.reasons) for each in comparisons] == [0, 1]


def test_seeds_are_compared_as_their_mean(published_runs):
    sources = compare_with_published(published_runs(runs=("seed0", "seed1")), numbers()).sources
    ((each,),) = sources.values()
    assert [ours for _, ours in each.pairs] == [28.5, 31.5, 35.5, pytest.approx(94 / 3 + 0.5)]


def test_a_benchmark_may_be_the_path_of_a_manifest(published_runs):
    assert reasons(published_runs(stream={"benchmark": "my/uvg17.yaml"}), numbers()) == ()


def test_numbers_of_the_stream_whose_videos_a_run_has_are_compared_too(published_runs):
    run = published_runs(stream={"benchmark": "uvg17a"}, names=("city", "bunny", "beauty"))
    assert reasons(run, numbers()) == ("another order of sessions",)
