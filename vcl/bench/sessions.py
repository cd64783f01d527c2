"""What a session costs when many came before it: a real run of many short videos."""

import hashlib
import logging
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from vcl.bench.table import Row, Table, setting_of
from vcl.config import RunConfig
from vcl.errors import ConfigError
from vcl.run import prepare_device, run_clips
from vcl.rundir import Event, RunFolder
from vcl.video.cache import Clip
from vcl.video.stream import open_stream

logger = logging.getLogger(__name__)

FEW = 5

ROUNDS = 50


def measure(config: RunConfig, rounds: int) -> Table:
    """Cut the config's videos into ``rounds`` clips of one length and run them all, in a folder that is then removed.

    A row is a session. The ratio is that of its training time to the median of the first few sessions'; the last row
    compares the last few sessions with the first few.

    Raises:
        ConfigError: there are fewer than two sessions, or fewer frames than sessions.
    """
    if rounds < 2:
        raise ConfigError(f"sessions must be 2 or more to be compared, got {rounds}")
    device = prepare_device(config.train)
    clips = cut(open_stream(config.stream), rounds)
    with tempfile.TemporaryDirectory() as path:
        folder = run_clips(config, clips, Path(path) / "run", lambda _: [_tell])
        rows = rows_of_run(folder)
    setting = setting_of(config, device, sessions=rounds, frames=len(clips[0].frames), epochs=config.train.epochs)
    return Table(
        "sessions",
        f"the median of the first {min(FEW, rounds // 2)} sessions",
        "milliseconds of training",
        rows,
        setting,
    )


def _tell(event: Event) -> None:
    if event["kind"] == "session":
        logger.info("session %d: %.1f s", event["session"], event["seconds"])


def cut(clips: Sequence[Clip], sessions: int) -> list[Clip]:
    """Clips of one length, as long as the videos allow, evenly many frames each.

    Raises:
        ConfigError: there are fewer frames than sessions.
    """
    length = next((n for n in range(min(len(c.frames) for c in clips), 0, -1) if _pieces(clips, n) >= sessions), 0)
    if length == 0:
        frames = sum(len(clip.frames) for clip in clips)
        raise ConfigError(f"stream.frames must give every session a frame, got {frames} frames for {sessions} sessions")
    found = [
        (f"{clip.name}-{first}", clip.frames[first : first + length])
        for clip in clips
        for first in range(0, len(clip.frames) - length + 1, length)
    ]
    return [Clip(name, frames, hashlib.sha256(frames.tobytes()).hexdigest()) for name, frames in found[:sessions]]


def _pieces(clips: Sequence[Clip], length: int) -> int:
    return sum(len(clip.frames) // length for clip in clips)


def rows_of_run(folder: RunFolder) -> tuple[Row, ...]:
    """A row a session of a finished run, and one that compares its last few sessions with its first few."""
    matrix = folder.matrix()
    assert matrix is not None
    seconds = [event["seconds"] for event in folder.events("session")]
    measuring = [row["seconds"] for row in matrix["rows"]]
    stored = [sum(folder.session_bytes(session).values()) for session in range(len(seconds))]
    few = min(FEW, len(seconds) // 2)
    first, last = statistics.median(seconds[:few]), statistics.median(seconds[-few:])
    rows = [
        Row(
            f"session {session}",
            1e3 * seconds[session],
            seconds[session] / first,
            more={
                "row_ms": 1e3 * measuring[session],
                "row_ms_a_video": 1e3 * measuring[session] / (session + 1),
                "bytes_on_disk": stored[session],
            },
        )
        for session in range(len(seconds))
    ]
    return (*rows, Row(f"last {few} to first {few}", 1e3 * last, last / first))
