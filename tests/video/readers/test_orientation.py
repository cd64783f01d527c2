"""Frames come out upright, whatever way a camera recorded that it was held."""

import struct

import numpy as np
import pytest
from PIL import Image, ImageOps
from video_fixtures import frames_of

from vcl.datasets.prepare import prepare
from vcl.errors import VideoError
from vcl.video.probe import probe
from vcl.video.readers.orientation import UPRIGHT, from_exif
from vcl.video.source import VideoSource
from vcl.video.transform import Transform

# Matrix (a, b, c, d), and the stored picture whose upright form is given.
TURNS = {
    "quarter turn": ((0, 1, -1, 0), lambda shown: np.rot90(shown, 1)),
    "half turn": ((-1, 0, 0, -1), lambda shown: np.rot90(shown, 2)),
    "three quarters": ((0, -1, 1, 0), lambda shown: np.rot90(shown, 3)),
    "mirror": ((-1, 0, 0, 1), lambda shown: shown[:, ::-1]),
    "upside down mirror": ((1, 0, 0, -1), lambda shown: shown[::-1]),
    "transposed": ((0, 1, 1, 0), lambda shown: shown.swapaxes(0, 1)),
}


def set_matrix(path, a, b, c, d):
    """Write another display matrix into the track header of a MOV."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 44
    fixed = [round(value * 65536) for value in (a, b)] + [0] + [round(value * 65536) for value in (c, d)]
    content[start : start + 36] = struct.pack(">9i", *fixed, 0, 0, 0, 1 << 30)
    path.write_bytes(content)


@pytest.mark.parametrize("turn", TURNS)
def test_a_display_matrix_is_followed(write_video, clip, turn):
    matrix, stored = TURNS[turn]
    path = write_video("clip.mov", np.stack([np.ascontiguousarray(stored(frame)) for frame in clip]))
    set_matrix(path, *matrix)
    assert np.array_equal(frames_of(path), clip)
    info = probe(VideoSource("clip", path))
    assert (info.height, info.width) == clip.shape[1:3]


def test_an_oblique_display_matrix_is_refused_by_every_door(write_video, clip, tmp_path):
    path = write_video("clip.mov", clip)
    set_matrix(path, 0.5, 0.5, -0.5, 0.5)
    message = r"clip\.mov: the display matrix turns the picture by 45 degrees; only quarter turns and mirrors"
    for door in (frames_of, lambda path: probe(VideoSource("clip", path))):
        with pytest.raises(VideoError, match=message):
            door(path)
    with pytest.raises(VideoError, match=message):
        prepare("folder", tmp_path, tmp_path / "out", Transform(24, 32))


def test_a_portrait_video_is_prepared_in_portrait_and_an_older_preparation_is_made_anew(source, tmp_path, write_video):
    frames = np.zeros((2, 48, 64, 3), np.uint8)
    path = write_video("downloads/clip.mov", frames)
    assert prepare("folder", source, tmp_path / "out", Transform(24, 32))["clip"].source_size == (48, 64)
    before = path.stat()
    set_matrix(path, 0, 1, -1, 0)
    assert prepare("folder", source, tmp_path / "tall", Transform(32, 24))["clip"].source_size == (64, 48)
    record = tmp_path / "tall" / "prepared.json"
    record.write_text(record.read_text().replace("true", "false"))  # As the version before recorded it.
    calls = []
    prepare("folder", source, tmp_path / "tall", Transform(32, 24), progress=lambda *call: calls.append(call))
    assert calls
    assert before.st_size == path.stat().st_size


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_the_exif_orientation_of_a_frame_is_followed_as_pillow_does(tmp_path, tag, suffix):
    exif = Image.Exif()
    exif[274] = tag
    path = tmp_path / f"0.{suffix}"
    Image.fromarray(np.random.default_rng(tag).integers(0, 256, (6, 10, 3), np.uint8)).save(path, exif=exif)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(frames_of(tmp_path)[0], expected)
    info = probe(VideoSource("clip", tmp_path))
    assert (info.height, info.width) == expected.shape[:2]


@pytest.mark.parametrize("value", [None, 0, 9, "6"])
def test_an_exif_orientation_that_means_nothing_is_none(value):
    assert from_exif(value) == UPRIGHT
