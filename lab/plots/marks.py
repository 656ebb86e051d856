"""Single marks, and what a legend says of them: filled if held out, hollow if calibration used it."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from lab.plots import style

SIZE = 7
HOLLOW = "white"


def mark(axes: Axes, place: tuple[float, float], look: style.Look, face: str) -> None:
    """Draw one mark."""
    x, y = place
    axes.plot(x, y, look.marker, color=look.colour, markerfacecolor=face, markersize=SIZE)


def entry(label: str, look: style.Look, face: str | None = None) -> Line2D:
    """Return what a legend shows for such marks."""
    colour, marker = look
    return Line2D(
        [],
        [],
        linestyle="",
        color=colour,
        marker=marker,
        markerfacecolor=face or colour,
        markersize=SIZE + 1,
        label=label,
    )


def entries(known: Mapping[str, style.Look]) -> list[Line2D]:
    """Return what a legend shows for each strategy, and for marks that are not held out."""
    filled = [entry(name, look) for name, look in known.items()]
    return [*filled, entry("used by calibration", style.Look(style.GREY, "o"), HOLLOW)]
