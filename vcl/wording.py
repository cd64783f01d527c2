"""How messages put things: names that can be shown, and what a mistyped word may have meant."""

import difflib
from collections.abc import Iterable
from unicodedata import category

_NOT_SHOWN = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's categories of control characters, lone surrogates, and separators of lines and paragraphs."""


def printable(text: str) -> str:
    """A name as every terminal, figure and file can show it, with escapes for what none can.

    Names are as the file system gives them: they may hold control characters, and bytes that are not UTF-8, which
    Python keeps as lone surrogates and no encoder takes.
    """
    return "".join(c.encode("unicode_escape").decode() if category(c) in _NOT_SHOWN else c for c in text)


def did_you_mean(word: str, known: Iterable[str], most: int = 1, otherwise: str = "", prefix: str = "") -> str:
    """What stands behind a refusal, such as ``; did you mean uvg7?``.

    Args:
        word: as it was typed.
        known: what would have been right.
        most: how many to offer.
        otherwise: what to say where nothing is near; nothing by default.
        prefix: what stands before each of these in the message.
    """
    near = sorted(difflib.get_close_matches(word, list(known), n=most))
    if near:
        return f"; did you mean {' or '.join(prefix + name for name in near)}?"
    return f"; {otherwise}" if otherwise else ""
