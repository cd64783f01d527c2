"""The frames of a range, whatever the source; arrays."""

import errno
import logging
import struct

import numpy as np
import pytest
from video_fixtures import frames_of

import vcl.video.readers.container
from vcl.errors import VideoError
from vcl.video.probe import probe
from vcl.video.read import frame_array
from vcl.video.source import VideoSource


def test_one_frame_is_a_video(write_video, write_folder, clip):
    assert frames_of(write_video("one.mkv", clip[:1])).shape == (1, 48, 64, 3)
    assert frames_of(write_folder("one", clip[:1])).shape == (1, 48, 64, 3)


def test_start_frames_and_stride_choose_frames(write_video, write_folder, clip):
    for path in (write_video("clip.mkv", clip), write_folder("clip", clip)):
        assert np.array_equal(frames_of(path, 1, 3, 4), clip[[1, 5, 9]])
        assert np.array_equal(frames_of(path, 4, None, 3), clip[[4, 7]])


def test_only_frames_asked_for_are_converted(write_video, clip, monkeypatch):
    converted = []
    convert = vcl.video.readers.container._to_rgb
    monkeypatch.setattr(vcl.video.readers.container, "_to_rgb", lambda *args: converted.append(1) or convert(*args))
    frames_of(write_video("clip.mkv", clip), 0, 2, 4)
    assert len(converted) == 2


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ((0, 11), r"clip: asked for frames 0\.\.10 but the clip .* has 10"),
        ((2, 4, 3), r"clip: asked for frames 2\.\.11 but the clip .* has 10"),
        ((10,), r"clip: asked for frames 10\.\.\. but the clip .* has 10"),
        ((-1,), "clip: start must be at least 0, got -1"),
        ((0, 0), "clip: frames must be at least 1, or left out for all, got 0"),
        ((0, None, 0), "clip: stride must be at least 1, got 0"),
    ],
)
def test_a_range_the_clip_does_not_have_is_refused(write_folder, clip, selection, message):
    with pytest.raises(VideoError, match=message):
        frames_of(write_folder("clip", clip), *selection)


def test_a_count_other_than_expected_is_refused(write_folder, clip, caplog):
    folder = write_folder("clip", clip)
    assert len(frames_of(folder, expected_frames=10)) == 10
    for expected in (9, 11):
        with pytest.raises(VideoError, match=f"clip: the benchmark says {expected} frames but the clip .* has 10"):
            frames_of(folder, expected_frames=expected)
    with caplog.at_level(logging.WARNING):
        assert len(frames_of(folder, expected_frames=11, allow_truncated=True)) == 10
    assert "should have 11 frames; kept the 10 there are" in caplog.text


@pytest.mark.parametrize(
    "header",
    [
        "[[[[",
        "{[]: 1}",
        "-" * 9000 + "1",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999, 3, 4, 4), }",
    ],
)
def test_an_array_file_with_a_damaged_header_is_refused(source, header):
    (source / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(99))
    with pytest.raises(VideoError, match=r"a\.npy: the array of frames cannot be read \(.+\)$") as refusal:
        frame_array(source / "a.npy")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 4, 4, 3), np.uint8),
        np.zeros((2, 3, 4, 4), np.uint16),
        np.zeros((3, 4, 4), np.uint8),
        np.zeros((0, 3, 4, 4), np.uint8),
        np.asfortranarray(np.zeros((2, 3, 4, 4), np.uint8)),
    ],
)
def test_an_array_of_another_shape_type_or_order_is_refused(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(VideoError, match=r"a\.npy: an array of frames must be \(T, 3, H, W\) uint8 in C order, found "):
        frame_array(tmp_path / "a.npy")


@pytest.mark.parametrize("name", ["clip.mkv", "clip.yuv"])
def test_a_video_that_may_not_be_read_is_one_line(tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(b"x")

    def refuse(*_, **__):  # Root, who runs tests in containers, may read everything.
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    for door in (lambda: frames_of(tmp_path / name), lambda: probe(VideoSource("clip", tmp_path / name))):
        with pytest.raises(VideoError, match=rf"{name}: .*cannot be read \(.*Permission denied"):
            door()
