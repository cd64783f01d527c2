"""Another video for a run that is finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shlex import quote

from vcl.config import RunConfig, StreamConfig
from vcl.datasets.stream import open_stream
from vcl.datasets.user_videos import is_video
from vcl.device import prepare_device
from vcl.errors import RunFolderError, RunFolderInUseError, VideoError
from vcl.folder_lock import exclusive_lock
from vcl.run import run_clips
from vcl.rundir import Listener, RunFolder
from vcl.video.source import VIDEO_SUFFIXES


def append(
    path: Path,
    video: str,
    listeners: Callable[[RunFolder], Sequence[Listener]] = lambda _: (),
    config: RunConfig | None = None,
) -> RunFolder:
    """Train a finished run on one more video, as its next session; or go on with that, where it was stopped.

    The videos before are opened too: the new row of the matrix measures them.

    Args:
        path: the run folder.
        video: path of a video file or of a folder of frames, or the name of a video in the run's benchmark.
        listeners: as in ``run``.
        config: the run's, where settings that change no result are others by now, such as where its videos are.

    Returns:
        The folder, finished again.

    Raises:
        VclError: one of its children, each one line: the run is not finished, its method or network cannot take
            another video, there is no such video, or the run has one of that name.
    """
    folder = RunFolder.existing(path)
    with exclusive_lock(path, RunFolderInUseError):  # Said before anything that another process may be changing.
        config = config or folder.config()
        before = folder.appended(config.stream)
    prepare_device(config.train)
    _check_appendable(folder, config)
    stream = _stream_of(config.stream, video)
    matrix = folder.matrix()
    videos = matrix["videos"] if matrix else []
    finished = matrix is not None and len(matrix["rows"]) == len(videos) and folder.finished()
    if before and before[-1] == stream and not (finished and stream.videos[0] in videos):
        return run_clips(config, open_stream(folder.own_stream(config.stream), before), path, listeners)
    if not finished:
        command = f"vcl run {quote(str(path / 'config.yaml'))} --out {quote(str(path))}"
        raise RunFolderError(f"{path} must be finished before it takes another video; finish it with: {command}")
    if stream.videos[0] in videos:
        raise RunFolderError(f"{path} already has a video called {stream.videos[0]}")
    clips = open_stream(folder.own_stream(config.stream), [*before, stream])
    return run_clips(config, clips, path, listeners, appended=stream)


def _check_appendable(folder: RunFolder, config: RunConfig) -> None:
    """Refuse a run whose earlier videos could not stay what they are."""
    if config.method.together:
        raise RunFolderError(f"{folder.path} cannot take another video: {config.method.name} learns all at once")
    if config.backbone.needs_session_count:
        raise RunFolderError(
            f"{folder.path} cannot take another video: the input of its network depends on how many there are"
        )


def _stream_of(stream: StreamConfig, video: str) -> StreamConfig:
    """The stream of one video, with the size and range of the run's."""
    path = Path(video)
    with suppress(OSError):  # What cannot be looked at is no path; as a name it is refused below.
        if is_video(path):
            # As it is called: a link may have another name than its target.
            whole = path.resolve() if path.name in ("", "..") else path.parent.resolve() / path.name
            name = whole.stem if path.is_file() else whole.name
            return replace(stream, benchmark="folder", root=str(whole.parent), videos=(name,), order="given")
        if path.exists() or len(path.parts) != 1 or path.suffix.lower() in VIDEO_SUFFIXES:
            kind = "a folder without frames" if path.is_dir() else "a file" if path.exists() else "no such file"
            rule = "a video file, a folder of PNG or JPEG frames, or the name of a video in the run's benchmark"
            raise VideoError(f"the video to append must be {rule}, got {video!r}, {kind}")
    return replace(stream, videos=(video,), order="given")
