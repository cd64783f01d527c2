"""Fonts for characters that the house font lacks, such as those of Chinese, Japanese and Korean names."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache

from matplotlib.figure import Figure
from matplotlib.font_manager import FontEntry, FontProperties, findfont, fontManager, weight_dict
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

log = logging.getLogger(__name__)

_reported: set[str] = set()
"""Characters that a warning was about; one is enough."""


def add_fallback_fonts(figure: Figure, family: str) -> None:
    """Let the texts of a figure fall back on installed fonts for what their own cannot show.

    Characters that no font has are drawn as boxes, and logged once.

    Args:
        figure: with all its texts.
        family: the font that it is drawn in.
    """
    texts = figure.findobj(Text)
    characters = {c for text in texts for c in text.get_text() if not c.isascii()}
    if not characters:
        return
    families, missing = _fallbacks(family, frozenset(characters))
    for text in texts:
        text.set_fontfamily([family, *families])
    unreported = missing - _reported
    if unreported:
        _reported.update(unreported)
        log.warning("no installed font has %s: figures show boxes in their place", " ".join(sorted(unreported)))


@lru_cache
def _fallbacks(family: str, characters: frozenset[str]) -> tuple[Sequence[str], frozenset[str]]:
    """As few other families as have the characters that ``family`` lacks, and the characters that none has."""
    missing = characters - _those_in(findfont(FontProperties(family=[family])), characters)
    # matplotlib's own font of last resort has a box for every character.
    not_it = family, "Last Resort High-Efficiency"
    others = [entry for entry in fontManager.ttflist if entry.name not in not_it]
    having = {entry: _those_in(entry.fname, missing) for entry in sorted(others, key=_plainest)} if missing else {}
    chosen = list[str]()
    while missing and having:
        best = max(having, key=lambda entry: len(having[entry] & missing))
        if not having[best] & missing:
            break
        chosen.append(best.name)
        missing -= having[best]
    return chosen, missing


def _those_in(path: str, characters: frozenset[str]) -> frozenset[str]:
    """The characters that a font file can show; none if it cannot be read."""
    try:
        font = FT2Font(path)
    except (OSError, RuntimeError):
        return frozenset()
    return frozenset(c for c in characters if font.get_char_index(ord(c)))


def _plainest(entry: FontEntry) -> tuple[bool, int, bool, str]:
    weight = entry.weight if isinstance(entry.weight, int) else weight_dict.get(entry.weight, 400)
    return entry.style != "normal", abs(weight - 400), "sans" not in entry.name.lower(), entry.name
