"""Knobs with their types, defaults and meanings, read from the dataclasses."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Collection
from dataclasses import MISSING, dataclass, fields
from itertools import pairwise
from typing import Any, get_type_hints

from vcl.config.rules import shown, type_in_words


@dataclass(frozen=True)
class Knob:
    """A knob as it is listed.

    Args:
        name: its field.
        kind: its type in plain English, such as ``a number``.
        default: as it would be typed; empty where there is none.
        meaning: the docstring of the field; empty where the source cannot be read.
    """

    name: str
    kind: str
    default: str
    meaning: str


def knobs_of(kind: type[Any], names: Collection[str] | None = None) -> list[Knob]:
    """The knobs of a dataclass such as ``TrainConfig`` or ``PfnrConfig``, inherited ones first.

    Args:
        kind: the dataclass.
        names: of the knobs; default all.
    """
    hints = get_type_hints(kind)
    meanings = {name: text for owner in reversed(kind.__mro__) for name, text in _meanings(owner).items()}
    return [
        Knob(
            name=knob.name,
            kind=type_in_words(hints[knob.name]),
            default="" if knob.default is MISSING else shown(knob.default),
            meaning=meanings.get(knob.name, "") + _choices(kind, knob.name),
        )
        for knob in fields(kind)
        if names is None or knob.name in names
    ]


def _choices(kind: type[Any], knob: str) -> str:
    """The published sizes of a backbone, for the knob that chooses one."""
    presets = getattr(kind, "presets", {}) if knob == "preset" else {}
    return f" There are {', '.join(presets)}." if presets else ""


def summary_of(kind: type[Any]) -> str:
    """The first line of a dataclass's docstring."""
    return _plain((inspect.getdoc(kind) or "").split("\n")[0])


def _plain(text: str) -> str:
    """The text of a docstring without its double backticks."""
    return text.replace("``", "")


def _meanings(owner: type[Any]) -> dict[str, str]:
    """Docstrings of the fields that a class itself declares, by field."""
    if "__annotations__" not in vars(owner) and "__annotate_func__" not in vars(owner):
        return {}
    try:
        source = textwrap.dedent(inspect.getsource(owner))
    except (OSError, TypeError):
        return {}
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef)
    return {
        field.target.id: _plain(" ".join(text.value.value.split()))
        for field, text in pairwise(tree.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }
