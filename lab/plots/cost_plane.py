"""The cost plane: what freshness (a short median latency) costs in requests per message."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lab.metrics import Result
from lab.plots import style
from lab.plots.labels import Label, Point, place_labels
from lab.show import ENGINES, wrap

SHORTEST = 1e-7  # seconds: what is shorter is drawn there, as the axis is logarithmic
MARKERS: dict[str, dict[str, Any]] = {
    "simulation": {"marker": "o", "markersize": 9},
    "loopback": {"marker": "s", "markersize": 15, "markerfacecolor": "none", "markeredgewidth": 2},
    "theory": {"marker": "X", "markersize": 10},
}


def cost_plane(results: Sequence[Result]) -> Figure:
    """Draw each result at its median latency and its requests per message.

    The points of one strategy are joined. Results that lack the one or the other are left out.
    """
    figure = style.slide()
    axes = figure.add_subplot()
    shown = [r for r in results if not math.isnan(sum(_place(r)))]
    known = style.looks(r.strategy for r in results)
    unit = style.unit_for(max((_place(r)[0] for r in shown), default=1.0))
    lines = {s: [_scaled(r, unit) for r in shown if r.strategy == s] for s in known}
    for result in shown:
        _draw(axes, result, _scaled(result, unit), known[result.strategy].colour)
    _scale(axes, [requests for line in lines.values() for _, requests in line])
    style.dress(
        axes,
        "What does freshness cost? Lower left is cheap and fresh.",
        f"median latency ({unit.name})",
        "requests (per message)",
    )
    style.legend(figure, _legend(shown), "outside lower center", columns=3)
    _name(axes, lines, known)
    return figure


def _name(axes: Axes, lines: dict[str, list[Point]], known: dict[str, style.Look]) -> None:
    """Join the points of each strategy and write its name beside them."""
    labels = []
    for strategy, line in lines.items():
        if line:
            colour = known[strategy].colour
            axes.plot(*zip(*line, strict=True), color=colour, linewidth=1.5, zorder=2)
            labels.append(Label(wrap(strategy), line[0], style.dark(colour)))
    place_labels(axes, labels, list(lines.values()))


def _place(result: Result) -> Point:
    """Return the median latency in seconds, and the requests per message."""
    latency = result.latency["p50"].mean if "p50" in result.latency else math.nan
    return float(np.maximum(latency, SHORTEST)), result.requests_per_message.mean


def _scaled(result: Result, unit: style.Unit) -> Point:
    seconds, requests = _place(result)
    return seconds * unit.scale, requests


def _draw(axes: Axes, result: Result, place: Point, colour: str) -> None:
    axes.plot(*place, linestyle="", color=colour, zorder=3, **MARKERS[result.engine])


def _scale(axes: Axes, requests: Sequence[float]) -> None:
    """Make both axes logarithmic, that of the requests with room for a zero."""
    if not requests:
        style.say_empty(axes)
        return
    axes.set_xscale("log")
    axes.margins(0.15)
    positive = [value for value in requests if value > 0]
    if len(positive) == len(requests):
        axes.set_yscale("log")
        style.log_ticks(axes.yaxis)
    else:
        least, most = min(positive, default=1), max(positive, default=1)
        smallest = 10 ** math.floor(math.log10(least))
        axes.set_yscale("symlog", linthresh=smallest)
        axes.set_ylim(-smallest / 4, most * 3)
        axes.yaxis.set_major_formatter(style.NUMBERS)
    style.log_ticks(axes.xaxis)


def _legend(results: Sequence[Result]) -> list[Line2D]:
    engines = {r.engine for r in results}
    return [
        Line2D([], [], linestyle="", color=style.GREY, label=ENGINES[engine], **marker)
        for engine, marker in MARKERS.items()
        if engine in engines
    ]
