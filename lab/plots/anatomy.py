"""Anatomy: in which part of the way the mean latency is spent, by strategy and engine."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lab.metrics import Result
from lab.plots import style
from lab.show import ENGINES, number

BAR = 0.82
ROOM = 1.25  # for the name of a strategy above its bars, in bars


def anatomy(results: Sequence[Result]) -> Figure:
    """Draw the mean of each part of the latency as stacked bars: in time, and as shares of it.

    Results without parts (theory, or nothing delivered) are left out.
    """
    shown = [r for r in results if _total(r) > 0]
    places = _places(shown)
    bottom = places[-1] if places else 1.0
    figure = style.slide(12, max(4.0, 2.0 + 0.27 * bottom))
    times, shares = figure.subplots(1, 2, sharey=True, width_ratios=(2, 3))
    longest = max((_total(r) for r in shown), default=1.0)
    unit = style.unit_for(longest)
    for result, place in zip(shown, places, strict=True):
        total = _total(result)
        _bar(times, result, place, unit.scale)
        _bar(shares, result, place, 100 / total)
        text = f" {number(total * unit.scale)}"
        times.text(total * unit.scale, place, text, va="center", fontsize=style.SMALL)
    style.dress(times, "Where does the time go?", f"mean latency ({unit.name})")
    style.dress(shares, "", "share of the mean latency (%)")
    times.set_xlim(0, longest * unit.scale * 1.2)
    times.xaxis.set_major_formatter(style.NUMBERS)
    shares.set_xlim(0, 100)
    times.set_ylim(bottom + 0.6, -0.7)
    _name(times, shown, places)
    handles = [
        Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=name)
        for name, (colour, hatch) in style.PART_LOOKS.items()
    ]
    style.legend(figure, handles, "outside lower center", columns=len(handles))
    return figure


def _total(result: Result) -> float:
    """Return the mean latency in seconds, or 0 where it or its parts are unknown."""
    total = sum(part.mean for part in result.parts.values())
    return 0.0 if math.isnan(total) else total


def _places(results: Sequence[Result]) -> list[float]:
    """Return the place of each bar from the top, below the heading of its strategy."""
    places, place = [], -ROOM
    for result, before in zip(results, [None, *results], strict=False):
        new = before is None or before.strategy != result.strategy
        place += 1 + ROOM * new
        places.append(place)
    return places


def _bar(axes: Axes, result: Result, place: float, scale: float) -> None:
    left = 0.0
    for name, (colour, hatch) in style.PART_LOOKS.items():
        width = result.parts[name].mean * scale if name in result.parts else 0.0
        axes.barh(
            place, width, BAR, left, color=colour, hatch=hatch, edgecolor="white", linewidth=0.5
        )
        left += width


def _name(axes: Axes, results: Sequence[Result], places: Sequence[float]) -> None:
    """Write the engine beside each bar, and the strategy above the first of its bars."""
    axes.set_yticks(places, [ENGINES[result.engine] for result in results])
    axes.grid(False, axis="y")
    done: set[str] = set()
    for result, place in zip(results, places, strict=True):
        if result.strategy not in done:
            done.add(result.strategy)
            text = f" {result.strategy}"
            name = axes.text(0, place - 0.85, text, va="center", fontsize=style.SMALL)
            name.set(weight="bold", in_layout=False)  # a long one goes on above the other bars
    axes.set_zorder(1)
    axes.patch.set_visible(False)
