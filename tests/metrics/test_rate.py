import pytest

from vcl.metrics.rate import bits_per_pixel


def test_the_rate_counts_eight_bits_a_byte_and_a_pixel_once_for_its_three_channels():
    # 10 frames of 4 x 5 are 200 pixels.
    assert bits_per_pixel(50, 10 * 4 * 5) == 2.0


def test_a_video_without_pixels_has_no_rate():
    with pytest.raises(ValueError, match="pixels must be 1 or more, got 0"):
        bits_per_pixel(50, 0)


def test_negative_bytes_are_refused():
    with pytest.raises(ValueError, match="stored bytes must be 0 or more, got -1"):
        bits_per_pixel(-1, 200)
