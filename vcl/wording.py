"""Parts of messages: names made printable, and suggestions for a mistyped word."""

import difflib
from collections.abc import Iterable
from unicodedata import category

_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's categories of control characters, lone surrogates, and separators of lines and paragraphs."""


def printable(text: str) -> str:
    """A name that every terminal, figure and file can show, with escapes for characters that none can.

    Names come from the file system: they may contain control characters, and bytes that are not UTF-8, which Python
    represents as lone surrogates and no encoder accepts.
    """
    return "".join(c.encode("unicode_escape").decode() if category(c) in _UNPRINTABLE else c for c in text)


def did_you_mean(word: str, known: Iterable[str], most: int = 1, otherwise: str = "", prefix: str = "") -> str:
    """The end of a refusal, such as ``; did you mean uvg7?``.

    Args:
        word: the word as it was typed.
        known: the valid words.
        most: most suggestions to make.
        otherwise: what to say where no valid word is similar; nothing by default.
        prefix: what to put before each suggestion.
    """
    suggestions = sorted(difflib.get_close_matches(word, list(known), n=most))
    if suggestions:
        return f"; did you mean {' or '.join(prefix + name for name in suggestions)}?"
    return f"; {otherwise}" if otherwise else ""
