"""The order of sessions."""

import numpy as np
import pytest

from vcl.config import StreamConfig
from vcl.errors import ConfigError, VideoError
from vcl.video.cache import Clip
from vcl.video.stream import difficulty, open_stream, ordered


def clip(name, frames):
    return Clip(name, np.asarray(frames, np.uint8), "")


FLAT = clip("flat", np.full((2, 3, 4, 4), 9))
MOVING = clip("moving", np.stack([np.full((3, 4, 4), 0), np.full((3, 4, 4), 30)]))
STRIPES = clip("stripes", np.tile([0, 50], (2, 3, 4, 2)))
CLIPS = [STRIPES, FLAT, MOVING]


def test_difficulty_is_the_mean_step_to_the_next_pixel_in_space_and_time():
    assert difficulty(FLAT) == 0
    assert difficulty(MOVING) == 30 / 2
    assert difficulty(STRIPES) == 50


def test_sessions_come_as_given_or_from_easy_to_hard():
    assert ordered(CLIPS, StreamConfig()) == CLIPS
    assert ordered(CLIPS, StreamConfig(order="easy_to_hard")) == [FLAT, MOVING, STRIPES]


def test_a_shuffle_depends_on_its_seed_and_not_on_the_order_before():
    orders = {seed: ordered(CLIPS, StreamConfig(order="shuffled", order_seed=seed)) for seed in range(20)}
    assert all(sorted(c.name for c in order) == ["flat", "moving", "stripes"] for order in orders.values())
    assert len({tuple(c.name for c in order) for order in orders.values()}) == 6
    assert ordered(CLIPS[::-1], StreamConfig(order="shuffled", order_seed=3)) == orders[3]


@pytest.mark.parametrize("frames", [1, 3])
def test_difficulty_of_clips_of_any_length_is_a_number(frames):
    assert difficulty(clip("one", np.zeros((frames, 3, 2, 2)))) == 0


@pytest.mark.parametrize(
    ("root", "line"),
    [
        ("@x", "stream.root must be a folder that exists, got @x"),
        ("a.mp4", "stream.root must be a folder that exists, got a.mp4"),
        ("a" * 300, "stream.root must be a folder that exists, got a.* .File name too long."),
    ],
)
def test_a_root_that_is_no_folder_is_refused_by_the_name_of_its_setting(tmp_path, monkeypatch, root, line):
    (tmp_path / "a.mp4").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VideoError, match=line):
        open_stream(StreamConfig(benchmark="folder", root=root))


@pytest.mark.parametrize("key", ["root", "cache"])
def test_a_root_or_a_cache_in_the_home_of_nobody_is_refused(tmp_path, key):
    with pytest.raises(ConfigError, match=f"stream.{key} must lie in a home that exists; .* got ~nosuchuser/x"):
        open_stream(StreamConfig(benchmark="folder", **{"root": str(tmp_path), key: "~nosuchuser/x"}))
