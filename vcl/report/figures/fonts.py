"""Fallback fonts for characters that the default font lacks, as in Chinese, Japanese and Korean names."""

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
"""Characters that were already logged as missing."""


def add_fallback_fonts(figure: Figure, family: str) -> None:
    """Let the texts of a figure fall back on installed fonts for characters that their own font lacks.

    Characters that no font has are drawn as boxes, and logged once.

    Args:
        figure: complete, with all its texts.
        family: the font of the figure.
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
    """The fewest other families with the characters that ``family`` lacks, and the characters that none has."""
    missing = characters - _available(findfont(FontProperties(family=[family])), characters)
    # matplotlib's own font of last resort has a box for every character.
    excluded = family, "Last Resort High-Efficiency"
    others = [entry for entry in fontManager.ttflist if entry.name not in excluded]
    coverage = {entry: _available(entry.fname, missing) for entry in sorted(others, key=_plainness)} if missing else {}
    families = list[str]()
    while missing and coverage:
        best = max(coverage, key=lambda entry: len(coverage[entry] & missing))
        if not coverage[best] & missing:
            break
        families.append(best.name)
        missing -= coverage[best]
    return families, missing


def _available(path: str, characters: frozenset[str]) -> frozenset[str]:
    """Those of the characters that a font file has; none if it cannot be read."""
    try:
        font = FT2Font(path)
    except (OSError, RuntimeError):
        return frozenset()
    return frozenset(c for c in characters if font.get_char_index(ord(c)))


def _plainness(entry: FontEntry) -> tuple[bool, int, bool, str]:
    """Order of fonts: upright before slanted, regular before bold, sans serif before serif."""
    weight = entry.weight if isinstance(entry.weight, int) else weight_dict.get(entry.weight, 400)
    return entry.style != "normal", abs(weight - 400), "sans" not in entry.name.lower(), entry.name
