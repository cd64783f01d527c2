"""Which of a file's tracks is the video."""

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from vcl.errors import VideoError
from vcl.video.readers.archive import raw_member, unpacked
from vcl.video.readers.raw import raw_frames
from vcl.video.readers.structure import missing_bytes
from vcl.video.source import RAW_SUFFIXES, VideoSource

logger = logging.getLogger(__name__)

_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails
_MOST_PACKETS = 500
"""So many packets are looked at to tell a still picture from a video."""


def open_video(source: VideoSource, stack: ExitStack, quiet: bool = True) -> tuple[InputContainer, VideoStream]:
    """Open a video file, to be closed by ``stack``, and choose the track that is its video.

    Cover art and, beside something that moves, still pictures are no videos. Of several videos the one is taken that
    the file marks as default, else the first.

    Args:
        source: a file that PyAV can read, or with ``source.raw`` a ``.yuv`` file or an archive of one.
        stack: closes the file.
        quiet: do not warn of several videos.

    Raises:
        VideoError: it cannot be opened, or has no video.
    """
    container = _opened(source, stack)
    streams = [stream for stream in container.streams.video if not stream.disposition & _PICTURES]
    sound = bool(container.streams.audio)
    if not streams or container.format.name == "tty":
        # FFmpeg would draw any .txt file as a picture of its text.
        kinds = {"cover art": container.streams.video and container.format.name != "tty", "sound": sound}
        others = " and ".join(kind for kind, exists in kinds.items() if exists)
        raise VideoError(
            f"{source.path}: a video file must have a video stream, found {f'{others} only' if others else 'none'}"
        )
    if len(streams) == 1 and not sound:
        return container, streams[0]
    moving = _moving(container, streams)
    if not moving and sound:
        raise VideoError(f"{source.path}: a video file must have a video stream, found a still picture and sound only")
    candidates = moving or streams
    chosen = next((stream for stream in candidates if stream.disposition & Disposition.default), candidates[0])
    if len(candidates) > 1 and not quiet:
        tracks = ", ".join(f"{s.index} ({s.codec_context.width}x{s.codec_context.height})" for s in candidates)
        logger.warning("%s: has %d videos, tracks %s; takes %d", source.path, len(candidates), tracks, chosen.index)
    # From the start again: seeking back is not exact in every container.
    reopened = _opened(source, stack)
    stream = reopened.streams[chosen.index]
    assert isinstance(stream, VideoStream)
    return reopened, stream


def _opened(source: VideoSource, stack: ExitStack) -> InputContainer:
    path = source.path
    options: dict[str, Any] = {}
    content: Any = str(path.absolute())
    if path.suffix.lower() in RAW_SUFFIXES:
        raw_frames(source)
        assert source.raw is not None
        options["format"] = "rawvideo"
        size = f"{source.raw.width}x{source.raw.height}"
        options["options"] = {"video_size": size, "pixel_format": source.raw.pixel_format}
    if path.suffix.lower() == ".7z":
        content = stack.enter_context(unpacked(path, raw_member(path)))
    try:
        container: InputContainer = stack.enter_context(av.open(content, mode="r", **options))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{path}: {_cut(path)}cannot be opened as a video ({reason_of(error)})") from error
    return container


def _cut(path: Path) -> str:
    missing = missing_bytes(path)
    return f"the file is cut off: at least {missing} bytes are missing, and what is left " if missing else ""


def _moving(container: InputContainer, streams: list[VideoStream]) -> list[VideoStream]:
    """Those streams that have more than one frame, as far as the first packets show."""
    counts = {stream.index: 0 for stream in streams}
    ended = False
    try:
        for number, packet in enumerate(container.demux(streams)):
            counts[packet.stream_index] += packet.size > 0
            if number == _MOST_PACKETS or min(counts.values()) > 1:
                break
        else:
            ended = True
    except (av.FFmpegError, EOFError):
        pass  # Reading finds it again, and tells of it.
    # A track that is stored behind another has not come yet: it is taken to move unless it says that it does not.
    later = [] if ended else [index for index, count in counts.items() if count == 0]
    return [s for s in streams if s.frames != 1 and (s.frames > 1 or counts[s.index] > 1 or s.index in later)]


def reason_of(error: Exception) -> str:
    """What an error says, in its own words."""
    return getattr(error, "strerror", None) or str(error)
