"""Frames come out upright, whatever way a camera noted that it was held."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from vcl.datasets.prepare import prepare
from vcl.errors import VideoError
from vcl.video.probe import probe
from vcl.video.read import read_frames
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


def read(path):
    return np.stack(list(read_frames(VideoSource("clip", path))))


def set_matrix(path, a, b, c, d):
    """Write another display matrix into the track header of a MOV."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 44
    fixed = [round(value * 65536) for value in (a, b)] + [0] + [round(value * 65536) for value in (c, d)]
    content[at : at + 36] = struct.pack(">9i", *fixed, 0, 0, 0, 1 << 30)
    path.write_bytes(content)


@pytest.mark.parametrize("turn", TURNS)
def test_a_display_matrix_is_followed(write_video, clip, turn):
    matrix, stored = TURNS[turn]
    path = write_video("clip.mov", np.stack([np.ascontiguousarray(stored(frame)) for frame in clip]))
    set_matrix(path, *matrix)
    assert np.array_equal(read(path), clip)
    facts = probe(VideoSource("clip", path))
    assert (facts.height, facts.width) == clip.shape[1:3]


def test_an_oblique_display_matrix_is_refused_by_every_door(write_video, clip, tmp_path):
    path = write_video("clip.mov", clip)
    set_matrix(path, 0.5, 0.5, -0.5, 0.5)
    message = r"clip\.mov: the display matrix turns the picture by 45 degrees; only quarter turns and mirrors"
    for door in (read, lambda path: probe(VideoSource("clip", path))):
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
    made = prepare("folder", source, tmp_path / "tall", Transform(32, 24))["clip"]
    assert made.source_size == (64, 48)
    record = tmp_path / "tall" / "prepared.json"
    record.write_text(record.read_text().replace("true", "false"))  # As the version before recorded it.
    again = []
    prepare("folder", source, tmp_path / "tall", Transform(32, 24), progress=lambda *now: again.append(now))
    assert again
    assert before.st_size == path.stat().st_size


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_the_exif_orientation_of_a_frame_is_followed_as_pillow_does(tmp_path, tag, suffix):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[274] = tag
    path = tmp_path / f"0.{suffix}"
    Image.fromarray(np.random.default_rng(tag).integers(0, 256, (6, 10, 3), np.uint8)).save(path, exif=exif)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(read(tmp_path)[0], expected)
    facts = probe(VideoSource("clip", tmp_path))
    assert (facts.height, facts.width) == expected.shape[:2]


@pytest.mark.parametrize("value", [None, 0, 9, "6"])
def test_an_exif_orientation_that_means_nothing_is_none(value):
    assert from_exif(value) == UPRIGHT


def test_transparent_pixels_of_a_video_are_laid_over_black(tmp_path, clip):
    rgba = np.concatenate([clip, clip[..., ::-1][..., :1]], axis=-1)
    with av.open(str(tmp_path / "clip.mov"), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "rgba"
        for frame in rgba:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgba")))
        container.mux(stream.encode())
    assert np.array_equal(read(tmp_path / "clip.mov"), np.rint(clip * (rgba[..., 3:] / 255)))


def test_pixels_that_are_not_square_and_interlaced_fields_are_told_of(tmp_path, clip, caplog):
    with av.open(str(tmp_path / "clip.mpg"), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25, options={"flags": "+ildct+ilme"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for frame in clip:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())
    assert len(read(tmp_path / "clip.mpg")) == 10
    assert [record.getMessage().split("clip.mpg: ")[1] for record in caplog.records] == [
        "has pixels that are not square (4/3) and interlaced fields; its frames are taken as they are stored"
    ]
