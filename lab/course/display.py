"""How a notebook shows a figure, a table, and a prediction beside what was found."""

import io
import math
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.figure import Figure

from lab.metrics import Result
from lab.report import table
from lab.show import number

DOTS_PER_INCH = 100
WIDTH = 900  # pixels on the page, whatever the figure's own size
TABLE_WIDTH = 110  # characters: with the bounds below the means it fits beside a notebook's margins


class Picture:
    """A figure as a notebook displays it, if it is the last thing in a cell."""

    def __init__(self, png: bytes) -> None:
        self.png = png

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        return self.png, {"width": WIDTH}

    def __repr__(self) -> str:
        return f"<picture of {len(self.png):,} bytes>"


def show(figure: Figure) -> Picture:
    """Return `figure` as a picture that a notebook displays."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    return Picture(buffer.getvalue())


def show_table(results: Sequence[Result]) -> Any:
    """Return the table of a comparison, as a notebook displays it."""
    return table(results, width=TABLE_WIDTH)


def gap(
    prediction: Any, unit: str = "", say: Callable[[str], object] = print, **found: float
) -> None:
    """Print a student's prediction beside what was found, by name: `gap(p, "ms", simulated=1.3)`."""
    if prediction is ...:
        say("No prediction yet. Write yours down first: it teaches most when it is wrong.")
    for name, value in found.items():
        say(f"{name}: {number(value)} {unit}{_compared(prediction, value)}".rstrip())


def _compared(prediction: Any, value: float) -> str:
    if prediction is ...:
        return ""
    try:
        mine = float(prediction)
    except (TypeError, ValueError):
        return f" (you predicted {prediction})"
    times = mine / value if value else math.inf
    compared = f", which is {number(times)} times that" if 0 < times < math.inf else ""
    return f" (you predicted {number(mine)}{compared})"
