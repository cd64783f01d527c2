"""Videos made on the spot; nothing is downloaded and nothing is larger than a few kilobytes."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vcl.video.read import read_frames
from vcl.video.source import VideoSource

Frames = NDArray[np.uint8]
Writer = Callable[..., Path]

# Codec and pixel format by suffix; those of the first three keep every pixel.
CODECS = {
    ".mkv": ("ffv1", "bgr0"),
    ".avi": ("rawvideo", "bgr24"),
    ".mov": ("png", "rgb24"),
    ".mp4": ("libx264", "yuv420p"),
    ".y4m": ("wrapped_avframe", "yuv444p"),
}


def encode(
    path: Path,
    frames: Frames,
    codec: str,
    pixel_format: str,
    *,
    muxer: str | None = None,
    muxer_options: dict[str, str] | None = None,
    configure: Callable[[Any], None] = lambda stream: None,
    **codec_options: str,
) -> Path:
    """Encode frames ``(T, H, W, 3)`` or ``(T, H, W, 4)`` with PyAV, at 25 frames per second."""
    with av.open(str(path), "w", format=muxer, options=muxer_options or {}) as container:
        stream: Any = container.add_stream(codec, rate=Fraction(25), options=codec_options)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixel_format
        configure(stream)
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, "rgba" if frame.shape[2] == 4 else "rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def frames_of(path: Path, *selection: int | None, **source: Any) -> Frames:
    """Read the frames ``(T, H, W, 3)`` of a video, or those that start, frames and stride select."""
    return np.stack(list(read_frames(VideoSource("clip", Path(path), **source), *selection)))


@pytest.fixture
def clip() -> Frames:
    """Ten frames ``(10, 48, 64, 3)`` of noise, all different."""
    return np.random.default_rng(0).integers(0, 256, (10, 48, 64, 3), dtype=np.uint8)


@pytest.fixture
def write_video(tmp_path: Path) -> Writer:
    """Write frames ``(T, H, W, 3)`` as a video file, its codec chosen by the suffix."""

    def write(name: str, frames: Frames, **muxer_options: str) -> Path:
        path = tmp_path / name
        return encode(path, frames, *CODECS[path.suffix], muxer_options=muxer_options)

    return write


@pytest.fixture
def write_folder(tmp_path: Path) -> Writer:
    """Write frames ``(T, H, W, 3)`` as ``img1.png``, ``img2.png``, ... in a folder."""

    def write(name: str, frames: Frames) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for number, frame in enumerate(frames, start=1):
            Image.fromarray(frame).save(folder / f"img{number}.png")
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
    """An empty folder of downloads."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder


@pytest.fixture
def benchmark(tmp_path):
    """The path of a manifest of two videos of four frames, published at 24x32."""
    path = tmp_path / "two.yaml"
    path.write_text(
        "sizes: [[24, 32]]\nvideos: [{name: bee, files: [HoneyBee], frames: 4, rate: 50}, {name: dog, frames: 4}]"
    )
    return str(path)


@pytest.fixture
def manifest(tmp_path):
    """Write a manifest, ``own.yaml``, and return its path as text."""

    def write(text):
        path = tmp_path / "own.yaml"
        path.write_text(text)
        return str(path)

    return write
