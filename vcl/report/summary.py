"""One run in numbers: what it reached, what it forgot, what it takes to store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vcl.config import MethodConfig, RunConfig
from vcl.errors import VclError
from vcl.metrics.matrix import Cell, SessionMatrix, forward_transfer
from vcl.metrics.rate import bits_per_pixel
from vcl.rundir import RunFolder
from vcl.wording import printable

METRICS: dict[str, str] = {"psnr": "PSNR", "ssim": "SSIM", "ms_ssim": "MS-SSIM"}
"""Key in ``matrix.json`` to what a reader calls it."""

UNITS = {"psnr": " dB", "ssim": "", "ms_ssim": ""}
"""What stands behind a number of each metric."""

DECIMALS = {"psnr": 2, "ssim": 4, "ms_ssim": 4}
"""Digits behind the point that a table shows of each metric."""

KINDS = ("weight", "mask", "session", "buffer", "container")
"""Kinds of stored bytes that every method has; others come behind them."""


@dataclass(frozen=True)
class Summary:
    """A run so far.

    Args:
        run: name of its folder.
        method: name of its method.
        capacity: share of weights in one mask; None for a method without masks.
        videos: of the sessions that have a row.
        psnr: average of the last row, dB; so for the other metrics, None where undefined.
        backward_transfer: dB, None while there is one session only.
        forgetting: dB, None while there is one session only.
        forward_transfer: dB, None where it was not measured.
        stored: bytes that decoding these videos needs, by kind, and those of the buffer, which the next session needs.
        bits_per_pixel: of these videos.
        seconds: spent in training.
        last: PSNR of each of these videos after the last session, dB.
        frames: of each of these videos.
        planned: videos of all sessions, measured or not.
        config: of the run.
        seed: of the run.
        updates_per_frame: frames trained on, rehearsed ones among them, by frames of these videos; None in runs that
            did not count them.
        decode_fps: frames a second, decoding alone; None likewise.
    """

    run: str
    method: str
    capacity: float | None
    videos: tuple[str, ...]
    psnr: float | None
    ssim: float | None
    ms_ssim: float | None
    backward_transfer: float | None
    forgetting: float | None
    forward_transfer: float | None
    stored: Mapping[str, int]
    bits_per_pixel: float
    seconds: float
    last: tuple[float, ...]
    frames: tuple[int, ...]
    planned: tuple[str, ...]
    config: RunConfig
    seed: int = 0
    updates_per_frame: float | None = None
    decode_fps: float | None = None

    @property
    def stored_bytes(self) -> int:
        """Bytes of all kinds."""
        return sum(self.stored.values())


def summarise(folder: RunFolder) -> Summary:
    """Read a run, finished or not.

    Raises:
        VclError: no session has a row yet, or the folder is damaged.
    """
    matrix = measured(folder)
    psnr = session_matrix(matrix, "psnr")
    run = folder.config()
    config = run.method
    sessions = len(matrix["rows"])
    frames = tuple(matrix["frames"][:sessions])
    stored = stored_bytes(folder, sessions)
    height, width = matrix["size"]
    return Summary(
        run=printable(folder.path.resolve().name),
        method=config.name,
        capacity=capacity_of(config),
        videos=tuple(matrix["videos"][:sessions]),
        psnr=psnr.average(),
        ssim=session_matrix(matrix, "ssim").average(),
        ms_ssim=session_matrix(matrix, "ms_ssim").average(),
        backward_transfer=psnr.backward_transfer(),
        forgetting=psnr.forgetting(),
        forward_transfer=transfer(folder),
        stored=stored,
        bits_per_pixel=bits_per_pixel(sum(stored.values()), sum(frames) * height * width),
        seconds=train_seconds(folder),
        last=psnr.last,
        frames=frames,
        planned=tuple(matrix["videos"]),
        config=run,
        seed=run.train.seed,
        updates_per_frame=_per(
            sum(event.get("trained_on", 0) for event in folder.events("session")[:sessions]), sum(frames)
        ),
        decode_fps=_per(*(sum(row.get(key, 0) for row in matrix["rows"]) for key in ("decoded", "decode_seconds"))),
    )


def _per(amount: float, whole: float) -> float | None:
    """Quotient, or None where nothing was counted."""
    return amount / whole if amount and whole else None


def read_matrix(folder: RunFolder) -> dict[str, Any] | None:
    """Read the matrix of a run, with the videos' names as they can be shown; None before the first row."""
    matrix = folder.matrix()
    return None if matrix is None else {**matrix, "videos": [printable(name) for name in matrix["videos"]]}


def measured(folder: RunFolder) -> dict[str, Any]:
    """Read the matrix of a run that has one.

    Raises:
        VclError: no session has a row yet.
    """
    matrix = read_matrix(folder)
    if matrix is None or not matrix["rows"]:
        raise VclError(f"{folder.path} has nothing to report yet: its first session is not measured")
    return matrix


def session_matrix(matrix: Mapping[str, Any], metric: str) -> SessionMatrix:
    """Take one metric out of ``matrix.json``.

    Args:
        matrix: as ``RunFolder.matrix`` gives it.
        metric: a key of ``METRICS``.

    Raises:
        VclError: there is no such metric, or cells are missing.
    """
    if metric not in METRICS:
        raise VclError(f"metric must be one of {', '.join(METRICS)}, got {metric}")
    empty: list[Cell] = [None] * len(matrix["videos"])
    return SessionMatrix.of([row[metric] or empty for row in matrix["rows"]])


def stored_bytes(folder: RunFolder, sessions: int | None = None) -> dict[str, int]:
    """Count what is stored of the videos so far: what decoding needs, and the buffer that the next session needs.

    Every session's file counts whole, with one exception: a method that keeps only its latest network (``state_kind``
    of a session's notes) overwrites the weights and heads before, and needs none but the last session's. So does a
    buffer: what a method keeps to learn the next video.

    Args:
        folder: the run.
        sessions: how many to count; default all that are stored.

    Returns:
        Bytes by kind: ``KINDS`` first, whatever else a method stores behind them.
    """
    count = folder.sessions() if sessions is None else sessions
    total = dict.fromkeys(KINDS, 0)
    for session in range(count):
        for kind, size in folder.session_bytes(session).items():
            total[kind] = total.get(kind, 0) + size
    if count:
        latest = folder.session_notes(count - 1).state_kind == "shared_latest"
        last = folder.session_bytes(count - 1)
        total.update({kind: last.get(kind, 0) for kind in (("weight", "session", "buffer") if latest else ("buffer",))})
    return total


def transfer(folder: RunFolder) -> float | None:
    """Work out the forward transfer from a run's probes, dB; None where it was not measured."""
    probes = folder.events("probe")
    after, scratch = ({p["session"]: p["psnr"] for p in probes if p["scratch"] is twin} for twin in (False, True))
    return forward_transfer(after, scratch)


def train_seconds(folder: RunFolder) -> float:
    """Sum the seconds spent in training: of closed sessions, and of the one that is going on."""
    seconds: dict[int, float] = {}
    # Sessions last, since theirs also holds what came after the last epoch.
    for event in (*folder.events("epoch"), *folder.events("session")):
        seconds[event["session"]] = event["seconds"]
    return float(sum(seconds.values()))


def capacity_of(config: MethodConfig) -> float | None:
    """Share of weights in one mask, None for a method without masks."""
    capacity: float | None = getattr(config, "capacity", None)
    return capacity


def label(config: MethodConfig) -> str:
    """Name a method and its capacity for a title: ``PFNR, c = 30 %``."""
    capacity = capacity_of(config)
    shown = config.name.upper() if capacity is not None else config.name.capitalize()
    return shown if capacity is None else f"{shown}, c = {100 * capacity:g} %"


def numbers_line(matrix: SessionMatrix, metric: str) -> str:
    """Say average, backward transfer and forgetting in one line; empty where the metric is undefined."""
    numbers = {
        "average": matrix.average(),
        "backward transfer": matrix.backward_transfer(),
        "forgetting": matrix.forgetting(),
    }
    told = {name: f"{value:.{DECIMALS[metric]}f}" for name, value in numbers.items() if value is not None}
    return ", ".join(f"{name} {value}{UNITS[metric]}" for name, value in told.items())
