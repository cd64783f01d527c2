"""A plan, as text for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Plan:
    """What a run will take. What could not be measured is None.

    Args:
        method: its name.
        frames: by video, in the order of the sessions.
        size: height and width of a frame, pixels.
        shared_parameters: weights of one network without heads: what masks choose from.
        networks: how many of them are stored; 1, or one a video.
        head_parameters: of all heads together.
        macs_a_frame: multiplications with an addition that decode one frame.
        steps: of training, all sessions together.
        trained_on: frames, each counted every time.
        measured: frames decoded and measured, likewise.
        sampled: frames decoded for their hash alone, likewise.
        stored: bytes at the end that decoding all videos needs, by kind.
        at_most: whether these are an upper bound, because masks will overlap more than by chance.
        memory_bytes: the most that the process will hold.
        available_bytes: that the machine has for it.
        device_memory_bytes: on the accelerator; None without one.
        run_folder_bytes: sessions and checkpoint at the end, without figures and logs.
        checkpoint_bytes: of it, to go on from; while one is written there are two.
        cache_bytes: decoded frames, once.
        hours: by part: training, evaluation, and what is around them; without decoding the videos into the cache.
        calibration_seconds: that it took to find out.
        warnings: why it may not work, a line each.
    """

    method: str
    frames: Mapping[str, int]
    size: tuple[int, int]
    shared_parameters: int
    networks: int
    head_parameters: int
    macs_a_frame: int
    steps: int
    trained_on: int
    measured: int
    sampled: int
    stored: Mapping[str, int]
    at_most: bool
    memory_bytes: int | None
    available_bytes: int | None
    device_memory_bytes: int | None
    run_folder_bytes: int
    checkpoint_bytes: int | None
    cache_bytes: int
    hours: Mapping[str, float] = field(default_factory=dict)
    calibration_seconds: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """All numbers that are trained to decode."""
        return self.shared_parameters * self.networks + self.head_parameters

    @property
    def stored_bytes(self) -> int:
        """All kinds together."""
        return sum(self.stored.values())

    @property
    def total_hours(self) -> float | None:
        """All parts together; None where they were not measured."""
        return sum(self.hours.values()) if self.hours else None

    def to_json(self) -> dict[str, Any]:
        """Plain data, sums among them."""
        sums = {"parameters": self.parameters, "stored_bytes": self.stored_bytes, "total_hours": self.total_hours}
        return {**asdict(self), **sums}

    def to_text(self) -> str:
        """A line a thing, warnings last."""
        height, width = self.size
        shared = f"{self.shared_parameters:,}" + (f" in each of {self.networks}" if self.networks > 1 else "")
        sampled = f", {self.sampled:,} hashed" if self.sampled else ""
        device = f"; {shown_bytes(self.device_memory_bytes)} on the device" if self.device_memory_bytes else ""
        checkpoint = f", {shown_bytes(self.checkpoint_bytes)} of it the checkpoint" if self.checkpoint_bytes else ""
        kinds = ", ".join(f"{kind} {shown_bytes(size)}" for kind, size in self.stored.items() if size)
        parts = ", ".join(f"{part} {_shown_hours(hours)}" for part, hours in self.hours.items())
        took = "" if self.calibration_seconds is None else f" (calibrated in {self.calibration_seconds:.0f} s)"
        lines = {
            "videos": f"{len(self.frames)}, {sum(self.frames.values()):,} frames of {height}x{width}",
            "parameters": f"{self.parameters:,}: shared {shared}, heads {self.head_parameters:,}",
            "work": f"{self.steps:,} steps on {self.trained_on:,} frames, {self.measured:,} frames measured{sampled}",
            "a frame": f"{self.macs_a_frame / 1e9:,.3f} GMAC",
            "stored": f"{'at most ' if self.at_most else ''}{shown_bytes(self.stored_bytes)}: {kinds}",
            "memory": f"{shown_bytes(self.memory_bytes)} of {shown_bytes(self.available_bytes)} available{device}",
            "disk": f"run folder {shown_bytes(self.run_folder_bytes)}{checkpoint}; decoded frames "
            f"{shown_bytes(self.cache_bytes)}",
            "time": f"{_shown_hours(self.total_hours)}: {parts}{took}" if self.hours else "not measured",
        }
        width_of_names = max(map(len, lines))
        told = [f"{name.ljust(width_of_names)}  {line}" for name, line in lines.items()]
        return "\n".join([f"plan: {self.method}", *told, *(f"warning: {line}" for line in self.warnings)])


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
