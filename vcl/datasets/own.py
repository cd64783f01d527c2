"""Videos of one's own as an experiment names them."""

import json
import re
from pathlib import Path
from shlex import join

from vcl.video.source import VIDEO_SUFFIXES, image_files

_PLAIN = re.compile(r"(\.{0,2}/|[A-Za-z_])[\w./-]*|\.{1,2}")
_YAML_WORDS = {"null", "true", "false", "yes", "no", "on", "off"}


def typed(text: str) -> str:
    """A text as a setting says it: in quotes where YAML would take it for a number, a list or the like."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _YAML_WORDS else json.dumps(text, ensure_ascii=False)


def is_video(path: Path) -> bool:
    """Whether a path is a video file or a folder of frames, as far as names tell.

    Raises:
        OSError: it cannot be looked at.
    """
    return bool(image_files(path)) if path.is_dir() else path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES


def own_settings(path: Path) -> str:
    """The settings, quoted for a shell, with which a run takes a folder of videos, or one video out of its folder.

    Args:
        path: an existing file or folder.

    Raises:
        OSError: it cannot be looked at.
    """
    single = path.is_file() or is_video(path)
    settings = ["stream.benchmark=folder", f"stream.root={typed(str(path.parent if single else path))}"]
    if single:
        settings.append(f"stream.videos=[{typed(path.stem if path.is_file() else path.name)}]")
    return join(settings)
