"""Raw planar video: bytes per frame, and number of frames."""

from av.video.format import VideoFormat

from vcl.errors import VideoError
from vcl.video.readers.archive import raw_member
from vcl.video.source import VideoSource


def frame_bytes(pixel_format: str, height: int, width: int) -> int:
    """Count the bytes of one planar frame in a raw file.

    Args:
        pixel_format: FFmpeg's name of a planar or grey format.
        height: luma rows.
        width: luma columns.

    Returns:
        Bytes of all planes together; a component of more than 8 bits takes two.

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
        bytes_per_frame = frame_bytes(raw.pixel_format, raw.height, raw.width)
    except VideoError as error:
        raise VideoError(f"{path}: raw {error}") from error
    is_archive = path.suffix.lower() == ".7z"
    frames, rest = divmod(raw_member(path).size if is_archive else path.stat().st_size, bytes_per_frame)
    if frames == 0 or (rest and not source.allow_truncated):
        raise VideoError(
            f"{path}: a {raw.width}x{raw.height} {raw.pixel_format} file must be a whole number of frames of"
            f" {bytes_per_frame} bytes, found {frames} and {rest} bytes more; allow_truncated keeps the whole ones"
        )
    return frames
