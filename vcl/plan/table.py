"""A plan, as text for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class NetworkSize:
    """Numbers that decode the videos, and the work of one frame.

    Args:
        shared_parameters: weights of one network without heads: what masks choose from.
        networks: how many of them are stored; 1, or one per video.
        head_parameters: numbers of each session's own, of all sessions together.
        frame_parameters: numbers of each frame's own, of all frames together.
        macs_a_frame: multiplications with an addition that decode one frame.
    """

    shared_parameters: int
    networks: int
    head_parameters: int
    frame_parameters: int
    macs_a_frame: int

    @property
    def parameters(self) -> int:
        """All of them together."""
        return self.shared_parameters * self.networks + self.head_parameters + self.frame_parameters


@dataclass(frozen=True)
class Work:
    """What all sessions together do.

    Args:
        steps: of training.
        trained_on: frames, each counted every time.
        measured: frames decoded and measured, each counted every time.
        sampled: frames decoded for their hash alone, each counted every time.
    """

    steps: int
    trained_on: int
    measured: int
    sampled: int


@dataclass(frozen=True)
class Stored:
    """Bytes in the session files of the run folder at the end.

    Args:
        stored: by kind, what decoding all videos and learning another needs.
        at_most: whether these are an upper bound, because masks will overlap more than by chance.
    """

    stored: Mapping[str, int]
    at_most: bool = False

    @property
    def stored_bytes(self) -> int:
        """Bytes of all kinds together, at the end of the run."""
        return sum(self.stored.values())


@dataclass(frozen=True)
class Memory:
    """Bytes of memory; None where they are not known.

    Args:
        memory_bytes: the most that the process will hold.
        available_bytes: that the machine has for it.
        device_memory_bytes: on the accelerator; None without one.
    """

    memory_bytes: int | None = None
    available_bytes: int | None = None
    device_memory_bytes: int | None = None


@dataclass(frozen=True)
class Disk:
    """Bytes on disk.

    Args:
        run_folder_bytes: sessions and checkpoint at the end, without figures and logs.
        checkpoint_bytes: of it, to go on from; while one is written there are two. None where it was not measured.
        cache_bytes: decoded frames, once.
    """

    run_folder_bytes: int
    checkpoint_bytes: int | None
    cache_bytes: int


@dataclass(frozen=True)
class Time:
    """How long it takes.

    Args:
        hours: by part: training, evaluation and overhead; without decoding the videos into the cache.
            Empty where they were not measured.
        calibration_seconds: that it took to measure them; None where they were not.
    """

    hours: Mapping[str, float] = field(default_factory=dict)
    calibration_seconds: float | None = None

    @property
    def total_hours(self) -> float | None:
        """All parts together; None where they were not measured."""
        return sum(self.hours.values()) if self.hours else None


@dataclass(frozen=True)
class Plan:
    """What a run will take.

    Args:
        method: its name.
        frames: by video, in the order of the sessions.
        size: height and width of a frame, pixels.
        network: how large it is.
        work: in steps and frames.
        stored: bytes at the end.
        memory: while it runs.
        disk: while it runs and at the end.
        time: in hours.
        warnings: why it may not work, or a number may be wrong, one per line.
    """

    method: str
    frames: Mapping[str, int]
    size: tuple[int, int]
    network: NetworkSize
    work: Work
    stored: Stored
    memory: Memory
    disk: Disk
    time: Time
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data, sums among them; the parts are not nested."""
        parts = [asdict(part) for part in (self.network, self.work, self.stored, self.memory, self.disk, self.time)]
        return {
            **{"method": self.method, "frames": dict(self.frames), "size": self.size},
            **{key: value for part in parts for key, value in part.items()},
            "warnings": self.warnings,
            "parameters": self.network.parameters,
            "stored_bytes": self.stored.stored_bytes,
            "total_hours": self.time.total_hours,
        }

    def to_text(self) -> str:
        """One line per part, warnings last."""
        height, width = self.size
        lines = {
            "videos": f"{len(self.frames)}, {sum(self.frames.values()):,} frames of {height}x{width}",
            "parameters": _parameters_text(self.network),
            "work": _work_text(self.work),
            "a frame": f"{self.network.macs_a_frame / 1e9:,.3f} GMAC",
            "stored": _stored_text(self.stored),
            "memory": _memory_text(self.memory),
            "disk": _disk_text(self.disk),
            "time": _time_text(self.time),
        }
        width_of_names = max(map(len, lines))
        parts = [f"{name.ljust(width_of_names)}  {line}" for name, line in lines.items()]
        return "\n".join([f"plan: {self.method}", *parts, *(f"warning: {line}" for line in self.warnings)])


def _parameters_text(network: NetworkSize) -> str:
    shared = f"{network.shared_parameters:,}" + (f" in each of {network.networks}" if network.networks > 1 else "")
    frames = f", frames {network.frame_parameters:,}" if network.frame_parameters else ""
    return f"{network.parameters:,}: shared {shared}, heads {network.head_parameters:,}{frames}"


def _work_text(work: Work) -> str:
    sampled = f", {work.sampled:,} hashed" if work.sampled else ""
    return f"{work.steps:,} steps on {work.trained_on:,} frames, {work.measured:,} frames measured{sampled}"


def _stored_text(stored: Stored) -> str:
    kinds = ", ".join(f"{kind} {shown_bytes(size)}" for kind, size in stored.stored.items() if size)
    return f"{'at most ' if stored.at_most else ''}{shown_bytes(stored.stored_bytes)} of session files: {kinds}"


def _memory_text(memory: Memory) -> str:
    device = f"; {shown_bytes(memory.device_memory_bytes)} on the device" if memory.device_memory_bytes else ""
    return f"{shown_bytes(memory.memory_bytes)} of {shown_bytes(memory.available_bytes)} available{device}"


def _disk_text(disk: Disk) -> str:
    checkpoint = f", {shown_bytes(disk.checkpoint_bytes)} of it the checkpoint" if disk.checkpoint_bytes else ""
    cache = f"decoded frames {shown_bytes(disk.cache_bytes)}"
    return f"run folder {shown_bytes(disk.run_folder_bytes)}{checkpoint}; {cache}"


def _time_text(time: Time) -> str:
    if not time.hours:
        return "not measured"
    parts = ", ".join(f"{part} {_shown_hours(hours)}" for part, hours in time.hours.items())
    measured = "" if time.calibration_seconds is None else f" (calibrated in {time.calibration_seconds:.0f} s)"
    return f"{_shown_hours(time.total_hours)}: {parts}{measured}"


def shown_bytes(size: int | None) -> str:
    """With three or four digits, in powers of 1024."""
    if size is None:
        return "n/a"
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{size} B" if unit == "B" else f"{amount:.{0 if amount >= 100 else 1}f} {unit}"


def _shown_hours(hours: float | None) -> str:
    if hours is None:
        return "n/a"
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min" if hours >= 1 / 60 else f"{3600 * hours:.0f} s"
