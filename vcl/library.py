"""Libraries in three verbs: ``compile`` videos into one file, ``append`` more to it, ``decode`` any frame of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vcl.codec.library import Library
from vcl.user_path import user_path

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from vcl.rundir import Listener

PathLike = Path | str


def compile(
    videos: Sequence[PathLike],
    library: PathLike,
    *,
    config: PathLike | None = None,
    settings: Sequence[str] = (),
    quality: str = "medium",
    strict: bool = True,
    target_bpp: float | None = None,
    target_psnr: float | None = None,
    listeners: Sequence[Listener] = (),
) -> Library:
    """Train one network on videos, one after the other, and write it as a library; or go on where that was stopped.

    Args:
        videos: video files or folders of frames, in the order of their sessions.
        library: the file.
        config: a YAML file of settings.
        settings: such as ``train.epochs=20``; they win over the file.
        quality: ``low``, ``medium`` or ``high``: what neither sets.
        strict: also store what the frames decode to on every machine.
        target_bpp: bits per pixel to be reached; a miss is logged, as one of ``target_psnr`` is.
        target_psnr: of each video, dB; for one of both at most.
        listeners: get the events of training, as those of a run.

    Raises:
        VclError: one of its children, each one line; the library holds all sessions that were finished.
    """
    from vcl.compile import compile_videos
    from vcl.compile.settings import config_for
    from vcl.compile.targets import Target

    paths, target = [_path(video) for video in videos], Target(target_bpp, target_psnr)
    chosen = config_for(paths, None if config is None else _path(config), settings, quality, target)
    return compile_videos(paths, _path(library), chosen, listeners, strict, target)


def append(
    library: PathLike,
    videos: Sequence[PathLike],
    *,
    settings: Sequence[str] = (),
    strict: bool = True,
    target_bpp: float | None = None,
    target_psnr: float | None = None,
    listeners: Sequence[Listener] = (),
) -> Library:
    """Train a library on more videos; every byte that it holds stays as it is.

    Args:
        library: the file.
        videos: as for ``compile``.
        settings: for these videos; all others are those of the library.
        strict: as for ``compile``.
        target_bpp: as for ``compile``, of these videos.
        target_psnr: as for ``compile``.
        listeners: as for ``compile``.

    Raises:
        VclError: as ``compile``.
    """
    from vcl.compile import append_videos
    from vcl.compile.targets import Target

    paths, target = [_path(video) for video in videos], Target(target_bpp, target_psnr)
    return append_videos(_path(library), paths, settings, listeners, strict, target)


def decode(
    library: Library | PathLike,
    session: int | str,
    frames: range | None = None,
    *,
    strict: bool = False,
    device: torch.device | str = "cpu",
) -> Iterator[Tensor]:
    """Decode a video, or some of its frames.

    Args:
        library: an open one, or the file.
        session: the video's name, or the number of its session.
        frames: default all.
        strict: in whole numbers, which gives the same bits on every machine.
        device: where to decode.

    Yields:
        uint8 frames ``(B, 3, height, width)`` of the video's own size.

    Raises:
        VideoError: there is no such video or frame, or no strict profile.
        BitstreamError: the library is damaged.
    """
    opened = library if isinstance(library, Library) else Library.open(_path(library))
    number = session if isinstance(session, int) else opened.session_of(session)
    yield from (opened.strict_frames if strict else opened.frames)(number, frames, device)


def _path(path: PathLike) -> Path:
    return path if isinstance(path, Path) else user_path(path, "a path")
