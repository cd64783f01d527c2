import pytest
import torch

from vcl.backbones import build
from vcl.backbones.base import Backbone
from vcl.config.backbones import NervConfig, SirenConfig
from vcl.layers import init
from vcl.query import Query
from vcl.run import run_clips
from vcl.sessions.sampling import Sampler

HEIGHT, WIDTH = SIZE = (6, 10)


def numbered(count):
    """Frames ``(count, 3, 6, 10)`` of which no two numbers of a channel are alike."""
    one = torch.arange(HEIGHT * WIDTH).view(1, 1, HEIGHT, WIDTH)
    return (one + 60 * torch.arange(count).view(-1, 1, 1, 1) + torch.arange(3).view(1, 3, 1, 1)).to(torch.uint8)


def rows_of(*times):
    return Query(torch.zeros(len(times)), torch.tensor(times), torch.full((len(times),), 4.0)).tensor()


def of_pixels(points, step=0):
    return Sampler(build(SirenConfig(width=2, points=points), SIZE, 1), lambda: init.generator(0, "pixels", 0, step))


@pytest.mark.parametrize("points", [1, 4, 7, 60, 100])
def test_pixels_are_spread_over_the_frame_one_in_each_of_equal_runs(points):
    rows, _ = of_pixels(points).parts(rows_of(2, 0), numbered(3), torch.tensor([2, 0]))
    places = Query.of_tensor(rows).points
    flat = places[..., 0] * WIDTH + places[..., 1]
    assert places.shape == (2, points, 2)
    run = HEIGHT * WIDTH / points
    first = torch.arange(points) * run
    assert bool((flat >= first.floor()).all())
    assert bool((flat < first + run).all())
    assert bool((places[..., 0] < HEIGHT).all())
    assert bool((places[..., 1] < WIDTH).all())


def test_each_frame_of_a_batch_has_pixels_of_its_own():
    rows, _ = of_pixels(6).parts(rows_of(0, 1), numbered(2), torch.tensor([0, 1]))
    assert not torch.equal(*Query.of_tensor(rows).points)


def test_every_pixel_is_drawn_sooner_or_later():
    flat = set()
    for step in range(60):
        rows, _ = of_pixels(6, step).parts(rows_of(0), numbered(1), torch.tensor([0]))
        flat |= {int(row * WIDTH + column) for row, column in Query.of_tensor(rows).points[0].tolist()}
    assert flat == set(range(HEIGHT * WIDTH))


def test_targets_are_the_pixels_that_the_query_names():
    frames = numbered(4)
    rows, target = of_pixels(9).parts(rows_of(3, 1), frames, torch.tensor([3, 1]))
    query = Query.of_tensor(rows)
    assert query.t.tolist() == [3, 1]
    assert target.shape == (2, 3, 9)
    assert target.dtype == torch.uint8
    for number, frame in enumerate((3, 1)):
        for point, (row, column) in enumerate(query.points[number].long().tolist()):
            assert torch.equal(target[number, :, point], frames[frame, :, row, column])


def test_the_same_step_draws_the_same_pixels_and_another_draws_others():
    drawn = [of_pixels(8, step).parts(rows_of(0), numbered(1), torch.tensor([0]))[0] for step in (5, 5, 6)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


class Stopped(Exception):
    """Thrown out of a run."""


def test_a_run_that_was_stopped_goes_on_with_the_pixels_that_it_would_have_drawn(
    tiny_config, clips, tmp_path, monkeypatch
):
    drawn, parts, stop_before = [], Sampler.parts, None

    def watched(sampler, *arguments):
        if len(drawn) == stop_before:
            raise Stopped
        rows, target = parts(sampler, *arguments)
        drawn.append(rows)
        return rows, target

    monkeypatch.setattr(Sampler, "parts", watched)
    config = tiny_config("finetune", backbone={"name": "siren"}, train={"epochs": 3, "checkpoint_seconds": 0})
    run_clips(config, clips[:1], tmp_path / "undisturbed")
    undisturbed, drawn[:] = list(drawn), []
    stop_before = 4
    with pytest.raises(Stopped):
        run_clips(config, clips[:1], tmp_path / "stopped")
    stop_before = None
    run_clips(config, clips[:1], tmp_path / "stopped")
    assert len(drawn) == len(undisturbed) > 4
    assert all(torch.equal(one, other) for one, other in zip(drawn, undisturbed, strict=True))


class Patched(Backbone):
    """Trains on patches; makes nothing."""

    sampling = "patch"
    patch = (3, 5)

    def decode(self, query, session, frame):
        raise NotImplementedError


class OfNeighbours(Patched):
    sampling = "frame"

    def frames_seen(self, t, frames):
        return torch.stack((t - 1, t, t + 1), dim=1).clamp(0, frames - 1)


def sampler_of(kind):
    return Sampler(kind(NervConfig(), SIZE, 1), lambda: init.generator(0))


def test_patches_cover_each_frame_exactly_once():
    sampler, frames = sampler_of(Patched), numbered(3)
    rows, target = sampler.parts(rows_of(2, 0), frames, torch.tensor([2, 0]))
    query = Query.of_tensor(rows)
    assert sampler.parts_per_frame == 4
    assert query.t.tolist() == [2] * 4 + [0] * 4
    assert target.shape == (8, 3, 3, 5)
    covered = torch.zeros(2, HEIGHT, WIDTH, dtype=torch.long)
    pasted = torch.zeros(2, 3, HEIGHT, WIDTH, dtype=torch.uint8)
    for part, (top, left, height, width) in enumerate(query.window.long().tolist()):
        here = slice(top, top + height), slice(left, left + width)
        covered[part // 4][here] += 1
        pasted[part // 4][:, here[0], here[1]] = target[part]
    assert bool((covered == 1).all())
    assert torch.equal(pasted, frames[[2, 0]])


def test_whole_frames_are_taken_as_they_are():
    sampler = Sampler(build(NervConfig(levels=2, stem_width=2, channels=2, strides=(2,)), SIZE, 1), None)
    rows, target = sampler.parts(rows_of(1), numbered(2), torch.tensor([1]))
    assert sampler.parts_per_frame == 1
    assert torch.equal(rows, rows_of(1))
    assert torch.equal(target, numbered(2)[1:])


def test_the_frames_that_a_network_encodes_are_named_by_index_and_its_own_frame_is_not_named():
    assert sampler_of(OfNeighbours).frames_seen([0, 3, 1], [4, 4, 2]) == [[0, 0, 1], [2, 3, 3], [0, 1, 1]]
    assert sampler_of(Patched).frames_seen([0, 3], [4, 4]) is None


class OfTheFrameBefore(Patched):
    sampling = "frame"

    def frames_seen(self, t, frames):
        return (t - 1).clamp(min=0)[:, None]


def test_another_frame_alone_is_named_too():
    assert sampler_of(OfTheFrameBefore).frames_seen([0, 3], [4, 4]) == [[0], [2]]
