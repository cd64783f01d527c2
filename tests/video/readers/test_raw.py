"""Raw planar video."""

import numpy as np
import pytest
from video_fixtures import frames_of

from vcl.errors import VideoError
from vcl.video.source import RawFormat

MATRICES = {"BT.709": (0.2126, 0.0722), "BT.601": (0.299, 0.114)}


def rgb_of(y, cb, cr, matrix, bits=8):
    """RGB of limited-range YUV planes, from the definition of the matrix."""
    kr, kb = MATRICES[matrix]
    scale = 2 ** (bits - 8)
    luma = (y.astype(float) / scale - 16) / 219
    blue, red = ((c.astype(float) / scale - 128) / 224 for c in (cb, cr))
    r = luma + 2 * (1 - kr) * red
    b = luma + 2 * (1 - kb) * blue
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    return np.clip(np.stack([r, g, b], axis=-1) * 255, 0, 255)


def calm_planes(height, width, seed=0):
    """Three planes near grey, so that their RGB needs no clipping."""
    return np.random.default_rng(seed).integers(100, 156, (3, height, width), dtype=np.uint8)


@pytest.mark.parametrize(("height", "matrix"), [(720, "BT.709"), (718, "BT.601")])
def test_raw_444_follows_the_matrix_of_its_height(tmp_path, height, matrix):
    planes = calm_planes(height, 31)
    planes.tofile(tmp_path / "clip.yuv")
    read = frames_of(tmp_path / "clip.yuv", raw=RawFormat(height, 31, "yuv444p"))
    assert np.abs(read[0] - rgb_of(*planes, matrix)).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(48, 64), (35, 51)])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv420p10le"])
def test_raw_subsampled_planes_of_even_and_odd_sizes_convert(tmp_path, pixel_format, height, width):
    rows = (height + 1) // 2 if "420" in pixel_format else height
    columns = (width + 1) // 2
    bits = 10 if "10" in pixel_format else 8
    levels = [120 << (bits - 8), 110 << (bits - 8), 140 << (bits - 8)]
    kind = "<u2" if bits == 10 else "u1"
    sizes = [(height, width), (rows, columns), (rows, columns)]
    planes = [np.full(size, level, kind) for size, level in zip(sizes, levels, strict=True)]
    (tmp_path / "clip.yuv").write_bytes(2 * b"".join(plane.tobytes() for plane in planes))
    read = frames_of(tmp_path / "clip.yuv", raw=RawFormat(height, width, pixel_format))
    assert read.shape == (2, height, width, 3)
    # PyAV before 18 offers no exact rounding and is up to 2.3 levels off here.
    assert np.abs(read - rgb_of(*(np.array(level) for level in levels), "BT.601", bits)).max() <= 2.5


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (RawFormat(4, 4, "yuv999p"), "raw pixel_format must be one that FFmpeg knows, got 'yuv999p'"),
        (RawFormat(4, 4, "yuyv422"), "raw pixel_format must have one plane for each component"),
        *(
            (RawFormat(4, 4, name), f"raw pixel_format must have 8 to 16 bits for each component, got '{name}'")
            for name in ("gbrpf32le", "monow", "pal8", "cuda")
        ),
        (RawFormat(99999999999, 4), "raw height and width must be below 2147483648, got 99999999999x4"),
        (RawFormat(0, 4), "raw height and width must be at least 1, got 0x4"),
        (RawFormat(4, 4), "whole number of frames of 24 bytes, found 2 and 1 bytes more"),
        (RawFormat(8, 8), "whole number of frames of 96 bytes, found 0 and 49 bytes more"),
    ],
)
def test_a_raw_file_that_does_not_fit_its_format_is_refused(tmp_path, raw, message):
    (tmp_path / "clip.yuv").write_bytes(bytes(49))
    with pytest.raises(VideoError, match=message):
        frames_of(tmp_path / "clip.yuv", raw=raw)


def test_a_raw_file_keeps_its_whole_frames_when_truncation_is_allowed(tmp_path, caplog):
    (tmp_path / "clip.yuv").write_bytes(bytes(49))
    assert frames_of(tmp_path / "clip.yuv", raw=RawFormat(4, 4), allow_truncated=True).shape == (2, 4, 4, 3)
    assert "kept the first 2 frames" in caplog.text
