"""What names tell of a video: the layout of raw files, and the order of images."""

import pytest

from vcl.video.source import RawFormat, natural_key, raw_from_name


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("Jockey_3840x2160_120fps_420_10bit_YUV.yuv", RawFormat(2160, 3840, "yuv420p10le")),
        ("clip_640x360_444_8bit.yuv", RawFormat(360, 640, "yuv444p")),
        ("Lips_3840x2160_120fps_420_8bit_YUV_RAW.7z", RawFormat(2160, 3840, "yuv420p")),
        ("Jockey.yuv", None),
        ("Jockey_640x360.mp4", None),
    ],
)
def test_the_layout_of_a_raw_file_is_read_off_its_name(name, layout):
    assert raw_from_name(name) == layout


def test_names_sort_by_the_numbers_in_them():
    assert sorted(["img10", "img2", "img02", "b", "1"], key=natural_key) == ["1", "b", "img02", "img2", "img10"]
