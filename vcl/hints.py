"""What a mistyped word may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str], most: int = 1, prefix: str = "") -> str:
    """A hint to stand behind what was found, ``; did you mean uvg7?``; empty where nothing is near.

    Args:
        word: as it was typed.
        known: words that would have been right.
        most: how many to offer.
        prefix: what stands before each of these in the hint.
    """
    near = sorted(difflib.get_close_matches(word, list(known), n=most))
    return f"; did you mean {' or '.join(prefix + name for name in near)}?" if near else ""
