"""What runs are compared by: a name, a value of each run, and how to write it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from vcl.codec.footprint import KINDS
from vcl.metrics.registry import METRICS, PSNR
from vcl.report.summary import Summary

UNDEFINED = "n/a"
"""In place of a value that does not apply."""

_STORED_NAMES = {
    "weight": "weights",
    "mask": "masks",
    "side": "side data",
    "buffer": "buffers",
}


@dataclass(frozen=True)
class Quantity:
    """A line of the table.

    Args:
        key: its name for programs.
        name: heading, with the unit.
        value_of: the value of a run; None where it does not apply.
        format_spec: how to format the value.
        spread: whether to show the standard deviation over seeds.
        higher_is_better: whether a larger value is the better one; None where neither is.
    """

    key: str
    name: str
    value_of: Callable[[Summary], float | None]
    format_spec: str
    spread: bool = False
    higher_is_better: bool | None = None

    def over_seeds(self, runs: Sequence[Summary]) -> tuple[float, float | None] | None:
        """Mean and, where wanted and there are several runs, standard deviation; None unless all have a value."""
        values = [value for run in runs if (value := self.value_of(run)) is not None]
        if not values or len(values) < len(runs):
            return None
        return fmean(values), stdev(values) if self.spread and len(values) > 1 else None

    def text(self, runs: Sequence[Summary]) -> str:
        """``over_seeds`` as a reader sees it: ``31.33 ± 0.10``."""
        if (numbers := self.over_seeds(runs)) is None:
            return UNDEFINED
        mean, spread = numbers
        return format(mean, self.format_spec) + ("" if spread is None else f" ± {spread:{self.format_spec}}")


def quantities(groups: Sequence[Sequence[Summary]]) -> list[Quantity]:
    """All that groups of runs, each of which differ in their seed alone, can be compared by, but for single videos."""
    several = any(len(runs) > 1 for runs in groups)
    seeds = {id(run): len(runs) for runs in groups for run in runs}
    kinds = stored_kinds(run for runs in groups for run in runs)
    return [
        Quantity("capacity", "capacity", lambda s: s.capacity, "g"),
        *([Quantity("seeds", "seeds", lambda s: seeds[id(s)], ".0f")] if several else []),
        Quantity("sessions", "sessions", lambda s: len(s.videos), ".0f"),
        *(
            Quantity(m.name, m.heading, _average(m.name), f".{m.digits}f", True, m.higher_is_better)
            for m in METRICS.values()
        ),
        Quantity("backward_transfer", "backward transfer (dB)", lambda s: s.backward_transfer, ".2f", True, True),
        Quantity("forgetting", "forgetting (dB)", lambda s: s.forgetting, ".2f", True, False),
        Quantity("forward_transfer", "forward transfer (dB)", lambda s: s.forward_transfer, ".2f", True, True),
        Quantity("stored_bytes", "stored bytes", lambda s: s.stored_bytes, ",.0f", False, False),
        *(
            Quantity(f"{kind}_bytes", f"  {_STORED_NAMES.get(kind, kind)}", _stored(kind), ",.0f", False, False)
            for kind in kinds
        ),
        Quantity("bits_per_pixel", "bits per pixel", lambda s: s.bits_per_pixel, ".4f", False, False),
        Quantity("quantisation_change", "change by integers (dB)", lambda s: s.quantisation_change, ".3f", False, True),
        Quantity("updates_per_frame", "updates per frame", lambda s: s.updates_per_frame, ".1f"),
        Quantity("seconds", "training (s)", lambda s: s.seconds, ",.0f", False, False),
        Quantity("decode_fps", "decoding (frames/s)", lambda s: s.decode_fps, ",.0f", False, True),
    ]


def of_video(video: int, heading: str) -> Quantity:
    """PSNR of one video after the last session."""
    return Quantity(f"video_{video}", heading, _last(video), f".{PSNR.digits}f", False, PSNR.higher_is_better)


def stored_kinds(runs: Iterable[Summary]) -> list[str]:
    """The kinds of bytes that runs store, in the order of tables."""
    return list(dict.fromkeys([*KINDS, "buffer", *(kind for run in runs for kind in run.stored)]))


def _stored(kind: str) -> Callable[[Summary], float]:
    return lambda summary: summary.stored.get(kind, 0)


def _average(metric: str) -> Callable[[Summary], float | None]:
    return lambda summary: summary.averages[metric]


def _last(video: int) -> Callable[[Summary], float | None]:
    return lambda summary: summary.last[video] if video < len(summary.last) else None
