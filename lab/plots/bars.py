"""Bars: one metric of many strategies side by side, simulated above measured, with intervals."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lab.metrics import Interval
from lab.plots import style
from lab.plots.series import Panel, SeriesByEngine, names, of_panel
from lab.plots.sweep import draw_level, level_entries
from lab.show import ENGINES, number, wrap

COLOURS = {"simulation": style.BLUE, "loopback": style.ORANGE, "theory": style.GREY}
HATCHES = {"simulation": "", "loopback": "//", "theory": ".."}
LABEL_WIDTH = 30  # characters
ROW, PANEL = 0.78, 4.5  # inches: the height of a row, the width of a panel


def bars(
    drawn: SeriesByEngine, panels: Sequence[Panel], title: str = "", width: float = PANEL
) -> Figure:
    """Draw the first point of each series as a bar, a row for each name, a panel for each metric.

    Whiskers are 95 % intervals. The value stands at the end of each bar, a dash where it is unknown.
    `width` is that of a panel in inches.
    """
    rows = names(drawn)
    figure = style.slide(max(12.0, 4.0 + width * len(panels)), max(5.0, 2.4 + ROW * len(rows)))
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for panel, axes in zip(panels, grid, strict=True):
        _panel(axes, panel, drawn, rows)
    grid[0].set_yticks(range(len(rows)), [wrap(name, LABEL_WIDTH) for name in rows])
    grid[0].set_ylim(len(rows) - 0.4, -0.6)
    if title:
        style.headline(figure, title)
    handles = [*_legend(drawn), *level_entries(panels)]
    style.legend(figure, handles, "outside lower center", columns=4)
    return figure


def _panel(axes: Axes, panel: Panel, drawn: SeriesByEngine, rows: Sequence[str]) -> None:
    shown = of_panel(drawn, panel)
    engines = list(drawn)
    height = 0.8 / max(1, len(engines))
    for engine, series in shown:
        if series.points:
            place = rows.index(series.name) - 0.4 + height * (engines.index(engine) + 0.5)
            _bar(axes, series.points[0][1], panel.scale, place, height, engine)
    for row in set(range(len(rows))) - {rows.index(series.name) for _, series in shown}:
        _dash(axes, row)
    style.dress(axes, panel.title, panel.value)
    axes.grid(False, axis="y")
    values = [s.points[0][1].mean for _, s in shown if s.points]
    known = [value for value in values if not math.isnan(value)]
    if not known:
        style.say_empty(axes)
        return
    if panel.logarithmic and min(known) > 0:
        axes.set_xscale("log")
        axes.set_xlim(axes.get_xlim()[0], axes.get_xlim()[1] * 3)
        style.log_ticks(axes.xaxis)
    else:
        axes.set_xlim(0, 1.3 * max(axes.get_xlim()[1], 1e-9))
        axes.xaxis.set_major_formatter(style.NUMBERS)
    draw_level(axes, panel, upright=True)


def _dash(axes: Axes, place: float) -> None:
    """Say that there is no figure in that place."""
    axes.text(0, place, f" {number(math.nan)}", va="center", fontsize=style.SMALL)


def _bar(
    axes: Axes, value: Interval, scale: float, place: float, height: float, engine: str
) -> None:
    if math.isnan(value.mean):
        _dash(axes, place)
        return
    axes.barh(
        place,
        value.mean * scale,
        height * 0.92,
        color=COLOURS[engine],
        hatch=HATCHES[engine],
        edgecolor=style.BLACK,
        linewidth=0.6,
    )
    end = value.mean
    if not math.isnan(value.low):
        end = max(end, value.high)
        axes.plot([max(value.low, 0) * scale, value.high * scale], [place] * 2, color=style.BLACK)
    axes.annotate(
        number(value.mean * scale),
        (end * scale, place),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        fontsize=style.SMALL,
    )


def _legend(drawn: SeriesByEngine) -> list[Patch]:
    return [
        Patch(
            facecolor=COLOURS[engine],
            hatch=HATCHES[engine],
            edgecolor=style.BLACK,
            linewidth=0.6,
            label=ENGINES[engine],
        )
        for engine in drawn
    ]
