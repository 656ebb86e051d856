"""A report as one HTML file: no script, nothing fetched, all text escaped, figures inlined."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from lab.metrics import Result
from lab.report.page import LEGEND, Grid, Page, Picture
from lab.report.table import COLUMNS, LAST, is_whole
from lab.show import ENGINES

STYLE = """
:root { color-scheme: light; }
body { font: 17px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; margin: 0; }
main { max-width: 1180px; margin: 0 auto; padding: 24px; }
h1 { font-size: 30px; line-height: 1.2; margin: 8px 0; }
h2 { font-size: 20px; margin: 28px 0 0; }
.question { font-size: 20px; color: #333; max-width: 48em; margin: 8px 0; }
.wide { overflow-x: auto; margin: 24px 0 8px; }
table { border-collapse: collapse; font-size: 15px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 12px; text-align: left; vertical-align: top; }
thead th { border-bottom: 2px solid #1b1b1b; white-space: nowrap; }
thead span { display: block; font-weight: normal; color: #555; }
tbody { border-bottom: 1px solid #d9d9d9; }
tbody th { font-weight: 600; max-width: 15em; overflow-wrap: anywhere; }
.number { text-align: right; white-space: nowrap; }
.bad { color: #a30000; font-weight: 600; }
.legend { font-size: 14px; color: #555; max-width: 60em; }
.notes { background: #fff6e0; border-left: 4px solid #e69f00; padding: 10px 12px 10px 32px; }
figure { margin: 36px 0; }
img { width: 100%; height: auto; }
figcaption { font-size: 15px; color: #333; max-width: 60em; }
"""
_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; img-src data:; style-src 'sha256-{_DIGEST}';"
    " base-uri 'none'; form-action 'none'"
)


def html(page: Page) -> str:
    """Return the report as a whole document, which needs no other file."""
    return "\n".join(_document(page)) + "\n"


def _document(page: Page) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(page.title)}</title>\n<style>{STYLE}</style>\n</head>"
    yield f"<body>\n<main>\n<h1>{escape(page.title)}</h1>"
    for text in page.paragraphs:
        yield f'<p class="question">{escape(text)}</p>'
    if page.results:
        yield from _table(page.results)
        yield f'<p class="legend">{escape(LEGEND)}</p>'
    for grid in page.grids:
        yield from _grid(grid)
    if page.notes:
        yield '<ul class="notes">'
        yield from (f"<li>{escape(note)}</li>" for note in page.notes)
        yield "</ul>"
    yield from (_figure(picture) for picture in page.pictures)
    yield "</main>\n</body>\n</html>"


def _table(results: Sequence[Result]) -> Iterator[str]:
    yield '<div class="wide"><table>\n<thead><tr><th scope="col">strategy</th>'
    yield '<th scope="col">by</th>'
    for column in COLUMNS:
        yield f'<th scope="col" class="number">{column.heading}<span>{column.unit}</span></th>'
    yield f'<th scope="col">{LAST.heading}<span>{LAST.unit}</span></th></tr></thead>'
    for strategy, group in groupby(results, key=lambda result: result.strategy):
        rows = list(group)
        yield f'<tbody><tr><th scope="rowgroup" rowspan="{len(rows)}">{escape(strategy)}</th>'
        yield "</tr>\n<tr>".join(_cells(result) for result in rows)
        yield "</tr></tbody>"
    yield "</table></div>"


def _cells(result: Result) -> str:
    numbers = (f'<td class="number">{escape(column.cell(result))}</td>' for column in COLUMNS)
    kind = "" if is_whole(result) else ' class="bad"'
    last = f"<td{kind}>{escape(LAST.cell(result))}</td>"
    return f"<td>{escape(ENGINES[result.engine])}</td>{''.join(numbers)}{last}"


def _grid(grid: Grid) -> Iterator[str]:
    kinds = [' class="number"' if i in grid.numbers else "" for i in range(len(grid.heads))]
    yield f'<h2>{escape(grid.title)}</h2>\n<div class="wide"><table>\n<thead><tr>'
    for head, kind in zip(grid.heads, kinds, strict=True):
        yield f'<th scope="col"{kind}>{escape(head)}</th>'
    yield "</tr></thead>\n<tbody>"
    for row in grid.rows:
        cells = zip(row[1:], kinds[1:], strict=True)
        rest = "".join(f"<td{kind}>{escape(cell)}</td>" for cell, kind in cells)
        yield f'<tr><th scope="row">{escape(row[0])}</th>{rest}</tr>'
    yield "</tbody></table></div>"


def _figure(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode()
    image = f'<img alt="{escape(picture.topic)}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{escape(picture.caption)}</figcaption></figure>"
