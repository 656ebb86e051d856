"""The findings of a validation for people: tables for a terminal, and Markdown."""

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from lab.report.markdown import escape
from lab.show import wrap
from lab.validation.document import Findings
from lab.validation.grids import Grid, grids, head

WIDE = 130  # terminal columns; in fewer, what stands in brackets goes below
POINT = "point"
LABELS = {False: 30, True: 19}  # columns for the name of a point, by whether there are fewer


def terminal(findings: Findings, width: int = 140) -> Group:
    """Return all tables, for a console of `width` columns, which should be 100 at least."""
    lines = [Text(line) for line in head(findings.manifest)]
    parts = (part for grid in grids(findings) for part in _table(grid, width < WIDE))
    return Group(*lines, *parts)


def _table(grid: Grid, narrow: bool) -> Iterator[Table | Text]:
    table = Table(title=f"\n{grid.title}", title_justify="left", box=SIMPLE_HEAD, show_edge=False)
    table.padding = (0, 1, 0, 0)
    for heading in grid.headings:
        if heading in grid.words:
            table.add_column(heading, overflow="fold")
        else:
            table.add_column(heading, justify="right", no_wrap=True)
    for cells in grid.cells:
        pairs = zip(grid.headings, cells, strict=True)
        table.add_row(*(_cell(grid, heading, cell, narrow) for heading, cell in pairs))
    yield table
    yield Text(grid.caption, style="dim")


def _cell(grid: Grid, heading: str, text: str, narrow: bool) -> Text:
    if heading == POINT:
        text = wrap(text, LABELS[narrow])
    elif heading not in grid.words:
        text = text.replace("; ", "\n")
        text = text.replace(" (", "\n(").replace(" / ", " /\n") if narrow else text
    return Text(text, style="bold red" if text == "NO" else "")


def markdown(findings: Findings) -> str:
    """Return the findings as a page of Markdown."""
    blocks = ["# Validation", *(escape(line) for line in head(findings.manifest))]
    for grid in grids(findings):
        blocks += [f"## {escape(grid.title)}", escape(grid.caption), _markdown(grid)]
    return "\n\n".join(blocks) + "\n"


def _markdown(grid: Grid) -> str:
    rules = "| " + " | ".join(":--" if h in grid.words else "--:" for h in grid.headings) + " |"
    lines = [
        "| " + " | ".join(escape(cell) for cell in cells) + " |"
        for cells in (grid.headings, *grid.cells)
    ]
    return "\n".join([lines[0], rules, *lines[1:]])
