"""The cost of a session after many others, in a real run of many short videos."""

import hashlib
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

from vcl.config import RunConfig
from vcl.datasets.stream import open_stream
from vcl.device import prepared
from vcl.errors import ConfigError
from vcl.profiling.subjects import our_steps
from vcl.profiling.table import Row, Table, rows_of, setting_of
from vcl.profiling.timing import take_turns
from vcl.run import run_clips
from vcl.rundir import Event, RunFolder
from vcl.video.cache import Clip

logger = logging.getLogger(__name__)

STEPS = 24

ROUNDS = 50

TURNS = 9


def measure(config: RunConfig, rounds: int) -> Table:
    """Compare a step of the last session with one of the first, in turns; then run all sessions once.

    For the run the config's videos are cut into clips of equal length; its folder is removed at the end. The row of a
    session has the time of its training and of its row of the matrix, and the bytes that it stored.

    Args:
        config: of the run.
        rounds: number of sessions.

    Raises:
        ConfigError: there are fewer than two sessions, or fewer frames than sessions.
    """
    if rounds < 2:
        raise ConfigError(f"sessions must be 2 or more to be compared, got {rounds}")
    config, device = prepared(config)
    clips = cut(open_stream(config.stream), rounds)
    first, last = "a step of session 0", f"a step of session {rounds - 1}"
    subjects = {first: our_steps(config, STEPS, device, 0), last: our_steps(config, STEPS, device, rounds - 1)}
    steps = rows_of(take_turns(subjects, TURNS, device), first, STEPS)
    with tempfile.TemporaryDirectory() as path:
        folder = run_clips(config, clips, Path(path) / "run", lambda _: [_log_session])
        rows = (*steps, *rows_of_run(folder))
    setting = setting_of(config, device, frames=len(clips[0].frames), epochs=config.train.epochs, turns=TURNS)
    return Table("sessions", first, "milliseconds", rows, {**setting, "verify": config.matrix.verify})


def _log_session(event: Event) -> None:
    if event["kind"] == "session":
        logger.info("session %d: %.1f s", event["session"], event["seconds"])


def cut(clips: Sequence[Clip], sessions: int) -> list[Clip]:
    """Cut videos into so many clips of equal length, as long as the videos allow.

    Raises:
        ConfigError: there are fewer frames than sessions.
    """
    length = next((n for n in range(min(len(c.frames) for c in clips), 0, -1) if _pieces(clips, n) >= sessions), 0)
    if length == 0:
        frames = sum(len(clip.frames) for clip in clips)
        raise ConfigError(f"stream.frames must give every session a frame, got {frames} frames for {sessions} sessions")
    pieces = [
        (f"{clip.name}-{first}", clip.frames[first : first + length])
        for clip in clips
        for first in range(0, len(clip.frames) - length + 1, length)
    ]
    return [Clip(name, frames, hashlib.sha256(frames.tobytes()).hexdigest()) for name, frames in pieces[:sessions]]


def _pieces(clips: Sequence[Clip], length: int) -> int:
    return sum(len(clip.frames) // length for clip in clips)


def rows_of_run(folder: RunFolder) -> tuple[Row, ...]:
    """One row per session of a finished run."""
    matrix = folder.matrix()
    assert matrix is not None
    return tuple(
        Row(
            f"session {session}",
            1e3 * event["seconds"],
            more={
                "row_ms": 1e3 * row["seconds"],
                "row_ms_per_video": 1e3 * row["seconds"] / (session + 1),
                "bytes_on_disk": sum(folder.session_bytes(session).values()),
            },
        )
        for session, (event, row) in enumerate(zip(folder.events("session"), matrix["rows"], strict=True))
    )
