"""A report as Markdown; all text is escaped, so that it can neither mark up nor break the table."""

import re
from collections.abc import Sequence

from lab.metrics import Result
from lab.report.page import LEGEND, Grid, Page
from lab.report.table import COLUMNS, LAST
from lab.show import ENGINES


def markdown(page: Page) -> str:
    """Return the report as text; its figures are in the folder `figures` beside it."""
    blocks = [f"# {escape(page.title)}", *(escape(text) for text in page.paragraphs)]
    if page.results:
        blocks += [_table(page.results), escape(LEGEND)]
    for grid in page.grids:
        blocks += [f"## {escape(grid.title)}", _grid(grid)]
    if page.notes:
        blocks.append("\n".join(f"- {escape(note)}" for note in page.notes))
    for picture in page.pictures:
        image = f"![{escape(picture.topic)}](figures/{picture.name}.png)"
        blocks += [image, escape(picture.caption)]
    blocks.append("The numbers are in [results.json](results.json).")
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    """Return `text` on one line, with what Markdown or HTML would read as markup escaped."""
    text = " ".join(text.split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~#!])", r"\\\1", text)


def _table(results: Sequence[Result]) -> str:
    columns = (*COLUMNS, LAST)
    heads = ["strategy", "by", *(f"{c.heading} ({c.unit})" for c in columns)]
    rules = [":--", ":--", *("--:" for _ in COLUMNS), ":--"]
    rows = [
        [result.strategy, ENGINES[result.engine], *(column.cell(result) for column in columns)]
        for result in results
    ]
    return _lines(heads, rules, rows)


def _grid(grid: Grid) -> str:
    rules = ["--:" if i in grid.numbers else ":--" for i in range(len(grid.heads))]
    return _lines(grid.heads, rules, grid.rows)


def _lines(heads: Sequence[str], rules: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, *rows]
    texts = ["| " + " | ".join(escape(cell) for cell in line) + " |" for line in lines]
    return "\n".join([texts[0], "| " + " | ".join(rules) + " |", *texts[1:]])
