"""One run in numbers: quality, forgetting, stored bytes, time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from vcl.config import MethodConfig, RunConfig
from vcl.errors import VclError
from vcl.metrics.matrix import Cell, SessionMatrix, forward_transfer
from vcl.metrics.rate import bits_per_pixel
from vcl.metrics.registry import METRICS, PSNR
from vcl.report.stored import stored_bytes
from vcl.rundir import RunFolder
from vcl.wording import printable

MACHINE = ("device", "cpu", "threads", "ranks", "torch")
"""What a summary says about the machine."""


@dataclass(frozen=True)
class Summary:
    """A run so far.

    Args:
        run: name of its folder.
        config: of the run.
        planned: videos of all sessions, measured or not.
        videos: those whose sessions have a row; all numbers below are about them.
        frames: of each of these videos.
        averages: by metric, the mean of the last row; None where it is undefined.
        last: PSNR of each of these videos after the last session, dB.
        backward_transfer: dB, None while there is one session only.
        forgetting: dB, None while there is one session only.
        forward_transfer: dB, None where it was not measured.
        stored: bytes of the library with these videos by kind, and those of the buffer, which the next session needs.
        bits_per_pixel: of these videos.
        seconds: spent in training.
        updates_per_frame: frames trained on, rehearsed ones among them, per frame of these videos; None in runs that
            did not count them.
        decode_fps: frames per second of decoding alone; None in runs that did not measure it.
        machine: that of the last start, by ``MACHINE``; empty in runs that did not store it.
        note: what a reader must know about the numbers.
        quantisation_change: PSNR of what is stored less that just before integers took the place of weights, dB, mean
            over sessions; the passes with integers count in it. None for float32.
    """

    run: str
    config: RunConfig
    planned: tuple[str, ...]
    videos: tuple[str, ...]
    frames: tuple[int, ...]
    averages: Mapping[str, float | None]
    last: tuple[float, ...]
    backward_transfer: float | None
    forgetting: float | None
    forward_transfer: float | None
    stored: Mapping[str, int]
    bits_per_pixel: float
    seconds: float
    updates_per_frame: float | None = None
    decode_fps: float | None = None
    machine: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    quantisation_change: float | None = None

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.config.method.name

    @property
    def capacity(self) -> float | None:
        """Share of weights in one mask; None for a method without masks."""
        return capacity_of(self.config.method)

    @property
    def seed(self) -> int:
        """Seed of everything that is drawn at random."""
        return self.config.train.seed

    @property
    def psnr(self) -> float | None:
        """Average PSNR, dB; None while no video is learned."""
        return self.averages[PSNR.name]

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
    psnr = session_matrix(matrix, PSNR.name)
    sessions = len(matrix["rows"])
    frames = tuple(matrix["frames"][:sessions])
    stored = stored_bytes(folder, sessions)
    height, width = matrix["size"]
    trained_on = sum(event.get("trained_on", 0) for event in folder.events("session")[:sessions])
    decoded, decode_seconds = (sum(row.get(key, 0) for row in matrix["rows"]) for key in ("decoded", "decode_seconds"))
    return Summary(
        run=printable(folder.path.resolve().name),
        config=folder.config(),
        planned=tuple(matrix["videos"]),
        videos=tuple(matrix["videos"][:sessions]),
        frames=frames,
        averages={metric: session_matrix(matrix, metric).average() for metric in METRICS},
        last=psnr.last,
        backward_transfer=psnr.backward_transfer(),
        forgetting=psnr.forgetting(),
        forward_transfer=transfer(folder),
        stored=stored,
        bits_per_pixel=bits_per_pixel(sum(stored.values()), sum(frames) * height * width),
        seconds=train_seconds(folder),
        updates_per_frame=_per(trained_on, sum(frames)),
        decode_fps=_per(decoded, decode_seconds),
        quantisation_change=_quantisation_change(folder, sessions),
        machine={key: start[key] for start in folder.versions()[-1:] for key in MACHINE if key in start},
    )


def _quantisation_change(folder: RunFolder, sessions: int) -> float | None:
    costs = [event.get("quantisation") for event in folder.events("session")[:sessions]]
    changes = [cost["psnr"] - cost["float_psnr"] for cost in costs if cost]
    return fmean(changes) if changes else None


def _per(amount: float, total: float) -> float | None:
    """Quotient, or None where nothing was counted."""
    return amount / total if amount and total else None


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
        matrix: as ``RunFolder.matrix`` returns it. Where its rows lack the metric, being older, all cells are empty.
        metric: a key of ``METRICS``.

    Raises:
        VclError: there is no such metric, or rows do not fit one another.
    """
    if metric not in METRICS:
        raise VclError(f"metric must be one of {', '.join(METRICS)}, got {metric}")
    empty: list[Cell] = [None] * len(matrix["videos"])
    return SessionMatrix.of([row.get(metric) or empty for row in matrix["rows"]], METRICS[metric].higher_is_better)


def transfer(folder: RunFolder) -> float | None:
    """Forward transfer from a run's probes, dB; None where it was not measured."""
    probes = folder.events("probe")
    after, scratch = ({p["session"]: p["psnr"] for p in probes if p["scratch"] is twin} for twin in (False, True))
    return forward_transfer(after, scratch)


def train_seconds(folder: RunFolder) -> float:
    """Seconds spent in training, in closed sessions and in the current one."""
    seconds: dict[int, float] = {}
    # Sessions last: their time also covers what came after the last epoch.
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
    if capacity is None:
        return config.name.capitalize()
    unit = getattr(config, "mask_unit", "weight")
    of = "" if unit == "weight" else f" of {unit}s"
    return f"{config.name.upper()}, c = {100 * capacity:g} %{of}"


def numbers_line(matrix: SessionMatrix, metric: str) -> str:
    """Average, backward transfer and forgetting in one line, without those that are undefined."""
    numbers = {
        "average": matrix.average(),
        "backward transfer": matrix.backward_transfer(),
        "forgetting": matrix.forgetting(),
    }
    return ", ".join(f"{name} {METRICS[metric].text(value)}" for name, value in numbers.items() if value is not None)
