"""The user's own videos: whether a path is one, and the settings with which a run takes it."""

import json
import re
from pathlib import Path
from shlex import join

from vcl.video.source import VIDEO_SUFFIXES, image_files

_PLAIN = re.compile(r"(\.{0,2}/|[A-Za-z_])[\w./-]*|\.{1,2}")
_YAML_WORDS = {"null", "true", "false", "yes", "no", "on", "off"}


def setting_text(text: str) -> str:
    """A text as the value of a setting: in quotes where YAML would read a number, a list or the like."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _YAML_WORDS else json.dumps(text, ensure_ascii=False)


def is_video(path: Path) -> bool:
    """Whether a path is a video file or a folder of frames, as far as names tell.

    Raises:
        OSError: it cannot be accessed.
    """
    return bool(image_files(path)) if path.is_dir() else path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES


def run_settings(path: Path) -> str:
    """The settings, quoted for a shell, with which a run takes a folder of videos, or one video out of its folder.

    Args:
        path: an existing file or folder.

    Raises:
        OSError: it cannot be accessed.
    """
    is_single = path.is_file() or is_video(path)
    settings = ["stream.benchmark=folder", f"stream.root={setting_text(str(path.parent if is_single else path))}"]
    if is_single:
        settings.append(f"stream.videos=[{setting_text(path.stem if path.is_file() else path.name)}]")
    return join(settings)
