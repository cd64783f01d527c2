"""Many videos into one file: a library that grows by one session, and one commit, at a time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from vcl import config as configs
from vcl.codec.library import Library
from vcl.compile.growth import Growth
from vcl.compile.settings import check_config, config_of_library
from vcl.compile.targets import NO_TARGET, Target
from vcl.config import RunConfig
from vcl.config.rules import shown
from vcl.datasets.fitted import FittedVideo, fitted_videos, sources_of
from vcl.datasets.names import index_of, normalised
from vcl.errors import BitstreamError, LibraryInUseError, VideoError
from vcl.folder_lock import LOCK_NAME, exclusive_lock
from vcl.rundir import Listener


def compile_videos(
    videos: Sequence[Path],
    library: Path,
    config: RunConfig,
    listeners: Sequence[Listener] = (),
    strict: bool = True,
    target: Target = NO_TARGET,
) -> Library:
    """Make a library of videos, or the rest of one that was stopped.

    Args:
        videos: files or folders of frames, in the order of their sessions.
        library: the file; one that exists must begin with these videos, trained with this config.
        config: the settings, as ``vcl.compile.settings.config_for`` gives them.
        listeners: get the events of training.
        strict: also store what the frames decode to bit for bit, for which each video is decoded twice more.
        target: what the library is to reach.

    Raises:
        VclError: one of its children, each one line; the library holds all sessions that were finished.
    """
    check_config(config)
    library = _file(library)
    sources = sources_of(videos, config.stream.allow_truncated)
    with _work_folder(library) as work:
        fitted = fitted_videos(sources, config.stream)
        if library.exists():
            _check_begun(Library.open(library), config, fitted)
        return Growth(library, config, work, listeners, strict, target).add(fitted)


def append_videos(
    library: Path,
    videos: Sequence[Path],
    settings: Sequence[str] = (),
    listeners: Sequence[Listener] = (),
    strict: bool = True,
    target: Target = NO_TARGET,
) -> Library:
    """Train a library on more videos, or go on with that, where it was stopped; no byte that it holds changes.

    Args:
        library: the file.
        videos: files or folders of frames, which become its next sessions.
        settings: ``key=value`` words for these videos; the others are those of the library.
        listeners: as in ``compile_videos``.
        strict: as in ``compile_videos``.
        target: what these videos are to reach.

    Raises:
        VclError: as ``compile_videos``.
    """
    library = _file(library)
    Library.open(library)  # Before a folder is made beside what is no library.
    with _work_folder(library) as work:
        opened = Library.open(library)
        config = config_of_library(opened, settings)
        fitted = fitted_videos(sources_of(videos, config.stream.allow_truncated), config.stream)
        _check_new(opened, fitted)
        return Growth(library, config, work, listeners, strict, target).add(fitted)


def _file(path: Path) -> Path:
    """What a link points at, so that a library has one writer by whatever name."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _check_begun(library: Library, config: RunConfig, fitted: Sequence[FittedVideo]) -> None:
    """Refuse a library of other videos or settings."""
    before = config_of_library(library)
    if difference := configs.first_difference(before, config):
        key, stored, requested = difference
        raise BitstreamError(
            f"{library.path} exists and was compiled with {key} = {shown(stored)}, this asks for {shown(requested)}; "
            "choose another file with -o"
        )
    for number, video in enumerate(library.videos[: len(fitted)]):
        clip = fitted[number].clip
        if (normalised(video.name), video.source_sha256) != (normalised(clip.name), clip.sha256):
            raise BitstreamError(
                f"{library.path} exists, and its session {number} is another video, {video.name}; "
                "vcl append adds to a library, or choose another file with -o"
            )


def _check_new(library: Library, fitted: Sequence[FittedVideo]) -> None:
    """Refuse another video under a name that the library has."""
    names = [video.name for video in library.videos]
    for video in fitted:
        session = index_of(video.clip.name, names)
        if session is not None and library.videos[session].source_sha256 != video.clip.sha256:
            raise VideoError(f"{library.path} already has another video called {video.clip.name}")


@contextmanager
def _work_folder(library: Path) -> Iterator[Path]:
    """A hidden folder beside a library, which its only writer keeps checkpoints in; removed when all is done.

    Raises:
        LibraryInUseError: another process writes to the library.
        BitstreamError: the folder cannot be made.
    """
    folder = library.with_name(f".{library.name}.work")
    try:
        if library.is_dir():
            raise BitstreamError(f"{library} must be a file, found a folder")
        folder.mkdir(exist_ok=True)
        with ExitStack() as stack:
            # Whoever finishes first removes the folder, before the lock is opened or while it is waited for.
            with suppress(FileNotFoundError):
                stack.enter_context(exclusive_lock(folder, LibraryInUseError, library))
            if not (folder / LOCK_NAME).exists():
                raise LibraryInUseError(f"{library} is in use: another process has just finished it; try again")
            finished = False
            try:
                yield folder
                finished = True
            finally:
                if finished or not any(path.is_dir() for path in folder.glob("*")):  # No session that can go on.
                    shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise BitstreamError(f"{library} cannot be written ({error.strerror or error})") from error
