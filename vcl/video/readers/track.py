"""The choice of the track that is a file's video."""

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

_STILL = Disposition.attached_pic | Disposition.timed_thumbnails
_MAX_PACKETS = 500
"""Packets to look at, at most, to tell a still picture from a video."""


def open_video(source: VideoSource, stack: ExitStack, quiet: bool = True) -> tuple[InputContainer, VideoStream]:
    """Open a video file, which ``stack`` closes, and choose the track that is its video.

    Cover art is no video, nor is a still picture beside a track that moves. Of several videos the one that the file
    marks as default is taken, else the first.

    Args:
        source: a file that PyAV can read, or with ``source.raw`` a ``.yuv`` file or an archive of one.
        stack: what closes the file.
        quiet: do not warn of several videos.

    Returns:
        The open file, read from its start, and the stream in it.

    Raises:
        VideoError: it cannot be opened, or has no video.
    """
    container = _open(source, stack)
    streams = [stream for stream in container.streams.video if not stream.disposition & _STILL]
    has_sound = bool(container.streams.audio)
    if not streams or container.format.name == "tty":
        # FFmpeg would draw any .txt file as a picture of its text.
        kinds = {"cover art": container.streams.video and container.format.name != "tty", "sound": has_sound}
        others = " and ".join(kind for kind, exists in kinds.items() if exists)
        raise VideoError(
            f"{source.path}: a video file must have a video stream, found {f'{others} only' if others else 'none'}"
        )
    if len(streams) == 1 and not has_sound:
        return container, streams[0]
    moving = _moving_streams(container, streams)
    if not moving and has_sound:
        raise VideoError(f"{source.path}: a video file must have a video stream, found a still picture and sound only")
    candidates = moving or streams
    chosen = next((stream for stream in candidates if stream.disposition & Disposition.default), candidates[0])
    if len(candidates) > 1 and not quiet:
        tracks = ", ".join(f"{s.index} ({s.codec_context.width}x{s.codec_context.height})" for s in candidates)
        logger.warning("%s: has %d videos, tracks %s; takes %d", source.path, len(candidates), tracks, chosen.index)
    # Opened again, since seeking back to the start is not exact in every container.
    reopened = _open(source, stack)
    stream = reopened.streams[chosen.index]
    assert isinstance(stream, VideoStream)
    return reopened, stream


def _open(source: VideoSource, stack: ExitStack) -> InputContainer:
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
        raise VideoError(f"{path}: {_cut_off(path)}cannot be opened as a video ({reason_of(error)})") from error
    return container


def _cut_off(path: Path) -> str:
    """The start of a sentence on what is left of a file that is cut off; empty for any other."""
    missing = missing_bytes(path)
    return f"the file is cut off: at least {missing} bytes are missing, and what is left " if missing else ""


def _moving_streams(container: InputContainer, streams: list[VideoStream]) -> list[VideoStream]:
    """Those streams that have more than one frame, as far as the first packets show."""
    counts = {stream.index: 0 for stream in streams}
    has_ended = False
    try:
        for number, packet in enumerate(container.demux(streams)):
            counts[packet.stream_index] += packet.size > 0
            if number == _MAX_PACKETS or min(counts.values()) > 1:
                break
        else:
            has_ended = True
    except (av.FFmpegError, EOFError):
        pass  # Decoding raises it again, and refuses the file.
    # A track stored behind another may have no packet so far: it is taken to move unless its header says otherwise.
    unseen = [] if has_ended else [index for index, count in counts.items() if count == 0]
    return [s for s in streams if s.frames != 1 and (s.frames > 1 or counts[s.index] > 1 or s.index in unseen)]


def reason_of(error: Exception) -> str:
    """The system's message where an error carries one, else the text of the error."""
    return getattr(error, "strerror", None) or str(error)
