"""What all figures share: colours, lines, hatches, sizes, units and the way axes are dressed.

The colours are those of Okabe and Ito (2008), which the colour-blind can tell apart, and two of
Tol; markers, line styles and hatches say the same again in black and white. A strategy has the
colour of its place in the comparison. Simulated is a solid line, measured a dashed one, theory a
dotted one.
"""

import io
import math
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from lab.show import ENGINES, number, wrap
from lab.trace import Trace

BLUE, VERMILLION, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK, YELLOW = "#E69F00", "#56B4E9", "#000000", "#F0E442"
WINE, OLIVE = "#882255", "#999933"
GREY, PALE = "#6B6B6B", "#D9D9D9"

COLOURS = (BLUE, VERMILLION, GREEN, PINK, ORANGE, SKY, WINE, GREY, OLIVE)
MARKERS = "osD^vPX<>*h"  # 9 and 11 have no common divisor: 99 different pairs
Size = tuple[float, float]
Place = Literal["outside right upper", "outside upper right", "outside lower center"]
LINES: dict[str, Any] = {"simulation": "-", "loopback": (0, (4, 2)), "theory": ":"}

PART_LOOKS = {  # of each part of the latency: colour and hatch
    "schedule delay": (GREY, "xx"),
    "to the broker": (SKY, ""),
    "broker residence": (ORANGE, "//"),
    "on the way": (BLUE, "\\\\"),
    "consumer queue": (YELLOW, ".."),
    "work": (GREEN, ""),
}

PANEL_WIDTH = 44  # characters above a panel
SHORTEST = 0.005  # seconds: what goes wrong for a moment only is still seen
NOTEBOOK = 80  # dots per inch in a notebook
TITLE, LABEL, TICK, SMALL = 19, 15, 13, 11  # points, on a slide of 12 by 6.75 inches


class Look(NamedTuple):
    colour: str
    marker: str


class Unit(NamedTuple):
    """A unit of time: multiply seconds by `scale` and call it `name`."""

    scale: float
    name: str


def looks(strategies: Iterable[str]) -> dict[str, Look]:
    """Return the look of each strategy, by the order in which they first come."""
    return {
        strategy: Look(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)])
        for i, strategy in enumerate(dict.fromkeys(strategies))
    }


def unit_for(seconds: float) -> Unit:
    """Return the unit in which `seconds` is easiest to read."""
    if seconds >= 10:
        return Unit(1.0, "s")
    return Unit(1e3, "ms") if seconds >= 1e-4 else Unit(1e6, "µs")


class Slide(Figure):
    """A figure that a notebook shows when it is the value of a cell, without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=NOTEBOOK)
        return buffer.getvalue()


def slide(width: float = 12, height: float = 6.75) -> Figure:
    """Return an empty figure, in inches, that lays itself out."""
    return Slide(figsize=(width, height), layout="constrained", facecolor="white")


def panels(count: int, most: int, size: Size, share: bool) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` panels, at most `most` beside one another.

    `size` is that of a panel in inches; with `share` all have the same axes.
    """
    columns = min(most, max(1, count))
    rows = max(1, math.ceil(count / columns))
    figure = slide(max(10.0, size[0] * columns), 1.7 + size[1] * rows)
    grid = figure.subplots(rows, columns, sharex=share, sharey=share, squeeze=False)
    axes = list(grid.flat)
    for unused in axes[count:]:
        unused.set_visible(False)
    for lowest in axes[max(0, count - columns) : count]:
        lowest.tick_params(labelbottom=True)
    return figure, axes[:count]


def headline(figure: Figure, title: str) -> None:
    """Give a figure of many panels its title."""
    figure.suptitle(title, fontsize=TITLE, x=0.01, ha="left")


def dress(axes: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Give `axes` their title and labels, and leave out what carries no data."""
    axes.set_title(title, fontsize=TITLE, loc="left", pad=12)
    axes.set_xlabel(x, fontsize=LABEL)
    axes.set_ylabel(y, fontsize=LABEL)
    axes.tick_params(labelsize=TICK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)


def say_empty(axes: Axes) -> None:
    """Say in the middle of `axes` that there is nothing to show."""
    note = axes.text(0.5, 0.5, "nothing to show", fontsize=LABEL, color=GREY, ha="center")
    note.set_transform(axes.transAxes)


def name_panel(axes: Axes, trace: Trace) -> None:
    """Say above a panel which strategy and engine its trace is of."""
    told = trace.manifest.get("strategy", ""), ENGINES.get(trace.manifest.get("engine", ""), "")
    axes.set_title(wrap(", ".join(told), PANEL_WIDTH), fontsize=TICK, loc="left")


def shade_faults(axes: Axes, trace: Trace) -> None:
    """Shade the times at which something went wrong in the run of `trace`."""
    for fault in trace.manifest.get("scenario", {}).get("faults", ()):
        at, duration = fault["at"], fault.get("duration", 0.0)
        axes.axvspan(at, at + max(duration, SHORTEST), color=PALE, zorder=0)


def fault_entries(traces: Iterable[Trace]) -> list[Patch]:
    """Return what a legend says of shaded times, if anything went wrong in these runs."""
    wrong = any(trace.manifest.get("scenario", {}).get("faults") for trace in traces)
    return [Patch(color=PALE, label="fault")] if wrong else []


def log_ticks(axis: Axis) -> None:
    """Put plain numbers on a logarithmic axis, several of them even where it spans little."""
    low, high = axis.get_view_interval()
    if high / low < 4:
        axis.set_major_locator(MaxNLocator(6))
    elif high / low < 60:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(NUMBERS)
    axis.set_minor_formatter(NullFormatter())


NUMBERS = FuncFormatter(lambda value, _: number(value))


def dark(colour: str) -> tuple[float, float, float]:
    """Return `colour` dark enough for text on white."""
    red, green, blue = to_rgb(colour)
    return red * 0.65, green * 0.65, blue * 0.65


def strategy_lines(known: dict[str, Look]) -> list[Line2D]:
    """Return what a legend shows for each strategy."""
    return [
        Line2D(
            [],
            [],
            color=look.colour,
            marker=look.marker,
            linewidth=3,
            markersize=8,
            label=wrap(name),
        )
        for name, look in known.items()
    ]


def engine_lines(engines: Iterable[str]) -> list[Line2D]:
    """Return what a legend shows for each engine."""
    present = set(engines)
    return [
        Line2D([], [], color=GREY, linewidth=2.5, linestyle=line, label=ENGINES[engine])
        for engine, line in LINES.items()
        if engine in present
    ]


def legend(figure: Figure, handles: list[Any], place: Place, columns: int = 1) -> Legend:
    """Put a legend outside the axes."""
    return figure.legend(
        handles=handles,
        loc=place,
        ncols=columns,
        fontsize=TICK,
        frameon=False,
        columnspacing=1.5,
        handletextpad=0.5,
    )
