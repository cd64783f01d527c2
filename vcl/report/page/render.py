"""The page as one file that needs nothing else: neither a network nor a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}
"""What could end a script or begin another, to what JSON may write instead; all that is not ASCII is escaped anyway."""

_SCRIPTS_LAST = ("main.js",)
"""Scripts that call the others, and come after them."""


def render(report: Mapping[str, Any]) -> str:
    """Write the page of a report.

    The template ``assets/page.html`` gets ``title`` and ``written`` (escaped), ``css``, ``scripts`` (the page's own,
    by name, ``main.js`` last), ``plotly`` and ``report`` (JSON in which nothing can end a script).

    Args:
        report: as ``vcl.report.page.view`` gives it; every number is finite or None.

    Returns:
        HTML.

    Raises:
        ValueError: a number is not finite.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    assets = {item.name: item for item in (resources.files("vcl.report.page") / "assets").iterdir()}
    scripts = [name for name in sorted(assets) if name.endswith(".js")]
    scripts.sort(key=lambda name: name in _SCRIPTS_LAST)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(assets["page.html"].read_text(encoding="utf-8")).render(
        title=report["title"],
        written=report["written"],
        css=Markup(assets["page.css"].read_text(encoding="utf-8")),
        scripts=[Markup(assets[name].read_text(encoding="utf-8")) for name in scripts],
        plotly=Markup(get_plotlyjs()),
        report=Markup(embedded(report)),
    )


def embedded(value: object) -> str:
    """Write JSON that can stand in a script of a page, whatever texts it holds.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":")).translate(ESCAPES)
