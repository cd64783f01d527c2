"""Container files and raw planar files -> frames, through PyAV.

Rotation flags, non-square pixels and interlacing are not acted upon: the stored pixels are the video.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vcl.errors import VideoError
from vcl.video.archive import raw_member, unpacked
from vcl.video.source import RAW_SUFFIXES, VideoSource
from vcl.video.structure import missing_bytes, partial_y4m_bytes

logger = logging.getLogger(__name__)

HD_HEIGHT = 720
"""From this many rows on, a stream that does not state its colour matrix is taken to be BT.709, below it BT.601."""

_MATRIX_UNSTATED = 2
_RANGE_FULL = 2

# Exact rounding, the same on every processor, and chroma interpolated to full width. PyAV before 18 knows the first
# name only, so pixels may differ there by a level or two.
_CONVERSION = sum(
    int(flag)
    for name, flag in Interpolation.__members__.items()
    if name in {"BILINEAR", "ACCURATE_RND", "BITEXACT", "FULL_CHR_H_INT"}
)


def container_pictures(source: VideoSource) -> Iterator[partial[NDArray[np.uint8]]]:
    """Decode a video file, one frame at a time.

    Args:
        source: a file that PyAV can read, or with ``source.raw`` a ``.yuv`` file or an archive of one.

    Yields:
        For each frame a call without arguments that converts it to RGB ``(H, W, 3)`` uint8. A frame that nobody asks
        for is decoded but not converted.

    Raises:
        VideoError: not a video, no video stream, empty, damaged, or cut off and ``allow_truncated`` is not set.
    """
    kept = 0
    damage = ""
    with ExitStack() as stack:
        container = open_container(source, stack)
        stream = video_stream_of(container, source.path)
        damage = _missing_end(source, container, stream)
        if damage and not source.allow_truncated:
            raise VideoError(_refusal(source.path, damage))
        # Decoding stays on PyAV's slice threads: frame threads lose a varying number of frames before a damaged one.
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    break
                if packet.is_corrupt:
                    damage = damage or f"frame {kept} is incomplete"
                    break
                frames = packet.decode()
            except (av.FFmpegError, EOFError) as error:
                damage = damage or f"frame {kept} cannot be decoded ({_reason(error)})"
                break
            for frame in frames:
                yield partial(_to_rgb, frame, source.path)
                kept += 1
        if not damage:
            return
        if not source.allow_truncated:
            raise VideoError(_refusal(source.path, damage))
        for frame in _flush(stream):
            yield partial(_to_rgb, frame, source.path)
            kept += 1
    logger.warning("%s: the file is cut off or damaged: %s; kept the first %d frames", source.path, damage, kept)


def frame_bytes(pixel_format: str, height: int, width: int) -> int:
    """Count the bytes of one planar frame as it lies in a raw file.

    Args:
        pixel_format: FFmpeg's name of a planar or grey format.
        height: luma rows.
        width: luma columns.

    Returns:
        Bytes of all planes together.

    Raises:
        VideoError: the format is unknown, not planar, or not of 8 to 16 bits.
    """
    try:
        layout = VideoFormat(pixel_format, width, height)
    except ValueError as error:
        raise VideoError(f"pixel_format must be one that FFmpeg knows, got {pixel_format!r}") from error
    except OverflowError as error:
        raise VideoError(f"height and width must be below 2147483648, got {height}x{width}") from error
    planes = [part.plane for part in layout.components]
    if len(set(planes)) != len(planes):
        raise VideoError(f"pixel_format must have one plane for each component, got {pixel_format!r}")
    if not planes or layout.has_palette or not all(8 <= part.bits <= 16 for part in layout.components):
        raise VideoError(f"pixel_format must have 8 to 16 bits for each component, got {pixel_format!r}")
    return sum(part.height * part.width * (1 if part.bits <= 8 else 2) for part in layout.components)


def raw_frames(source: VideoSource) -> int:
    """Count the frames of a raw file, or of an archive of one, by its bytes.

    Raises:
        VideoError: its layout is unknown or wrong, or the bytes are no whole number of frames and ``allow_truncated``
            is not set.
    """
    raw, path = source.raw, source.path
    if raw is None:
        rule = "so it needs raw: {height, width, pixel_format}, or a name with its size such as 1920x1080"
        raise VideoError(f"{path}: a raw video has no header, {rule}")
    if raw.height < 1 or raw.width < 1:
        raise VideoError(f"{path}: raw height and width must be at least 1, got {raw.height}x{raw.width}")
    try:
        one = frame_bytes(raw.pixel_format, raw.height, raw.width)
    except VideoError as error:
        raise VideoError(f"{path}: raw {error}") from error
    packed = path.suffix.lower() == ".7z"
    whole, rest = divmod(raw_member(path).size if packed else path.stat().st_size, one)
    if whole == 0 or (rest and not source.allow_truncated):
        raise VideoError(
            f"{path}: a {raw.width}x{raw.height} {raw.pixel_format} file must be a whole number of frames of {one}"
            f" bytes, found {whole} and {rest} bytes more; allow_truncated keeps the whole ones"
        )
    return whole


def open_container(source: VideoSource, stack: ExitStack) -> InputContainer:
    """Open a video file, to be closed by ``stack``.

    Raises:
        VideoError: it cannot be.
    """
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
        missing = missing_bytes(path)
        cut = f"the file is cut off: at least {missing} bytes are missing, and what is left " if missing else ""
        raise VideoError(f"{path}: {cut}cannot be opened as a video ({_reason(error)})") from error
    return container


def video_stream_of(container: InputContainer, path: Path) -> VideoStream:
    """The first video stream of a file; raises VideoError where there is none."""
    if not container.streams.video or container.format.name == "tty":
        # FFmpeg would draw any .txt file as a picture of its text.
        found = "sound only" if container.streams.audio else "none"
        raise VideoError(f"{path}: a video file must have a video stream, found {found}")
    return container.streams.video[0]


def _missing_end(source: VideoSource, container: InputContainer, stream: VideoStream) -> str:
    """Say what is missing at the end of the file; empty when it is whole."""
    try:
        missing = missing_bytes(source.path)
        if missing:
            return f"at least {missing} bytes are missing"
        if container.format.name == "yuv4mpegpipe":
            codec = stream.codec_context
            one = frame_bytes(str(codec.pix_fmt), codec.height, codec.width)
            partial_frame = partial_y4m_bytes(source.path, one)
            if partial_frame:
                return f"the last frame has {partial_frame} bytes of {one}"
    except OSError as error:
        raise VideoError(f"{source.path}: cannot be read ({_reason(error)})") from error
    return ""


def _flush(stream: VideoStream) -> list[VideoFrame]:
    """Frames the decoder still holds back for reordering."""
    try:
        return list(stream.codec_context.decode(None))
    except (av.FFmpegError, EOFError):
        return []


def _to_rgb(frame: VideoFrame, path: Path) -> NDArray[np.uint8]:
    """Convert a decoded frame to RGB.

    A stated matrix and range are followed. Where the stream states none, YUV is taken as limited range, BT.709 from
    :data:`HD_HEIGHT` rows on and BT.601 below.
    """
    layout = frame.format
    options: dict[str, Any] = {"format": "rgb24", "interpolation": _CONVERSION}
    is_yuv = len(layout.components) >= 3 and not layout.is_rgb
    if is_yuv:
        full = frame.color_range == _RANGE_FULL or layout.name.startswith("yuvj")
        options["src_color_range"] = ColorRange.JPEG if full else ColorRange.MPEG
        options["dst_color_range"] = ColorRange.JPEG
        if frame.colorspace == _MATRIX_UNSTATED:
            options["src_colorspace"] = Colorspace.ITU709 if frame.height >= HD_HEIGHT else Colorspace.ITU601
    try:
        rgb = frame.reformat(**options).to_ndarray()
    except (av.FFmpegError, ValueError) as error:
        raise VideoError(f"{path}: {layout.name} frames cannot be converted to RGB ({_reason(error)})") from error
    return np.ascontiguousarray(rgb, dtype=np.uint8)


def _refusal(path: Path, damage: str) -> str:
    return f"{path}: the file is cut off or damaged: {damage}; allow_truncated keeps the frames before that"


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
