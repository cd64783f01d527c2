"""What a video is before a single byte of it is read: a name, a path, and what the file itself does not state."""

import errno
import re
from dataclasses import dataclass
from pathlib import Path

VIDEO_SUFFIXES = frozenset(
    {".264", ".265", ".3g2", ".3gp", ".7z", ".avi", ".flv", ".h264", ".h265", ".hevc", ".m2ts", ".m4v", ".mkv", ".mov"}
    | {".mp4", ".mpeg", ".mpg", ".mts", ".npy", ".ogv", ".qt", ".ts", ".vob", ".webm", ".y4m", ".yuv"}
)
"""Files that FFmpeg reads and :mod:`vcl.video.readers.structure` can check for damage, raw video and arrays."""
RAW_SUFFIXES = frozenset({".7z", ".yuv"})
"""Files that do not state the layout of their planes: headerless ones, and archives of one such file."""
IMAGE_SUFFIXES = frozenset({".jpeg", ".jpg", ".png"})
"""Files that are the frames of a video in a folder."""


@dataclass(frozen=True)
class RawFormat:
    """Layout of a headerless planar ``.yuv`` file.

    Args:
        height: luma rows, in pixels.
        width: luma columns, in pixels.
        pixel_format: FFmpeg's name, such as ``yuv420p``, ``yuv420p10le``, ``yuv422p`` or ``yuv444p``.
    """

    height: int
    width: int
    pixel_format: str = "yuv420p"


@dataclass(frozen=True)
class VideoSource:
    """One video as a benchmark names it.

    Args:
        name: its name in reports.
        path: a video file, a 7z archive of one raw video, or a folder of PNG or JPEG images.
        raw: layout of a ``.yuv`` file, in an archive or not; ignored for other files, which state their own.
        allow_truncated: keep the whole frames of a file that is cut off, instead of refusing it.
        expected_frames: how many frames the whole video must have; ``None`` where that is not known.
    """

    name: str
    path: Path
    raw: RawFormat | None = None
    allow_truncated: bool = False
    expected_frames: int | None = None


def raw_from_name(name: str) -> RawFormat | None:
    """Read the layout of a raw video off its file's name, such as UVG's ``Jockey_1920x1080_120fps_420_8bit_YUV.yuv``.

    Args:
        name: a file name.

    Returns:
        The layout, 4:2:0 at 8 bits unless the name states another; ``None`` for other files, and names without a size.
    """
    size = re.search(r"(?<![0-9])([0-9]{2,5})x([0-9]{2,5})(?![0-9])", name)
    if size is None or Path(name).suffix.lower() not in RAW_SUFFIXES:
        return None
    chroma = re.search(r"_(420|422|444)(?=[_.])", name)
    bits = re.search(r"_(8|10|12)bit", name, re.IGNORECASE)
    depth = "" if bits is None or bits[1] == "8" else f"{bits[1]}le"
    return RawFormat(int(size[2]), int(size[1]), f"yuv{chroma[1] if chroma else '420'}p{depth}")


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key that puts ``img2`` before ``img10``.

    Runs of ASCII digits compare as numbers, the rest as text. The name itself comes last, so that ``img2`` and
    ``img02`` have one order on every machine.

    Args:
        name: a file or folder name.

    Returns:
        A key for ``sorted``.
    """
    pieces = re.split(r"([0-9]+)", name)
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces] + [(-1, name)]


def image_files(folder: Path) -> list[Path]:
    """Images directly inside a folder, in natural order.

    Hidden files are left out: some systems write ``._img.png`` beside ``img.png``.

    Args:
        folder: an existing folder.

    Returns:
        Paths that end in one of :data:`IMAGE_SUFFIXES`; empty when there are none.

    Raises:
        OSError: the folder cannot be listed.
    """
    return [path for path in visible_files(folder) if path.suffix.lower() in IMAGE_SUFFIXES]


def visible_files(folder: Path) -> list[Path]:
    """Files and folders directly inside a folder, without hidden ones, in natural order.

    Raises:
        OSError: the folder cannot be listed.
    """
    visible = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return sorted(visible, key=lambda path: natural_key(path.name))


def missing_path(path: Path) -> str:
    """Describe a path that does not exist: a broken link, or nothing at all."""
    return "a link to what is missing" if path.is_symlink() else "no such file or folder"


def os_error_line(error: OSError, path: Path) -> str:
    """Name the file that the system refused, and the reason, in one line.

    Args:
        error: what the system raised.
        path: what was accessed, for an error that names no file.
    """
    refused = Path(error.filename or path)
    is_missing = isinstance(error, FileNotFoundError | NotADirectoryError) or error.errno == errno.ELOOP
    return f"{refused}: {missing_path(refused) if is_missing else f'cannot be read ({error.strerror or error})'}"
