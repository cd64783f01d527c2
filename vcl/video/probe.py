"""What is known of a source before its frames are read."""

from dataclasses import dataclass

from vcl.errors import VideoError
from vcl.video.read import check_content, frame_array
from vcl.video.readers.container import upright_frame_size
from vcl.video.readers.folder import upright_image_size
from vcl.video.readers.listing import frame_files
from vcl.video.readers.orientation import UPRIGHT, Orientation
from vcl.video.readers.raw import raw_frames
from vcl.video.source import RAW_SUFFIXES, VideoSource


@dataclass(frozen=True)
class VideoInfo:
    """Size, length and orientation of a source.

    Args:
        height: rows of its frames once upright, in pixels.
        width: columns of its frames once upright, in pixels.
        frames: how many, where that shows without decoding.
        orientation: from its stored frames to the upright ones.
    """

    height: int
    width: int
    frames: int | None
    orientation: Orientation = UPRIGHT


def probe(source: VideoSource) -> VideoInfo:
    """Look at a source without reading it; of a compressed video the first frame is decoded, which has its orientation.

    Args:
        source: any source.

    Returns:
        Its size, length and orientation. Frames of a compressed video are not counted: headers are often wrong.

    Raises:
        VideoError: it cannot be read, or is cut off or damaged so that it shows, and ``allow_truncated`` is not set.
    """
    path = source.path
    try:
        if path.is_dir():
            frames = frame_files(path)
            (height, width), orientation = upright_image_size(frames[0])
            return VideoInfo(height, width, len(frames), orientation)
        if path.suffix.lower() == ".npy":
            count, _, height, width = frame_array(path).shape
            return VideoInfo(height, width, count)
        check_content(path)
        if path.suffix.lower() in RAW_SUFFIXES:
            count = raw_frames(source)
            assert source.raw is not None
            return VideoInfo(source.raw.height, source.raw.width, count)
    except OSError as error:
        raise VideoError(f"{path}: cannot be read ({error.strerror or error})") from error
    height, width, orientation = upright_frame_size(source)
    return VideoInfo(height, width, None, orientation)
