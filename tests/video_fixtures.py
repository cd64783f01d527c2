"""Clips made on the spot; nothing is downloaded and nothing is larger than a few kilobytes."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Frames = NDArray[np.uint8]
Writer = Callable[..., Path]

# Container, codec and pixel format; the first four keep every pixel.
CODECS = {
    ".mkv": ("ffv1", "bgr0"),
    ".avi": ("rawvideo", "bgr24"),
    ".mov": ("png", "rgb24"),
    ".mp4": ("libx264", "yuv420p"),
    ".y4m": ("wrapped_avframe", "yuv444p"),
}


@pytest.fixture
def clip() -> Frames:
    """Ten frames ``(10, 48, 64, 3)`` of noise, all different."""
    return np.random.default_rng(0).integers(0, 256, (10, 48, 64, 3), dtype=np.uint8)


@pytest.fixture
def write_video(tmp_path: Path) -> Writer:
    """Write frames ``(T, H, W, 3)`` as a video file, its codec chosen by the suffix."""

    def write(name: str, frames: Frames, **options: str) -> Path:
        path = tmp_path / name
        codec, pixel_format = CODECS[path.suffix]
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream(codec, rate=Fraction(25))
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = pixel_format
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture
def write_folder(tmp_path: Path) -> Writer:
    """Write frames ``(T, H, W, 3)`` as ``img1.png``, ``img2.png``, ... in a folder."""

    def write(name: str, frames: Frames) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for place, frame in enumerate(frames, start=1):
            Image.fromarray(frame).save(folder / f"img{place}.png")
        return folder

    return write


@pytest.fixture
def cut() -> Callable[[Path, float], Path]:
    """Copy the first ``share`` of a file's bytes to a file beside it."""

    def make(path: Path, share: float) -> Path:
        content = path.read_bytes()
        short = path.with_name(f"cut_{path.name}")
        short.write_bytes(content[: int(len(content) * share)])
        return short

    return make


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder


@pytest.fixture
def benchmark(tmp_path):
    """A manifest of two videos of four frames, published at 24x32."""
    path = tmp_path / "two.yaml"
    path.write_text(
        "sizes: [[24, 32]]\nvideos: [{name: bee, files: [HoneyBee], frames: 4, rate: 50}, {name: dog, frames: 4}]"
    )
    return str(path)
