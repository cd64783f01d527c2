"""Crop and scale to the size of an experiment."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from vcl.errors import VideoError
from vcl.video.source import VideoSource
from vcl.video.transform import Transform, fit, transformed_frames


def shares(length, offset, side, count):
    """Matrix ``(count, length)``: which share of each source pixel lies under each target pixel, over the total."""
    edges = np.array([float(offset + side * edge) for edge in range(count + 1)])[:, None]
    pixels = np.arange(length)
    overlap = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    return overlap.clip(0) / float(side)


def area_average(frame, height, width):
    """The area average by its definition."""
    side = min(Fraction(frame.shape[0], height), Fraction(frame.shape[1], width))
    top = (frame.shape[0] - side * height) / 2
    left = (frame.shape[1] - side * width) / 2
    rows = shares(frame.shape[0], top // 1, side, height)
    columns = shares(frame.shape[1], left // 1, side, width)
    return np.stack([rows @ frame[:, :, channel] @ columns.T for channel in range(3)], axis=2)


@pytest.mark.parametrize(
    ("source", "target"),
    [((48, 64), (24, 32)), ((48, 64), (18, 24)), ((47, 65), (18, 24)), ((64, 48), (7, 31)), ((50, 30), (49, 29)),
     ((48, 64), (48, 40)), ((33, 47), (33, 47)), ((9, 9), (1, 1)), ((480, 854), (180, 320))],
)  # fmt: skip
def test_shrinking_is_the_exact_area_average(source, target):
    frame = np.random.default_rng(3).integers(0, 256, (*source, 3), dtype=np.uint8)
    result = fit(frame, Transform(*target))
    assert result.shape == (*target, 3)
    assert np.abs(result - area_average(frame, *target)).max() <= 0.5 + 1e-9


def test_a_block_of_four_is_their_mean_with_halves_to_even():
    frame = np.zeros((2, 4, 3), dtype=np.uint8)
    frame[0, 0], frame[0, 2], frame[1, 2] = 2, 5, 1
    assert fit(frame, Transform(1, 2))[0, :, 0].tolist() == [0, 2]


def test_the_crop_is_the_centre_and_leaves_pixels_untouched():
    frame = np.arange(4 * 9 * 3, dtype=np.uint8).reshape(4, 9, 3)
    assert np.array_equal(fit(frame, Transform(4, 4)), frame[:, 2:6])
    assert np.array_equal(fit(frame, Transform(2, 9)), frame[1:3])


def test_pillow_box_filter_is_no_area_average():
    """Why the average is written here: should Pillow's ever become exact, this one can go."""
    frame = np.random.default_rng(3).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    pillow = np.asarray(Image.fromarray(frame).resize((24, 18), Image.Resampling.BOX))
    assert np.abs(pillow - area_average(frame, 18, 24)).max() > 20


def test_enlarging_keeps_a_flat_colour_and_a_ramp():
    flat = np.full((8, 8, 3), 77, dtype=np.uint8)
    assert (fit(flat, Transform(20, 30)) == 77).all()
    ramp = np.repeat(np.arange(0, 160, 10, dtype=np.uint8)[None, :, None], 8, axis=0).repeat(3, axis=2)
    large = fit(ramp, Transform(16, 32))[:, :, 0].astype(int)
    assert np.array_equal(large[:, 8:24], np.broadcast_to(np.round(np.arange(8, 24) * 5 - 2.5 + 1e-9), (16, 16)))


def test_enlarging_is_warned_of_once(write_folder, clip, caplog):
    source = VideoSource("small", write_folder("clip", clip))
    frames = list(transformed_frames(source, Transform(50, 60)))
    assert [frame.shape for frame in frames] == [(3, 50, 60)] * 10
    assert caplog.messages == ["small: 64x48 is enlarged to 60x50 (width x height)"]


def test_frames_come_channels_first_and_contiguous(write_folder, clip):
    source = VideoSource("clip", write_folder("clip", clip))
    frames = list(transformed_frames(source, Transform(48, 64, start=2, frames=2, stride=5)))
    assert all(frame.flags.c_contiguous for frame in frames)
    assert np.array_equal(np.stack(frames), clip[[2, 7]].transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"height": 0}, "height and width must be at least 1, got 0x8"),
        ({"start": -1}, "start must be at least 0, got -1"),
        ({"frames": 0}, "frames must be at least 1"),
        ({"stride": 0}, "stride must be at least 1, got 0"),
    ],
)
def test_numbers_out_of_range_are_refused(knobs, message):
    with pytest.raises(VideoError, match=message):
        Transform(**{"height": 8, "width": 8, **knobs})


def test_a_jpeg_sequence_is_read_as_pillow_decodes_it(tmp_path, clip):
    for number, frame in enumerate(clip[:3]):
        Image.fromarray(frame).save(tmp_path / f"{number:05}.jpg", quality=80)
    (first, third) = transformed_frames(VideoSource("dog", tmp_path), Transform(12, 17, frames=2, stride=2))
    image = np.asarray(Image.open(tmp_path / "00002.jpg").convert("RGB"))
    assert first.shape == (3, 12, 17)
    assert np.abs(third.transpose(1, 2, 0) - area_average(image, 12, 17)).max() <= 0.5 + 1e-9
