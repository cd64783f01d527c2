"""The clip cache."""

import errno
import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import vcl.video.cache
import vcl.video.digest
from vcl.errors import VideoError
from vcl.video.cache import cache_folder, load_clip
from vcl.video.source import RawFormat, VideoSource
from vcl.video.transform import Transform

SAME = Transform(48, 64)


@pytest.fixture
def cache_dir(tmp_path):
    return tmp_path / "cache" / "clips"


def clips_in(cache_dir):
    """Every file of the cache but the index of digests."""
    return sorted(path for path in cache_dir.glob("*") if path.name != "digests.json") + list(cache_dir.glob(".*"))


def forbid(monkeypatch, module, name):
    def fail(*args):
        raise AssertionError(f"{name} was called")

    monkeypatch.setattr(module, name, fail)


def test_a_clip_is_the_frames_mapped_read_only_from_disk(write_video, clip, cache_dir):
    loaded = load_clip(VideoSource("noise", write_video("clip.mkv", clip)), SAME, cache_dir)
    pixels = np.ascontiguousarray(clip.transpose(0, 3, 1, 2))
    assert loaded.name == "noise"
    assert isinstance(loaded.frames, np.memmap)
    assert loaded.frames.dtype == np.uint8
    assert loaded.frames.flags.c_contiguous
    assert not loaded.frames.flags.writeable
    assert np.array_equal(loaded.frames, pixels)
    assert loaded.sha256 == hashlib.sha256(pixels.tobytes()).hexdigest()


def test_the_cache_file_is_a_plain_npy_array(write_video, clip, cache_dir):
    load_clip(VideoSource("noise", write_video("clip.mkv", clip)), SAME, cache_dir)
    (path,) = clips_in(cache_dir)
    assert np.load(path, allow_pickle=False).shape == (10, 3, 48, 64)


def test_a_second_load_neither_decodes_nor_hashes(write_video, clip, cache_dir, monkeypatch):
    source = VideoSource("noise", write_video("clip.mkv", clip))
    first = load_clip(source, SAME, cache_dir)
    forbid(monkeypatch, vcl.video.cache, "transformed_frames")
    forbid(monkeypatch, vcl.video.digest, "content_digest")
    second = load_clip(source, SAME, cache_dir)
    assert second.sha256 == first.sha256
    assert np.array_equal(second.frames, first.frames)


def test_a_copy_elsewhere_under_another_name_is_the_same_clip(write_folder, clip, cache_dir, monkeypatch):
    folder = write_folder("clip", clip)
    load_clip(VideoSource("a", folder), SAME, cache_dir)
    forbid(monkeypatch, vcl.video.cache, "transformed_frames")
    assert load_clip(VideoSource("b", folder.rename(folder.with_name("moved"))), SAME, cache_dir).name == "b"


def test_changed_content_is_a_new_clip(write_video, write_folder, clip, cache_dir):
    for write, name in ((write_video, "clip.mkv"), (write_folder, "clip")):
        source = VideoSource("noise", write(name, clip))
        before = load_clip(source, SAME, cache_dir)
        count = len(clips_in(cache_dir))
        if source.path.is_dir():
            (source.path / "img3.png").write_bytes((source.path / "img4.png").read_bytes())
        else:
            write(name, clip[::-1])
        after = load_clip(source, SAME, cache_dir)
        assert len(clips_in(cache_dir)) == count + 1
        assert before.sha256 != after.sha256


def test_every_transform_and_raw_layout_has_its_own_file(write_video, clip, cache_dir, tmp_path):
    source = VideoSource("noise", write_video("clip.mkv", clip))
    for transform in (SAME, Transform(24, 32), Transform(48, 64, start=1), Transform(48, 64, stride=2)):
        load_clip(source, transform, cache_dir)
    assert len(clips_in(cache_dir)) == 4
    (tmp_path / "clip.yuv").write_bytes(bytes(96))
    shapes = [
        load_clip(VideoSource("raw", tmp_path / "clip.yuv", raw), Transform(2, 2), cache_dir).frames.shape[0]
        for raw in (RawFormat(4, 4, "yuv420p"), RawFormat(4, 4, "yuv444p"))
    ]
    assert shapes == [4, 2]
    assert len(clips_in(cache_dir)) == 6


def test_a_truncated_clip_is_served_only_where_truncation_is_allowed(write_video, clip, cut, cache_dir):
    short = cut(write_video("clip.mkv", clip), 0.5)
    whole_frames = load_clip(VideoSource("cut", short, allow_truncated=True), SAME, cache_dir).frames
    assert np.array_equal(whole_frames, clip[: len(whole_frames)].transpose(0, 3, 1, 2))
    with pytest.raises(VideoError, match="cut off or damaged"):
        load_clip(VideoSource("cut", short), SAME, cache_dir)


def test_bad_input_leaves_nothing_in_the_cache(write_video, write_folder, clip, cut, cache_dir, tmp_path):
    (tmp_path / "zero.mp4").touch()
    (tmp_path / "text.mp4").write_bytes(b"no video " * 99)
    (tmp_path / "empty").mkdir()
    bad_image = write_folder("bad_image", clip)
    cut(bad_image / "img5.png", 0.5)
    bad = ["none.mp4", "zero.mp4", "text.mp4", "empty", "bad_image", cut(write_video("clip.avi", clip), 0.7).name]
    for name in bad:
        with pytest.raises(VideoError, match=name):
            load_clip(VideoSource("bad", tmp_path / name), SAME, cache_dir)
        assert clips_in(cache_dir) == [], name
    with pytest.raises(VideoError, match=r"good: asked for frames 0\.\.98 but"):
        load_clip(VideoSource("good", tmp_path / "clip.avi"), Transform(48, 64, frames=99), cache_dir)
    assert clips_in(cache_dir) == []


def test_an_interrupt_leaves_nothing_in_the_cache(write_folder, clip, cache_dir, monkeypatch):
    def interrupted(source, transform):
        yield np.zeros((3, 48, 64), np.uint8)
        raise KeyboardInterrupt

    monkeypatch.setattr(vcl.video.cache, "transformed_frames", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_clip(VideoSource("noise", write_folder("clip", clip)), SAME, cache_dir)
    assert clips_in(cache_dir) == []


def test_a_leftover_of_a_killed_process_is_never_read(write_folder, clip, cache_dir):
    source = VideoSource("noise", write_folder("clip", clip))
    load_clip(source, SAME, cache_dir)
    (path,) = clips_in(cache_dir)
    path.rename(path.with_name(f".{path.name}.0123.part"))
    load_clip(source, SAME, cache_dir)
    assert path.exists()


def test_two_fillings_at_once_both_succeed(write_folder, clip, cache_dir, monkeypatch):
    source = VideoSource("noise", write_folder("clip", clip))
    real = vcl.video.cache.transformed_frames

    def with_another_process(*args):
        monkeypatch.setattr(vcl.video.cache, "transformed_frames", real)
        frames = list(real(*args))
        yield frames[0]
        load_clip(source, SAME, cache_dir)
        yield from frames[1:]

    monkeypatch.setattr(vcl.video.cache, "transformed_frames", with_another_process)
    loaded = load_clip(source, SAME, cache_dir)
    assert np.array_equal(loaded.frames, clip.transpose(0, 3, 1, 2))
    assert len(clips_in(cache_dir)) == 1


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(write_folder, clip, cache_dir):
    folder = write_folder("clip", clip)
    code = f"""
import sys
from pathlib import Path
from vcl.video import cache
from vcl.video.source import VideoSource
from vcl.video.transform import Transform
real = cache.transformed_frames
def pausing(*args):
    for frame in real(*args):
        yield frame
        print("one frame", flush=True)
        sys.stdin.readline()
cache.transformed_frames = pausing
cache.load_clip(VideoSource("noise", Path({str(folder)!r})), Transform(24, 32), Path({str(cache_dir)!r}))
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as living:
        assert living.stdout.readline() == b"one frame\n"
        (draft,) = cache_dir.glob(".*.part")
        load_clip(VideoSource("noise", folder), SAME, cache_dir)
        assert draft.exists()
        living.kill()
    assert draft.exists()
    load_clip(VideoSource("noise", folder), Transform(8, 8), cache_dir)
    assert len(clips_in(cache_dir)) == 2
    assert not draft.exists()


@pytest.mark.parametrize("damage", [b"", b"not an array", b"\x93NUMPY\x01\x00\x04\x00[[[[", None])
def test_a_damaged_cache_file_is_decoded_again(write_folder, clip, cache_dir, caplog, damage):
    source = VideoSource("noise", write_folder("clip", clip))
    load_clip(source, SAME, cache_dir)
    (path,) = clips_in(cache_dir)
    path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)
    assert np.array_equal(load_clip(source, SAME, cache_dir).frames, clip.transpose(0, 3, 1, 2))
    assert "is decoded again" in caplog.text


def test_a_cache_file_of_another_shape_is_decoded_again(write_folder, clip, cache_dir, caplog):
    source = VideoSource("noise", write_folder("clip", clip))
    load_clip(source, SAME, cache_dir)
    (path,) = clips_in(cache_dir)
    np.save(path, np.zeros((1, 3, 4, 4), np.uint8))
    assert load_clip(source, SAME, cache_dir).frames.shape == (10, 3, 48, 64)
    assert "wrong shape" in caplog.text


@pytest.mark.parametrize("index", ["", "[1]", '{"x": 3}', "{"])
def test_a_damaged_index_costs_time_only(write_folder, clip, cache_dir, index):
    cache_dir.mkdir(parents=True)
    (cache_dir / "digests.json").write_text(index)
    source = VideoSource("noise", write_folder("clip", clip))
    load_clip(source, SAME, cache_dir)
    assert list(json.loads((cache_dir / "digests.json").read_text())) == [str(source.path)]


def test_a_full_disk_is_one_line_and_leaves_nothing(write_folder, clip, cache_dir, monkeypatch):
    source = VideoSource("noise", write_folder("clip", clip))
    load_clip(source, Transform(8, 8), cache_dir)
    before = clips_in(cache_dir)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(VideoError, match=r"clips: the clip cache must be writable .*\(No space left on device\)$"):
        load_clip(source, SAME, cache_dir)
    assert clips_in(cache_dir) == before


def test_a_cache_folder_that_cannot_be_made_is_one_line(write_folder, clip, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(VideoError, match="the clip cache must be writable and have space left"):
        load_clip(VideoSource("noise", write_folder("clip", clip)), SAME, tmp_path / "file" / "cache")


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("VCL_CACHE", str(tmp_path))
    assert cache_folder(None) == tmp_path
    monkeypatch.delenv("VCL_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder(None) == tmp_path / ".cache" / "vcl"
