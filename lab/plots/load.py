"""Latency against load: theory, the model's band, and measured points, for one strategy."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lab.plots import style
from lab.plots.marks import HOLLOW, entry, mark
from lab.show import ENGINES, wrap
from lab.validation.rows import Row

SHOWN = {"p50": style.Look(style.BLUE, "o"), "p99": style.Look(style.VERMILLION, "s")}
HATCHES = {"p50": "", "p99": "//"}
Point = tuple[float, float]


def load(rows: Sequence[Row], theory: Sequence[Point] = ()) -> Figure:
    """Draw p50 and p99 of `rows`, of one strategy at several rates, over the rate.

    Lines and bands are the model's median and its central 95 %; marks with bars are measured, with
    the 95 % interval for one more replicate, and hollow where calibration used them. `theory` are
    rates and mean latencies in seconds. Both axes are logarithmic.
    """
    figure = style.slide()
    axes = figure.add_subplot()
    rows = sorted((row for row in rows if row.quantile in SHOWN), key=lambda row: row.place.rate)
    unit = style.unit_for(max((row.measured for row in rows if row.measured > 0), default=1.0))
    for quantile in SHOWN:
        some = [row for row in rows if row.quantile == quantile]
        _predicted(axes, some, quantile, unit.scale)
        _measured(axes, some, quantile, unit.scale)
    _theory(axes, theory, unit.scale)
    strategy = rows[0].place.strategy if rows else "a strategy"
    title = wrap(f"How does the latency of {strategy} change with the load?", 80)
    style.dress(axes, title, "messages created (per second)", f"latency ({unit.name})")
    _scale(axes, bool(rows))
    style.legend(figure, _legend(bool(theory)), "outside lower center", columns=4)
    return figure


def _predicted(axes: Axes, rows: Sequence[Row], quantile: str, scale: float) -> None:
    rates, colour = [row.place.rate for row in rows], SHOWN[quantile].colour
    axes.fill_between(
        rates,
        np.array([row.predicted_low for row in rows]) * scale,
        np.array([row.predicted_high for row in rows]) * scale,
        color=colour,
        alpha=0.25,
        hatch=HATCHES[quantile],
        linewidth=0,
    )
    middle = [row.predicted * scale for row in rows]
    axes.plot(rates, middle, color=colour, linestyle=style.LINES["simulation"], linewidth=2.2)


def _measured(axes: Axes, rows: Sequence[Row], quantile: str, scale: float) -> None:
    look = SHOWN[quantile]
    for row in rows:
        rate, bounds = row.place.rate, [row.low * scale, row.high * scale]
        axes.plot([rate, rate], bounds, color=style.BLACK, linewidth=1.5)
        face = look.colour if row.place.held_out else HOLLOW
        black = style.Look(style.BLACK, look.marker)
        mark(axes, (rate, row.measured * scale), black, face)


def _theory(axes: Axes, points: Sequence[Point], scale: float) -> None:
    rates = [rate for rate, _ in sorted(points)]
    means = [seconds * scale for _, seconds in sorted(points)]
    line = style.LINES["theory"]
    axes.plot(rates, means, color=style.BLACK, linestyle=line, linewidth=2.5)


def _scale(axes: Axes, known: bool) -> None:
    if not known:
        style.say_empty(axes)
        return
    axes.set_xscale("log")
    axes.set_yscale("log")
    style.log_ticks(axes.xaxis)
    style.log_ticks(axes.yaxis)


def _legend(with_theory: bool) -> list[Artist]:
    handles: list[Artist] = []
    for quantile, (colour, marker) in SHOWN.items():
        simulated = f"{quantile} {ENGINES['simulation']}, with 95 % band"
        handles.append(Patch(facecolor=colour, alpha=0.5, hatch=HATCHES[quantile], label=simulated))
        black = style.Look(style.BLACK, marker)
        handles.append(entry(f"{quantile} {ENGINES['loopback']}", black, colour))
    handles.append(entry("used by calibration", style.Look(style.BLACK, "o"), HOLLOW))
    if with_theory:
        line, label = style.LINES["theory"], f"mean, {ENGINES['theory']}"
        handles.append(Line2D([], [], color=style.BLACK, linestyle=line, label=label))
    return handles
