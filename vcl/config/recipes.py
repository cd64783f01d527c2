"""Recipes: values of settings that nobody set.

``paper`` trains as the code of the PFNR paper does. ``fast``, the default, reaches its quality in a quarter of its
time; ``experiments/README.md`` has the measurements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vcl.config.rules import shown

FAST: Final = "fast"
PAPER: Final = "paper"


@dataclass(frozen=True)
class Choice:
    """What the recipes choose for a setting.

    Args:
        key: of the setting, with its section.
        paper: its value in ``paper``.
        fast: its value in ``fast``.
        reason: why it is not the paper's.
    """

    key: str
    paper: Any
    fast: Any
    reason: str

    def value(self, recipe: str) -> Any:
        """Its value in a recipe."""
        return self.paper if recipe == PAPER else self.fast

    def as_typed(self, recipe: str) -> str:
        """The setting as it stands on a command line, but for the quotes."""
        return f"{self.key}={shown(self.value(recipe))}"

    def in_words(self) -> str:
        """Both values, and the reason."""
        return f"paper: {shown(self.paper)}; fast: {shown(self.fast)} ({self.reason})."


CHOICES = (
    Choice("backbone.initial", "paper", "scaled", "signals that keep their size through a mask"),
    Choice("train.epochs", 150, 36, "as good in a quarter of the work"),
    Choice("train.lr", 5e-4, 4e-3, "fewer steps, so longer ones"),
    Choice("train.betas", (0.5, 0.999), (0.9, 0.999), "steadier long steps"),
    Choice("train.score_rate", 1.0, 0.3, "masks that change more slowly than weights"),
    Choice("train.precision", "float32", "auto", "bfloat16 on CUDA"),
)
"""Every setting in which the recipes differ. In all others both keep the default, which is the paper's."""


def chosen(recipe: str, section: str) -> Mapping[str, Any]:
    """What a recipe chooses in a section.

    Args:
        recipe: ``paper`` or ``fast``.
        section: such as ``train``.

    Returns:
        Values by the name of the setting, without its section.
    """
    choices = ((*choice.key.split("."), choice.value(recipe)) for choice in CHOICES)
    return {name: value for owner, name, value in choices if owner == section}
