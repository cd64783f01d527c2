"""Container files and raw planar files -> frames, through PyAV.

Frames come out upright: quarter turns and mirrors that the file notes are made. Transparent pixels are laid over black.
Non-square pixels and interlaced fields stay as they are stored, which a warning tells of.
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
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vcl.errors import VideoError
from vcl.video.readers.ffv1 import checksums_fit
from vcl.video.readers.flatten import flatten
from vcl.video.readers.orientation import UPRIGHT, Orientation, of_display_matrix
from vcl.video.readers.raw import frame_bytes
from vcl.video.readers.structure import damaged_at, missing_bytes, partial_y4m_bytes
from vcl.video.readers.track import open_video, reason_of
from vcl.video.source import VideoSource

logger = logging.getLogger(__name__)

HD_HEIGHT = 720
"""From this many rows on, a stream that does not state its colour matrix is taken to be BT.709, below it BT.601."""

_FRAME_PER_PACKET = frozenset({"dnxhd", "ffv1", "h264", "hevc", "mjpeg", "png", "prores", "rawvideo"})
"""Codecs of which every packet is to be seen; in others some packets only help to decode others."""
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
    with ExitStack() as stack:
        container, stream = open_video(source, stack, quiet=False)
        damage, end = _damage(source, container, stream)
        if damage and not source.allow_truncated:
            raise VideoError(_refusal(source.path, damage))
        try:
            for picture in _pictures(container, stream, end, source.path):
                yield picture
                kept += 1
        except _DamageFound as error:
            damage = damage or str(error)
        if not damage:
            return
        if not source.allow_truncated:
            raise VideoError(_refusal(source.path, damage))
        for frame in _flush(stream):
            yield partial(_to_rgb, frame, source.path, _orientation(frame, source.path))
            kept += 1
    logger.warning("%s: the file is cut off or damaged: %s; kept the first %d frames", source.path, damage, kept)


class _DamageFound(Exception):
    """What is wrong from here on."""


def _pictures(
    container: InputContainer, stream: VideoStream, end: int | None, path: Path
) -> Iterator[partial[NDArray[np.uint8]]]:
    """Decode up to the byte ``end`` or the first damage, which ends it with :class:`_DamageFound`."""
    kept = 0
    has_checksums: bool | None = None
    orientation, rotation = UPRIGHT, 0
    codec = stream.codec_context
    unseen = _Unseen()
    if codec.name == "png":
        codec.options = {"err_detect": "crccheck+explode"}
    # Decoding stays on PyAV's slice threads: frame threads lose a varying number of frames before a damaged one.
    coming = container.demux(stream)
    while True:
        try:
            packet = next(coming, None)
            if packet is None:
                break
            if end is not None and packet.pos is not None and packet.pos >= end:
                return
            if packet.is_corrupt:
                raise _DamageFound(f"frame {kept} is incomplete")
            if codec.name == "ffv1" and packet.size:
                fits = checksums_fit(bytes(packet))
                has_checksums = fits if has_checksums is None else has_checksums
                if has_checksums and not fits:
                    raise _DamageFound(f"frame {kept} disagrees with its checksum")
            unseen.add_packet(packet)
            frames = packet.decode()
        except (av.FFmpegError, EOFError) as error:
            raise _DamageFound(f"frame {kept} cannot be decoded ({reason_of(error)})") from error
        if any(frame.is_corrupt for frame in frames):
            raise _DamageFound(f"frame {kept} is damaged")
        for frame in frames:
            if kept == 0:
                _warn_of_what_is_not_followed(frame, stream, path)
            if kept == 0 or frame.rotation != rotation:
                # Asked for seldom: a frame that was asked for its side data stays in memory for a while.
                orientation, rotation = _orientation(frame, path), frame.rotation
            unseen.remove_frame(frame)
            yield partial(_to_rgb, frame, path, orientation)
            kept += 1
    if codec.name in _FRAME_PER_PACKET:
        unseen.check(path)


class _Unseen:
    """Packets of which no frame has come out of the decoder, told apart by their times."""

    def __init__(self) -> None:
        self._times: set[int] = set()
        self._first: int | None = None
        self._interlaced = False

    def add_packet(self, packet: "Packet[VideoStream]") -> None:
        """Note a packet that is to be seen."""
        if packet.size and packet.pts is not None and not packet.is_discard:
            self._times.add(packet.pts)

    def remove_frame(self, frame: VideoFrame) -> None:
        """Note a frame, whose packet is seen by that."""
        if frame.pts is not None:
            self._first = frame.pts if self._first is None else min(self._first, frame.pts)
            self._times.discard(frame.pts)
        self._interlaced |= frame.interlaced_frame

    def check(self, path: Path) -> None:
        """Refuse a hole; tell of a beginning that refers to frames before the file."""
        if self._interlaced or self._first is None:
            return  # Two fields may come as two packets.
        inside = sum(time > self._first for time in self._times)
        if inside:
            raise _DamageFound(f"{inside} frames do not decode")
        if self._times:
            logger.warning("%s: begins with %d frames that do not decode and are left out", path, len(self._times))


def shown_size(source: VideoSource) -> tuple[int, int, Orientation]:
    """Height and width of a video file's frames as they come out, and how they are turned; decodes the first alone.

    Raises:
        VideoError: as :func:`container_pictures`.
    """
    with ExitStack() as stack:
        container, stream = open_video(source, stack)
        try:
            frame = next(container.decode(stream), None)
        except (av.FFmpegError, EOFError) as error:
            raise VideoError(f"{source.path}: frame 0 cannot be decoded ({reason_of(error)})") from error
        if frame is None:
            raise VideoError(f"{source.path}: a video file must have a frame, found none")
        orientation = _orientation(frame, source.path)
        return *orientation.size(frame.height, frame.width), orientation


def _damage(source: VideoSource, container: InputContainer, stream: VideoStream) -> tuple[str, int | None]:
    """Say what shows of damage before anything is decoded, and from which byte on; empty when the file is whole."""
    try:
        end = damaged_at(source.path)
        missing = missing_bytes(source.path)
        if missing:
            return f"at least {missing} bytes are missing", end
        if end is not None:
            return f"its parts do not follow one another at byte {end}", end
        if container.format.name == "yuv4mpegpipe":
            codec = stream.codec_context
            one = frame_bytes(str(codec.pix_fmt), codec.height, codec.width)
            partial_frame = partial_y4m_bytes(source.path, one)
            if partial_frame:
                return f"the last frame has {partial_frame} bytes of {one}", None
    except OSError as error:
        raise VideoError(f"{source.path}: cannot be read ({reason_of(error)})") from error
    return "", None


def _flush(stream: VideoStream) -> list[VideoFrame]:
    """Frames the decoder still holds back for reordering."""
    try:
        return list(stream.codec_context.decode(None))
    except (av.FFmpegError, EOFError):
        return []


def _warn_of_what_is_not_followed(frame: VideoFrame, stream: VideoStream, path: Path) -> None:
    """Tell in one line of what the file says and is not acted upon."""
    aspect = stream.sample_aspect_ratio
    kept = [
        f"pixels that are not square ({aspect})" if aspect and aspect != 1 else "",
        "interlaced fields" if frame.interlaced_frame else "",
        "transparency in a layer of its own" if stream.metadata.get("alpha_mode") == "1" and not _alpha(frame) else "",
    ]
    if any(kept):
        logger.warning("%s: has %s; its frames are taken as they are stored", path, " and ".join(filter(None, kept)))


def _alpha(frame: VideoFrame) -> bool:
    return frame.format.has_palette or any(part.is_alpha for part in frame.format.components)


def _orientation(frame: VideoFrame, path: Path) -> Orientation:
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    try:
        return UPRIGHT if matrix is None else of_display_matrix(bytes(matrix))
    except VideoError as error:
        raise VideoError(f"{path}: {error}") from error


def _to_rgb(frame: VideoFrame, path: Path, orientation: Orientation) -> NDArray[np.uint8]:
    """Convert a decoded frame to RGB, upright.

    A stated matrix and range are followed. Where the stream states none, YUV is taken as limited range, BT.709 from
    :data:`HD_HEIGHT` rows on and BT.601 below.
    """
    layout = frame.format
    options: dict[str, Any] = {"format": "rgba" if _alpha(frame) else "rgb24", "interpolation": _CONVERSION}
    is_yuv = len(layout.components) >= 3 and not layout.is_rgb
    if is_yuv:
        full = frame.color_range == _RANGE_FULL or layout.name.startswith("yuvj")
        options["src_color_range"] = ColorRange.JPEG if full else ColorRange.MPEG
        options["dst_color_range"] = ColorRange.JPEG
        if frame.colorspace == _MATRIX_UNSTATED:
            options["src_colorspace"] = Colorspace.ITU709 if frame.height >= HD_HEIGHT else Colorspace.ITU601
    try:
        pixels = np.asarray(frame.reformat(**options).to_ndarray(), dtype=np.uint8)
    except (av.FFmpegError, ValueError) as error:
        raise VideoError(f"{path}: {layout.name} frames cannot be converted to RGB ({reason_of(error)})") from error
    return orientation.upright(flatten(pixels, 255) if pixels.shape[2] == 4 else pixels)


def _refusal(path: Path, damage: str) -> str:
    return f"{path}: the file is cut off or damaged: {damage}; allow_truncated keeps the frames before that"
