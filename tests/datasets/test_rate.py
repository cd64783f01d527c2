"""How fast a video plays, from whoever says so."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from vcl.config import StreamConfig
from vcl.datasets.prepare import prepare
from vcl.datasets.rate import rate_of
from vcl.video.transform import Transform
from vcl.video.write import write_video


@pytest.fixture
def stream(source):
    """A stream of a folder, empty so far."""
    return StreamConfig(benchmark="folder", root=str(source))


def test_a_video_file_says_its_rate_and_a_stride_slows_it_down(stream, source, write_video, clip):
    write_video("bee.mkv", clip).rename(source / "bee.mkv")
    assert rate_of(stream, "bee") == 25
    assert rate_of(replace(stream, stride=2), "bee") == Fraction(25, 2)


def test_nobody_says_the_rate_of_images_arrays_or_what_is_gone(stream, source, write_folder, clip):
    write_folder("bee", clip[:1]).rename(source / "bee")
    np.save(source / "dog.npy", np.zeros((1, 3, 4, 4), np.uint8))
    (source / "cat.mkv").write_bytes(b"no video")
    assert [rate_of(stream, name) for name in ("bee", "dog", "cat", "fox")] == [None] * 4
    assert rate_of(replace(stream, root=str(source / "gone")), "bee") is None


def test_a_benchmark_says_the_rate_of_videos_that_are_gone(benchmark, source):
    stream = StreamConfig(benchmark=benchmark, root=str(source), stride=2)
    assert rate_of(stream, "bee") == 25
    assert rate_of(stream, "dog") is None


def test_what_was_prepared_with_a_stride_plays_that_much_slower(tmp_path, benchmark, source, write_video, clip):
    write_video("bee.mkv", clip[:4, :24, :32]).rename(source / "bee.mkv")
    prepare(benchmark, source, tmp_path / "out", Transform(12, 16, stride=2), videos=["bee"])
    assert rate_of(StreamConfig(benchmark=benchmark, root=str(tmp_path / "out")), "bee") == 25
    assert rate_of(StreamConfig(benchmark="folder", root=str(tmp_path / "out")), "bee") == 25


@pytest.mark.parametrize("rate", [12, Fraction(30000, 1001)])
def test_the_rate_of_a_plain_file_goes_with_it_into_a_prepared_folder(stream, source, tmp_path, rate):
    frames = np.zeros((4, 3, 24, 32), np.uint8)
    write_video(source / "bee.mkv", [torch.from_numpy(frames)], Fraction(rate))
    prepare("folder", source, tmp_path / "out", Transform(12, 16))
    (source / "bee.mkv").unlink()
    prepared = replace(stream, root=str(tmp_path / "out"))
    assert rate_of(prepared, "bee") == pytest.approx(rate, rel=1e-4)
    assert rate_of(replace(prepared, stride=2), "bee") == pytest.approx(rate / 2, rel=1e-4)


def test_a_record_of_a_whole_number_is_read_as_older_ones_have_it(stream, source, tmp_path, write_folder, clip):
    write_folder("bee", clip[:2]).rename(source / "bee")
    prepare("folder", source, tmp_path / "out", Transform(12, 16))
    prepared, record = replace(stream, root=str(tmp_path / "out")), tmp_path / "out" / "prepared.json"
    assert rate_of(prepared, "bee") is None
    record.write_text(record.read_text().replace('"rate": null', '"rate": 50'))
    assert rate_of(prepared, "bee") == 50
