"""The metrics of decoded frames, one row each.

Whatever measures, stores, lists, names or rounds a metric reads this table. A new metric is one row here and one
function, found by its location only when frames are measured: the table itself loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

_CELL_DIGITS = 3
"""Digits behind the point in a cell of a matrix, at most."""


@dataclass(frozen=True)
class Metric:
    """One measure of decoded frames against the true ones.

    Args:
        name: its key in ``matrix.json`` and in CSV files.
        label: its name in tables and figures.
        digits: behind the point, of an average.
        function: its location, ``module:name``. It takes decoded and true frames, each ``(B, 3, H, W)`` float in
            [0, 1], and returns ``(B,)``, one value per frame, or None where the metric is undefined at that size.
        item: position of this metric where the function returns several at once, which share their work.
        unit: of a value; empty for a pure number.
        higher_is_better: whether a larger value means a better video.
    """

    name: str
    label: str
    digits: int
    function: str
    item: int | None = None
    unit: str = ""
    higher_is_better: bool = True

    @property
    def heading(self) -> str:
        """Label and unit, for a column or an axis: ``PSNR (dB)``."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def cell_digits(self) -> int:
        """Digits behind the point in a cell of a matrix, where room is scarce."""
        return min(self.digits, _CELL_DIGITS)

    def text(self, value: float) -> str:
        """A value as a reader sees it: ``31.33 dB``."""
        return f"{value:.{self.digits}f} {self.unit}".rstrip()

    def load_function(self) -> Callable[..., Any]:
        """The function that ``function`` names; imports its module, and with it torch."""
        module, name = self.function.split(":")
        function: Callable[..., Any] = getattr(import_module(module), name)
        return function


PSNR = Metric("psnr", "PSNR", 2, "vcl.metrics.quality:psnr", unit="dB")
"""The metric of transfer, of forgetting and of everything that shows one number per video."""

METRICS = {
    metric.name: metric
    for metric in (
        PSNR,
        Metric("ssim", "SSIM", 4, "vcl.metrics.quality:similarity", item=0),
        Metric("ms_ssim", "MS-SSIM", 4, "vcl.metrics.quality:similarity", item=1),
    )
}
"""Every metric by its name, in the order of tables."""
