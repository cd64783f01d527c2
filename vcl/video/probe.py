"""What can be said of a source before its frames are read."""

from dataclasses import dataclass

from vcl.errors import VideoError
from vcl.video.read import check_file, frame_array
from vcl.video.readers.container import shown_size
from vcl.video.readers.folder import shown_image_size
from vcl.video.readers.listing import frame_files
from vcl.video.readers.orientation import UPRIGHT, Orientation
from vcl.video.readers.raw import raw_frames
from vcl.video.readers.structure import damaged_at, missing_bytes
from vcl.video.source import RAW_SUFFIXES, VideoSource


@dataclass(frozen=True)
class Facts:
    """Of a source.

    Args:
        height: rows of its frames as they come out, in pixels.
        width: columns of its frames as they come out, in pixels.
        frames: how many, where that shows without decoding.
        orientation: how they are stored.
    """

    height: int
    width: int
    frames: int | None
    orientation: Orientation = UPRIGHT


def probe(source: VideoSource) -> Facts:
    """Look at a source; of a compressed video the first frame is decoded, which alone tells how it is turned.

    Args:
        source: any source.

    Returns:
        Its facts. Frames of a compressed video are not counted: headers are often wrong about them.

    Raises:
        VideoError: it cannot be read, or is cut off or damaged so that it shows, and ``allow_truncated`` is not set.
    """
    path = source.path
    try:
        if path.is_dir():
            frames = frame_files(path)
            (height, width), orientation = shown_image_size(frames[0])
            return Facts(height, width, len(frames), orientation)
        if path.suffix.lower() == ".npy":
            count, _, height, width = frame_array(path).shape
            return Facts(height, width, count)
        check_file(path)
        if path.suffix.lower() in RAW_SUFFIXES:
            count = raw_frames(source)
            assert source.raw is not None
            return Facts(source.raw.height, source.raw.width, count)
        if not source.allow_truncated:
            missing, damage = missing_bytes(path), damaged_at(path)
            if missing:
                raise VideoError(f"{path}: the file is cut off: at least {missing} bytes are missing")
            if damage is not None:
                raise VideoError(f"{path}: the file is damaged: its parts do not follow one another at byte {damage}")
    except OSError as error:
        raise VideoError(f"{path}: cannot be read ({error.strerror or error})") from error
    height, width, orientation = shown_size(source)
    return Facts(height, width, None, orientation)
