"""What ranks do together, without other processes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vcl.errors import RanksError
from vcl.ranks import ALONE, Agreement, Ranks, joined
from vcl.ranks.watch import BEAT, LIMIT, PATIENCE, Watch


@given(st.integers(1, 9), st.integers(1, 9))
def test_every_item_belongs_to_one_rank_and_weighted_means_average_to_the_mean_of_all(world, count):
    parts = [Ranks(rank, world).part(count) for rank in range(world)]
    items = torch.arange(count, dtype=torch.float64)
    owned = [items[part.items] for part in parts if part.weight]
    assert torch.cat(owned).tolist() == items.tolist()
    assert max(map(len, owned)) - min(map(len, owned)) <= (1 if count >= world else 0)
    means = [part.weight * items[part.items].mean() for part in parts]
    assert sum(means) / world == pytest.approx(items.mean())


def test_a_rank_without_a_frame_of_its_own_takes_the_first_and_does_not_count():
    parts = [Ranks(rank, 3).part(2) for rank in range(3)]
    assert [(part.items, part.weight) for part in parts] == [
        (slice(0, 1), 0.0),
        (slice(0, 1), 1.5),
        (slice(1, 2), 1.5),
    ]


def test_one_rank_alone_takes_all_and_asks_nobody():
    tensor = torch.ones(2)
    ALONE.average_([tensor])
    assert (ALONE.part(5).items, ALONE.part(5).weight) == (slice(0, 5), 1)
    assert ALONE.gather({"a": 1}) == [{"a": 1}]
    assert [Agreement(ALONE).anyone(answer) for answer in (True, False)] == [True, False]
    assert tensor.tolist() == [1, 1]


def test_without_a_launcher_or_with_one_process_a_run_is_alone():
    for environ in ({}, {"WORLD_SIZE": "1", "RANK": "0"}, {"WORLD_SIZE": ""}):
        with joined(environ) as ranks:
            assert ranks == ALONE


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"WORLD_SIZE": "2", "RANK": "0"}, "ranks need LOCAL_RANK, MASTER_ADDR, MASTER_PORT in the environment beside"),
        (
            {"WORLD_SIZE": "2", "RANK": "x", "LOCAL_RANK": "0", "MASTER_ADDR": "a", "MASTER_PORT": "1"},
            "RANK must be a whole number, got 'x'",
        ),
    ],
)
def test_half_a_launcher_is_refused(environ, line):
    with pytest.raises(RanksError, match=line), joined(environ):
        pass


class Time:
    """A clock that stands still until it is moved; sleeping moves it."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    time = Time()
    monkeypatch.setattr("vcl.ranks.watch.time.sleep", time.sleep)
    return time


@pytest.fixture
def watches(clock):
    """Three ranks that watch each other through one store."""
    store = torch.distributed.HashStore()
    return [Watch(store, rank, 3, clock=clock) for rank in range(3)]


def test_a_rank_without_a_sign_of_life_is_named_with_its_process(watches, clock, monkeypatch):
    def sleep(seconds):
        clock.now += seconds
        watches[1].beat()  # Of the two others, one lives.

    monkeypatch.setattr("vcl.ranks.watch.time.sleep", sleep)
    lost, began = watches[0].lost(), 100.0
    assert lost is not None
    assert lost.startswith("rank 2 (process ")
    assert PATIENCE < clock.now - began < PATIENCE + 1 < LIMIT


def test_ranks_that_have_left_are_not_missed(watches, clock):
    for watch in watches[1:]:
        watch.leave()
    assert watches[0].lost() is None
    assert clock.now == 100


def test_ranks_that_give_another_sign_are_not_waited_for(watches, clock, monkeypatch):
    def sleep(seconds):
        clock.now += seconds
        for watch in watches:
            watch.beat()

    monkeypatch.setattr("vcl.ranks.watch.time.sleep", sleep)
    assert watches[0].lost() is None
    assert clock.now < 101


def test_a_sign_from_before_the_trouble_does_not_count(watches, clock):
    for watch in watches:
        watch.beat()
    watches[1].leave()
    assert watches[0].lost().startswith("rank 2 (process ")


def test_one_rank_says_why_the_run_ends(watches):
    assert [watch.says_first() for watch in watches] == [True, False, False]


@pytest.mark.parametrize(("left", "lost"), [(True, None), (False, "the rank that holds the store")])
def test_a_store_that_is_gone_means_a_death_unless_the_first_rank_was_seen_to_leave(left, lost, watches, monkeypatch):
    if left:
        watches[0].leave()
    watches[1].leave()
    watches[2].lost()

    def fail(*_):
        raise RuntimeError("Broken pipe")

    gone = type("Gone", (), dict.fromkeys(("set", "add", "multi_get"), fail))()
    monkeypatch.setattr(watches[2], "_store", gone)
    watches[2].leave()
    assert (watches[2].lost(), watches[2].says_first()) == (lost, not left)


def test_the_rank_that_holds_the_store_ends_once_the_others_have_asked_all_or_had_their_time(clock):
    store = torch.distributed.HashStore()
    first, second = (Watch(store, rank, 2, holds_store=rank == 0, clock=clock) for rank in range(2))
    first.linger()
    assert clock.now == 100 + 2 * BEAT
    second.linger()
    first.linger()
    assert clock.now == 100 + 2 * BEAT
