"""Rows of cells as a table, for a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich import box
from rich.table import Table

from vcl.report.terminal import plain


def text_table(rows: Sequence[Sequence[str]], left: int = 1, breaks: Collection[int] = ()) -> str:
    """Lay out for a terminal.

    Args:
        rows: the first holds the headings.
        left: number of columns, from the first, that hold text; the others hold numbers and are right-aligned.
        breaks: indices of rows with a rule above them; the headings are row 0.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for number, name in enumerate(rows[0]):
        table.add_column(name, justify="left" if number < left else "right", no_wrap=True)
    for number, row in enumerate(rows[1:], 1):
        if number in breaks:
            table.add_section()
        table.add_row(*row)
    return plain(table)


def markdown_table(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Lay out as ``text_table`` does, as a Markdown table without rules between its rows."""
    head, *below = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    rule = ["---" if number < left else "---:" for number in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *below))
