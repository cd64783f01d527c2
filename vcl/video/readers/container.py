"""Container files and raw planar files -> frames, through PyAV.

Frames come out upright: quarter turns and mirrors that the file records are applied. Transparent pixels are laid over
black. Non-square pixels and interlaced fields are left as they are stored, with a warning.
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
from vcl.video.readers.ffv1 import checksums_match
from vcl.video.readers.flatten import flatten
from vcl.video.readers.orientation import UPRIGHT, Orientation, from_display_matrix
from vcl.video.readers.raw import frame_bytes
from vcl.video.readers.structure import Damage, find_damage, partial_y4m_bytes
from vcl.video.readers.track import open_video, reason_of
from vcl.video.source import VideoSource

logger = logging.getLogger(__name__)

HD_HEIGHT = 720
"""From this many rows on, a stream that does not state its colour matrix is taken to be BT.709, below it BT.601."""

_FRAME_PER_PACKET = frozenset({"dnxhd", "ffv1", "h264", "hevc", "mjpeg", "png", "prores", "rawvideo"})
"""Codecs in which every packet holds a frame to be shown; in others some packets only help to decode others."""
_MATRIX_UNSPECIFIED = 2
_RANGE_FULL = 2

# Exact rounding, the same on every processor, and chroma interpolated to full width. PyAV before 18 knows the first
# name only, so pixels may differ there by a level or two.
_CONVERSION = sum(
    int(flag)
    for name, flag in Interpolation.__members__.items()
    if name in {"BILINEAR", "ACCURATE_RND", "BITEXACT", "FULL_CHR_H_INT"}
)


def container_frames(source: VideoSource) -> Iterator[partial[NDArray[np.uint8]]]:
    """Decode a video file, one frame at a time.

    Args:
        source: a file that PyAV can read, or with ``source.raw`` a ``.yuv`` file or an archive of one.

    Yields:
        For each frame a call without arguments that converts it to RGB ``(H, W, 3)`` uint8. A frame whose call is not
        made is decoded but not converted.

    Raises:
        VideoError: not a video, no video stream, empty, damaged, or cut off and ``allow_truncated`` is not set.
    """
    count = 0
    with ExitStack() as stack:
        container, stream, damage = _open_checked(source, stack, quiet=False)
        end, reason = (damage.start, damage.reason) if damage else (None, "")
        try:
            for convert in _decoded(container, stream, end, source.path):
                yield convert
                count += 1
        except _DecodingError as error:
            reason = reason or str(error)
        if not reason:
            return
        if not source.allow_truncated:
            raise _damage_error(source.path, reason)
        for frame in _flush(stream):
            yield partial(_to_rgb, frame, source.path, _orientation(frame, source.path))
            count += 1
    logger.warning("%s: the file is cut off or damaged: %s; kept the first %d frames", source.path, reason, count)


def upright_frame_size(source: VideoSource) -> tuple[int, int, Orientation]:
    """Height and width of a video file's frames once upright, and their orientation; decodes the first frame alone.

    Raises:
        VideoError: not a video, empty, its first frame does not decode, or it is cut off or damaged so that it shows
            before decoding, and ``allow_truncated`` is not set.
    """
    with ExitStack() as stack:
        container, stream, _ = _open_checked(source, stack)
        try:
            frame = next(container.decode(stream), None)
        except (av.FFmpegError, EOFError) as error:
            raise VideoError(f"{source.path}: frame 0 cannot be decoded ({reason_of(error)})") from error
        if frame is None:
            raise VideoError(f"{source.path}: a video file must have a frame, found none")
        orientation = _orientation(frame, source.path)
        return *orientation.upright_size(frame.height, frame.width), orientation


def _open_checked(
    source: VideoSource, stack: ExitStack, quiet: bool = True
) -> tuple[InputContainer, VideoStream, Damage | None]:
    """Open a video file and look for damage that shows before decoding, which ``allow_truncated`` alone lets pass."""
    container, stream = open_video(source, stack, quiet)
    try:
        damage = find_damage(source.path)
        if damage is None and container.format.name == "yuv4mpegpipe":
            codec = stream.codec_context
            whole = frame_bytes(str(codec.pix_fmt), codec.height, codec.width)
            if rest := partial_y4m_bytes(source.path, whole):
                damage = Damage(f"the last frame has {rest} bytes of {whole}", None)
    except OSError as error:
        raise VideoError(f"{source.path}: cannot be read ({reason_of(error)})") from error
    if damage and not source.allow_truncated:
        raise _damage_error(source.path, damage.reason)
    return container, stream, damage


def _damage_error(path: Path, reason: str) -> VideoError:
    hint = "allow_truncated keeps the frames before that"
    return VideoError(f"{path}: the file is cut off or damaged: {reason}; {hint}")


class _DecodingError(Exception):
    """A frame is damaged, and with it what follows."""


def _decoded(
    container: InputContainer, stream: VideoStream, end: int | None, path: Path
) -> Iterator[partial[NDArray[np.uint8]]]:
    """Decode up to the byte ``end`` or the first damage, which raises :class:`_DecodingError`."""
    count = 0
    has_checksums: bool | None = None
    orientation, rotation = UPRIGHT, 0
    codec = stream.codec_context
    pending = _PendingPackets()
    if codec.name == "png":
        codec.options = {"err_detect": "crccheck+explode"}
    # Decoding stays on PyAV's slice threads: frame threads lose a varying number of frames before a damaged one.
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                break
            if end is not None and packet.pos is not None and packet.pos >= end:
                return
            if packet.is_corrupt:
                raise _DecodingError(f"frame {count} is incomplete")
            if codec.name == "ffv1" and packet.size:
                is_intact = checksums_match(bytes(packet))
                has_checksums = is_intact if has_checksums is None else has_checksums
                if has_checksums and not is_intact:
                    raise _DecodingError(f"frame {count} disagrees with its checksum")
            pending.add(packet)
            frames = packet.decode()
        except (av.FFmpegError, EOFError) as error:
            raise _DecodingError(f"frame {count} cannot be decoded ({reason_of(error)})") from error
        if any(frame.is_corrupt for frame in frames):
            raise _DecodingError(f"frame {count} is damaged")
        for frame in frames:
            if count == 0:
                _warn_of_ignored_properties(frame, stream, path)
            if count == 0 or frame.rotation != rotation:
                # Looked up seldom: a frame whose side data was looked at stays in memory for a while.
                orientation, rotation = _orientation(frame, path), frame.rotation
            pending.remove(frame)
            yield partial(_to_rgb, frame, path, orientation)
            count += 1
    if codec.name in _FRAME_PER_PACKET:
        pending.check(path)


class _PendingPackets:
    """Packets of which no frame has come out of the decoder yet, identified by their time stamps."""

    def __init__(self) -> None:
        self._times: set[int] = set()
        self._first_shown: int | None = None
        self._interlaced = False

    def add(self, packet: "Packet[VideoStream]") -> None:
        """Note a packet whose frame is to be shown."""
        if packet.size and packet.pts is not None and not packet.is_discard:
            self._times.add(packet.pts)

    def remove(self, frame: VideoFrame) -> None:
        """Note a frame: the packet with its time stamp is no longer pending."""
        if frame.pts is not None:
            self._first_shown = frame.pts if self._first_shown is None else min(self._first_shown, frame.pts)
            self._times.discard(frame.pts)
        self._interlaced |= frame.interlaced_frame

    def check(self, path: Path) -> None:
        """Refuse frames that are lost in between; warn of a beginning that refers to frames before the file."""
        if self._interlaced or self._first_shown is None:
            return  # Two fields may come as two packets.
        lost = sum(time > self._first_shown for time in self._times)
        if lost:
            raise _DecodingError(f"{lost} frames do not decode")
        if self._times:
            logger.warning("%s: begins with %d frames that do not decode and are left out", path, len(self._times))


def _flush(stream: VideoStream) -> list[VideoFrame]:
    """Frames that the decoder still holds back for reordering."""
    try:
        return list(stream.codec_context.decode(None))
    except (av.FFmpegError, EOFError):
        return []


def _warn_of_ignored_properties(frame: VideoFrame, stream: VideoStream, path: Path) -> None:
    """Name in one line the properties that the file states and frames do not follow."""
    aspect = stream.sample_aspect_ratio
    properties = [
        f"pixels that are not square ({aspect})" if aspect and aspect != 1 else "",
        "interlaced fields" if frame.interlaced_frame else "",
        "transparency in a layer of its own"
        if stream.metadata.get("alpha_mode") == "1" and not _has_alpha(frame)
        else "",
    ]
    if any(properties):
        ignored = " and ".join(filter(None, properties))
        logger.warning("%s: has %s; its frames are taken as they are stored", path, ignored)


def _has_alpha(frame: VideoFrame) -> bool:
    return frame.format.has_palette or any(part.is_alpha for part in frame.format.components)


def _orientation(frame: VideoFrame, path: Path) -> Orientation:
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    try:
        return UPRIGHT if matrix is None else from_display_matrix(bytes(matrix))
    except VideoError as error:
        raise VideoError(f"{path}: {error}") from error


def _to_rgb(frame: VideoFrame, path: Path, orientation: Orientation) -> NDArray[np.uint8]:
    """Convert a decoded frame to RGB, upright.

    A stated matrix and range are followed. Where the stream states none, YUV is taken as limited range, BT.709 from
    :data:`HD_HEIGHT` rows on and BT.601 below.
    """
    layout = frame.format
    options: dict[str, Any] = {"format": "rgba" if _has_alpha(frame) else "rgb24", "interpolation": _CONVERSION}
    is_yuv = len(layout.components) >= 3 and not layout.is_rgb
    if is_yuv:
        is_full_range = frame.color_range == _RANGE_FULL or layout.name.startswith("yuvj")
        options["src_color_range"] = ColorRange.JPEG if is_full_range else ColorRange.MPEG
        options["dst_color_range"] = ColorRange.JPEG
        if frame.colorspace == _MATRIX_UNSPECIFIED:
            options["src_colorspace"] = Colorspace.ITU709 if frame.height >= HD_HEIGHT else Colorspace.ITU601
    try:
        pixels = np.asarray(frame.reformat(**options).to_ndarray(), dtype=np.uint8)
    except (av.FFmpegError, ValueError) as error:
        raise VideoError(f"{path}: {layout.name} frames cannot be converted to RGB ({reason_of(error)})") from error
    return orientation.upright(flatten(pixels, 255) if pixels.shape[2] == 4 else pixels)
