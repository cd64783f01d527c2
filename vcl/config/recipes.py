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
        fast_with_operator: its value in ``fast`` for a network with a Fourier operator; None if it is no other.
    """

    key: str
    paper: Any
    fast: Any
    reason: str
    fast_with_operator: Any = None

    def value(self, recipe: str, has_operator: bool = False) -> Any:
        """Its value in a recipe."""
        if recipe == PAPER:
            return self.paper
        return self.fast_with_operator if has_operator and self.fast_with_operator is not None else self.fast

    def as_typed(self, recipe: str, has_operator: bool = False) -> str:
        """The setting as it stands on a command line, but for the quotes."""
        return f"{self.key}={shown(self.value(recipe, has_operator))}"

    def in_words(self) -> str:
        """All its values, and the reason."""
        operator = self.fast_with_operator
        with_operator = "" if operator is None else f", with a Fourier operator {shown(operator)}"
        return f"paper: {shown(self.paper)}; fast: {shown(self.fast)}{with_operator} ({self.reason})."


CHOICES = (
    Choice("backbone.initial", "paper", "scaled", "signals that keep their size through a mask"),
    Choice("train.epochs", 150, 36, "as good in a quarter of the work", fast_with_operator=30),
    Choice("train.lr", 5e-4, 4e-3, "fewer steps, so longer ones", fast_with_operator=2e-3),
    Choice("train.betas", (0.5, 0.999), (0.9, 0.999), "steadier long steps", fast_with_operator=(0.5, 0.999)),
    Choice("train.score_rate", 1.0, 0.3, "masks that change more slowly than weights"),
    Choice("train.precision", "float32", "auto", "bfloat16 on CUDA"),
)
"""Every setting in which the recipes differ. In all others both keep the default, which is the paper's."""


def chosen(recipe: str, section: str, has_operator: bool = False) -> Mapping[str, Any]:
    """What a recipe chooses in a section.

    Args:
        recipe: ``paper`` or ``fast``.
        section: such as ``train``.
        has_operator: whether the network has a Fourier operator.

    Returns:
        Values by the name of the setting, without its section.
    """
    choices = ((*choice.key.split("."), choice.value(recipe, has_operator)) for choice in CHOICES)
    return {name: value for owner, name, value in choices if owner == section}
