"""The stream of a config: all of its videos, in the order of sessions."""

from dataclasses import replace

import numpy as np
import pytest
from video_fixtures import encode

import vcl.video.cache
from vcl.config import StreamConfig
from vcl.datasets.stream import difficulty, open_stream, ordered
from vcl.errors import CacheError, ConfigError, VideoError
from vcl.plan.frames import frame_counts
from vcl.video.cache import Clip


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
        ("a.mp4", r"must be a folder, got the file a.mp4; .*folder stream.root=. 'stream.videos=.a.'$"),
        ("a" * 300, "stream.root must be a folder that exists, got a.* .File name too long."),
    ],
)
def test_a_root_that_is_no_folder_is_refused_by_the_name_of_its_setting(tmp_path, monkeypatch, root, line):
    (tmp_path / "a.mp4").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VideoError, match=line):
        open_stream(StreamConfig(benchmark="folder", root=root))


def test_a_root_or_a_cache_in_the_home_of_nobody_is_refused():
    with pytest.raises(ConfigError, match=r"stream.root must lie in a home that exists; .* got ~nosuchuser/x"):
        open_stream(StreamConfig(benchmark="folder", root="~nosuchuser/x"))
    with pytest.raises(ConfigError, match=r"stream.cache must lie in a home that exists; .* got ~nosuchuser/x"):
        vcl.video.cache.cache_folder("~nosuchuser/x")


def videos_of(tmp_path, lengths):
    """A stream of MOV files (``a`` to ``z``) of these lengths in frames."""
    root = tmp_path / "root"
    root.mkdir()
    for name, length in lengths.items():
        frames = np.broadcast_to(np.arange(length, dtype=np.uint8)[:, None, None, None], (length, 16, 16, 3)).copy()
        encode(root / f"{name}.mov", frames, "png", "rgb24")
    return StreamConfig("folder", str(root), size=(16, 16), frames=4, cache=str(tmp_path / "cache"))


def opened(config):
    return {clip.name: clip for clip in open_stream(config)}


@pytest.mark.parametrize("door", [open_stream, frame_counts])
def test_all_short_videos_are_named_at_once_with_the_remedy(tmp_path, door):
    config = videos_of(tmp_path, {"a": 3, "b": 5, "c": 2})
    with pytest.raises(VideoError) as refusal:
        door(config)
    head, first, second, hint = str(refusal.value).split("\n  ")
    assert head == "2 videos of the stream cannot be used:"
    assert first.startswith("a: ")
    assert second.startswith("c: ")
    assert hint == "stream.frames=null takes each as long as it is, stream.frames=2 fits the shortest"
    assert {name: len(clip.frames) for name, clip in opened(replace(config, frames=2)).items()} == dict.fromkeys(
        "abc", 2
    )
    assert [len(clip.frames) for clip in opened(replace(config, frames=None)).values()] == [3, 5, 2]


def test_one_short_video_is_one_line(tmp_path):
    with pytest.raises(
        VideoError, match=r"^a: asked for frames 0\.\.3 but .* has 3; stream\.frames=null takes .*$"
    ) as no:
        open_stream(videos_of(tmp_path, {"a": 3, "b": 5}))
    assert "\n" not in str(no.value)


def test_faults_that_show_without_decoding_are_raised_before_anything_is_decoded(tmp_path, monkeypatch):
    config = videos_of(tmp_path, {"a": 4, "b": 4, "c": 4})
    root = tmp_path / "root"
    (root / "a.mov").write_bytes(b"no video")
    np.save(root / "d.npy", np.zeros((3, 3, 16, 16), np.uint8))
    monkeypatch.setattr("vcl.datasets.stream.load_clip", None)
    with pytest.raises(VideoError, match=r"(?s)^2 videos .*a\.mov: cannot be opened .*\n  d: asked for frames 0\.\.3"):
        open_stream(config)


def test_a_clip_that_is_short_does_not_keep_the_others_from_the_cache_and_none_is_decoded_twice(tmp_path, monkeypatch):
    config = videos_of(tmp_path, {"a": 3, "b": 5, "c": 6})
    decoded = []
    real = vcl.video.cache.transformed_frames
    monkeypatch.setattr(
        vcl.video.cache, "transformed_frames", lambda source, *rest: decoded.append(source.name) or real(source, *rest)
    )
    with pytest.raises(VideoError, match=r"^a: "):
        open_stream(config)
    assert decoded == ["a", "b", "c"]
    open_stream(replace(config, videos=("b", "c")))
    assert decoded == ["a", "b", "c"]


def test_more_than_ten_faults_are_counted(tmp_path):
    config = videos_of(tmp_path, {})
    for number in range(13):
        (tmp_path / "root" / f"{number}.mov").write_bytes(b"no video")
    with pytest.raises(VideoError) as refusal:
        open_stream(config)
    lines = str(refusal.value).split("\n  ")
    assert (lines[0], len(lines), lines[-1]) == ("13 videos of the stream cannot be used:", 12, "and 3 more")


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path):
    config = videos_of(tmp_path, {"a": 5, "b": 5})
    (tmp_path / "cache").touch()
    with pytest.raises(CacheError, match=r"^.*/cache: the clip cache must be writable .*$"):
        open_stream(config)
