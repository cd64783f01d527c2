"""Float frames -> uint8, and PNG files."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from vcl.errors import VideoError
from vcl.video.pixels import read_png, to_uint8, write_png


def test_levels_are_rounded_with_halves_to_even_and_clamped():
    levels = torch.tensor([[-1.0, 0.0, 0.5 / 255, 1.5 / 255], [0.4, 1.0, 1.2, 254.6 / 255]], dtype=torch.float64)
    assert to_uint8(levels).tolist() == [[0, 0, 0, 2], [102, 255, 255, 255]]
    assert to_uint8(levels).dtype == torch.uint8


def test_every_level_survives_the_way_to_float_and_back():
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(levels.float() / 255), levels)


def test_a_png_holds_the_frame(tmp_path, clip):
    write_png(tmp_path / "frame.png", clip[0].transpose(2, 0, 1))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "frame.png")), clip[0])
    assert [path.name for path in tmp_path.iterdir()] == ["frame.png"]


def test_a_png_is_read_as_it_was_written(tmp_path, clip):
    frame = clip[0].transpose(2, 0, 1)
    write_png(tmp_path / "frame.png", frame)
    assert np.array_equal(read_png(tmp_path / "frame.png"), frame)


def test_a_png_without_three_colours_is_refused(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "frame.png")
    with pytest.raises(VideoError, match=r"frame\.png: must be an 8-bit RGB PNG, got mode L"):
        read_png(tmp_path / "frame.png")


def test_a_png_that_is_missing_is_one_line(tmp_path):
    with pytest.raises(VideoError, match=r"frame\.png: the PNG cannot be read \(No such file or directory\)"):
        read_png(tmp_path / "frame.png")


@pytest.mark.parametrize("frame", [np.zeros((4, 4, 3), np.uint8), np.zeros((3, 4, 4)), np.zeros((3, 4), np.uint8)])
def test_another_shape_or_type_is_refused(tmp_path, frame):
    with pytest.raises(VideoError, match=r"needs a \(3, H, W\) uint8 frame, got "):
        write_png(tmp_path / "frame.png", frame)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(VideoError, match=r"frame\.png: the PNG cannot be written \(No such file or directory\)"):
        write_png(tmp_path / "none" / "frame.png", np.zeros((3, 4, 4), np.uint8))


def test_reading_caching_and_preparing_load_no_torch():
    """It takes seconds, and more memory than the frames."""
    code = "import sys, vcl.cli.data, vcl.datasets.prepare, vcl.listeners.progress; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
