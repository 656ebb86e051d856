"""Writes the gallery: a PNG of each figure, and a page that says what each shows."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure
from PIL import Image

from lab.files import whole_file
from lab.gallery.exhibits import EXHIBITS, Exhibit
from lab.report.markdown import escape
from lab.show import ENGINES

WIDTH, PALETTE = 1200, 128  # pixels, colours
INDEX, NOTES = "README.md", "gallery.json"
TITLE = "Gallery"
INTRODUCTION = (
    "Every figure of the lab, drawn by `pushpull gallery` from runs made for it. Simulated is a solid"
    " line or a plain area, measured is dashed, hollow or hatched, theory is dotted. Intervals are 95 %"
    " Student intervals over replications. The experiments are in `lab/gallery/scenarios.py`."
)


def png(figure: Figure) -> bytes:
    """Return a figure as PNG, `WIDTH` pixels wide, with a palette: a third as many bytes."""
    plain, small = io.BytesIO(), io.BytesIO()
    figure.savefig(plain, format="png", dpi=WIDTH / figure.get_size_inches()[0])
    with Image.open(plain) as image:
        image.convert("RGB").quantize(PALETTE).save(small, format="png", optimize=True)
    return small.getvalue()


class How(NamedTuple):
    """How figures were made; `disturbed` are measured runs, those disturbed from outside and all."""

    engines: Sequence[str]
    quick: bool = False
    disturbed: Sequence[int] = (0, 0)
    notes: Sequence[str] = ()


def save(folder: Path, drawn: Mapping[str, bytes], how: How) -> None:
    """Write the pictures by name, and the page of all that are in the folder by now."""
    made = read(folder)
    for name, picture in drawn.items():
        with whole_file(folder / f"{name}.png") as file:
            file.write(picture)
        made[name] = how
    with whole_file(folder / NOTES) as file:
        plain = {name: each._asdict() for name, each in made.items()}
        file.write((json.dumps(plain, indent=1, sort_keys=True) + "\n").encode())
    with whole_file(folder / INDEX) as file:
        file.write(index(made).encode())


def read(folder: Path) -> dict[str, How]:
    """Return how the pictures that are there were made; what is not known is not shown."""
    try:
        made = json.loads((folder / NOTES).read_text(encoding="utf-8"))
        there = [e.name for e in EXHIBITS if (folder / f"{e.name}.png").is_file()]
        return {name: How(**made[name]) for name in there if name in made}
    except (OSError, ValueError, TypeError):  # not a file that we wrote
        return {}


def index(made: Mapping[str, How]) -> str:
    """Return the page, in Markdown, of the figures in `made`."""
    shown = [exhibit for exhibit in EXHIBITS if exhibit.name in made]
    links = [f"- [{escape(e.title)}](#{_anchor(e.title)}): {escape(e.question)}" for e in shown]
    blocks = [f"# {TITLE}", INTRODUCTION, "\n".join(links)]
    for exhibit in shown:
        blocks += _section(exhibit, made[exhibit.name])
    notes = dict.fromkeys(note for e in shown for note in made[e.name].notes)
    if notes:
        blocks += ["## How it was made", "\n".join(f"- {escape(note)}" for note in notes)]
    return "\n\n".join(blocks) + "\n"


def _section(exhibit: Exhibit, how: How) -> list[str]:
    by = " and ".join(ENGINES[engine] for engine in how.engines)
    quick = ", in the quick form (shorter, fewer)" if how.quick else ""
    disturbed, measured = how.disturbed
    told = f"Of all {measured} runs measured in that session, {disturbed} were disturbed."
    return [
        f"## {escape(exhibit.title)}",
        f"**{escape(exhibit.question)}**",
        f"![{escape(exhibit.title)}]({exhibit.name}.png)",
        f"What to see: {escape(exhibit.see)}",
        f"The experiment ({by}{quick}): {escape(exhibit.experiment)}"
        + (f" {told}" if disturbed else ""),
    ]


def _anchor(title: str) -> str:
    """Return the anchor that a heading has on common Markdown sites."""
    kept = "".join(c for c in title.lower() if c.isalnum() or c in " -")
    return kept.replace(" ", "-")
