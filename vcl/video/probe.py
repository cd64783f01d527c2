"""What can be said of a source before its frames are read."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from vcl.errors import VideoError
from vcl.video.container import open_container, raw_frames, video_stream_of
from vcl.video.folder import image_size
from vcl.video.read import frame_array
from vcl.video.source import RAW_SUFFIXES, VideoSource, image_files
from vcl.video.structure import missing_bytes


@dataclass(frozen=True)
class Facts:
    """Of a source.

    Args:
        height: rows of its frames, in pixels.
        width: columns of its frames, in pixels.
        frames: how many, where that shows without decoding.
    """

    height: int
    width: int
    frames: int | None


def probe(source: VideoSource) -> Facts:
    """Look at a source without decoding it.

    Args:
        source: any source.

    Returns:
        Its facts. Frames of a compressed video are not counted: headers are often wrong about them.

    Raises:
        VideoError: it cannot be read, or is cut off so that it shows.
    """
    path = source.path
    try:
        if path.is_dir():
            return _folder(path)
        if path.suffix.lower() == ".npy":
            frames, _, height, width = frame_array(path).shape
            return Facts(height, width, frames)
        if path.suffix.lower() in RAW_SUFFIXES:
            count = raw_frames(source)
            assert source.raw is not None
            return Facts(source.raw.height, source.raw.width, count)
        missing = missing_bytes(path)
    except OSError as error:
        raise VideoError(f"{path}: cannot be read ({error.strerror or error})") from error
    if missing:
        raise VideoError(f"{path}: the file is cut off: at least {missing} bytes are missing")
    with ExitStack() as stack:
        codec = video_stream_of(open_container(source, stack), path).codec_context
        return Facts(codec.height, codec.width, None)


def _folder(path: Path) -> Facts:
    images = image_files(path)
    if not images:
        raise VideoError(f"{path}: a frame folder must hold PNG or JPEG images, found none")
    width, height = image_size(images[0])
    return Facts(height, width, len(images))
