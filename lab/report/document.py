"""The report of a comparison: a folder with a page to read, its figures and its numbers."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.files import whole_file
from lab.metrics import Result, Run, plain
from lab.report.html import html
from lab.report.markdown import markdown
from lab.report.page import Grid, Page
from lab.report.table import notes as warnings


def write(
    folder: Path,
    title: str,
    question: str,
    results: Sequence[Result],
    runs: Sequence[Run],
    notes: Sequence[str],
    payload: dict[str, Any],
    grids: Sequence[Grid] = (),
) -> None:
    """Write `report.md`, `report.html`, `results.json` and `figures/*.png` into `folder`.

    Each file is written whole or not at all, and takes the place of an older one. `payload`
    becomes `results.json`, with null for NaN. Raises `OSError`.
    """
    from lab.report.figures import pictures  # matplotlib takes long to load: only if needed

    said = [*warnings(results), *notes]
    page = Page(title, question, results, said, pictures(results, runs), grids)
    for picture in page.pictures:
        _write(folder / "figures" / f"{picture.name}.png", picture.png)
    _write(folder / "report.md", markdown(page).encode())
    _write(folder / "report.html", html(page).encode())
    text = json.dumps(plain(payload), indent=2, ensure_ascii=False, allow_nan=False)
    _write(folder / "results.json", f"{text}\n".encode())


def _write(path: Path, data: bytes) -> None:
    with whole_file(path) as file:
        file.write(data)
