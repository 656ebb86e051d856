"""A sweep: how metrics change with what is swept, a line for each series, simulated and measured."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lab.plots import style
from lab.plots.series import Panel, Point, SeriesByEngine, names, of_panel

HEIGHT = 6.75  # inches
LEVEL: dict[str, Any] = {
    "color": style.BLACK,
    "linestyle": (0, (1, 2)),
    "linewidth": 1.8,
    "zorder": 1,
}
FILLED = {"simulation": True, "loopback": False, "theory": True}


def sweep(drawn: SeriesByEngine, panels: Sequence[Panel], title: str = "") -> Figure:
    """Draw series over what is swept, in panels beside one another; bars are 95 % intervals.

    Simulated series are solid lines with filled marks, measured ones dashed with hollow marks.
    """
    figure = style.slide(max(12.0, 6.5 * len(panels)), HEIGHT)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    known = style.looks(names(drawn))
    for panel, place in zip(panels, axes, strict=True):
        _panel(place, panel, drawn, known)
    if title:
        style.headline(figure, title)
    handles = [*style.strategy_lines(known), *style.engine_lines(drawn), *level_entries(panels)]
    style.legend(figure, handles, "outside lower center", columns=4)
    return figure


def _panel(axes: Axes, panel: Panel, drawn: SeriesByEngine, known: dict[str, style.Look]) -> None:
    shown = of_panel(drawn, panel)
    for engine, series in shown:
        _line(axes, series.points, panel.scale, known[series.name], engine)
    style.dress(axes, panel.title, panel.sweep, panel.value)
    values = [i.mean for _, s in shown for _, i in s.points if not math.isnan(i.mean)]
    if not values:
        style.say_empty(axes)
        return
    axes.set_xscale("log")
    if panel.logarithmic and min(values) > 0:
        axes.set_yscale("log")
        style.log_ticks(axes.yaxis)
    else:
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
        axes.yaxis.set_major_formatter(style.NUMBERS)
    style.log_ticks(axes.xaxis)
    draw_level(axes, panel)


def _line(axes: Axes, points: Sequence[Point], scale: float, look: style.Look, engine: str) -> None:
    known = [(x, i) for x, i in points if not math.isnan(i.mean)]
    xs = [x for x, _ in known]
    axes.plot(
        xs,
        [i.mean * scale for _, i in known],
        color=look.colour,
        linestyle=style.LINES[engine],
        linewidth=2.2,
        marker="" if engine == "theory" else look.marker,
        markersize=8,
        markerfacecolor=look.colour if FILLED[engine] else "white",
        markeredgewidth=1.8,
        zorder=3,
    )
    for x, interval in known:
        if not math.isnan(interval.low):
            bounds = [interval.low * scale, interval.high * scale]
            axes.plot([x, x], bounds, color=look.colour, linewidth=1.4, zorder=2)


def draw_level(axes: Axes, panel: Panel, upright: bool = False) -> None:
    """Draw the line that a panel's values are to be compared with."""
    if panel.level is not None:
        (axes.axvline if upright else axes.axhline)(panel.level, **LEVEL)


def level_entries(panels: Sequence[Panel]) -> list[Line2D]:
    """Return what a legend says of these lines."""
    says = dict.fromkeys(p.says for p in panels if p.level is not None and p.says)
    return [Line2D([], [], label=text, **LEVEL) for text in says]
