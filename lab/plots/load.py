"""Latency against load: the hockey stick, with theory, simulated lines and measured marks."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lab.metrics import Interval, Run, summarise
from lab.plots import style
from lab.plots.marks import HOLLOW, entry, mark
from lab.show import ENGINES, wrap
from lab.trace import Floats, Trace

SHOWN = {"p50": style.Look(style.BLUE, "o"), "p99": style.Look(style.VERMILLION, "s")}
HATCHES = {"p50": "", "p99": "//"}
PANEL = (5.6, 4.6)  # inches, where there are several strategies
MOST_COLUMNS = 3
FORETOLD = ("theory", "mean")  # engine and "quantile" of what most closed forms tell
Point = tuple[float, float]


class Level(NamedTuple):
    """A quantile of the latency ("p50", "p99", of theory "mean"), in seconds, at `rate` a second.

    It is drawn hollow if `fitted`: if calibration used it.
    """

    strategy: str
    engine: str
    quantile: str
    rate: float
    latency: Interval
    fitted: bool = False


def load(
    points: Sequence[Run | Level], theory: Mapping[str, Sequence[Point]] | None = None
) -> Figure:
    """Draw p50 and p99 over the rate, a panel for each strategy. Both axes are logarithmic.

    `points` are runs at several rates, or levels. Lines with bands are simulated, marks with bars
    measured; bands and bars are 95 % intervals, cut off where they reach 0. Theory is dotted: levels
    of the engine "theory", or `theory`, rates (per second) and mean latencies (in seconds) by strategy.
    """
    levels = sorted(_levels(points), key=lambda level: level.rate)
    curves = theory or {}
    names = list(dict.fromkeys(level.strategy for level in levels))
    figure, grid = _panels(len(names))
    unit = style.unit_for(_highest(levels))
    for name, axes in zip(names, grid, strict=False):
        mine = [level for level in levels if level.strategy == name]
        for quantile in SHOWN:
            some = [level for level in mine if level.quantile == quantile]
            _simulated(axes, [s for s in some if s.engine == "simulation"], quantile, unit.scale)
            _measured(axes, [s for s in some if s.engine == "loopback"], quantile, unit.scale)
            _foretold(axes, [s for s in some if s.engine == "theory"], quantile, unit.scale)
        means = [(s.rate, s.latency.mean) for s in mine if s[1:3] == FORETOLD]
        _theory(axes, [*curves.get(name, ()), *means], unit.scale)
        style.dress(axes, "", "messages created (per second)", f"latency ({unit.name})")
        axes.set_title(wrap(name, style.PANEL_WIDTH), fontsize=style.TICK, loc="left")
    _scale(grid, bool(names))
    _name(figure, grid, names, unit)
    has_mean = bool(curves) or any(level[1:3] == FORETOLD for level in levels)
    style.legend(figure, _legend(levels, has_mean), "outside lower center", columns=4)
    return figure


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    if count > 1:
        return style.panels(count, MOST_COLUMNS, PANEL, share=True)
    figure = style.slide()
    return figure, [figure.add_subplot()]


def _name(figure: Figure, grid: Sequence[Axes], names: Sequence[str], unit: style.Unit) -> None:
    """Say what is asked: of one strategy by its name, of several with their names above panels."""
    if len(names) > 1:
        style.headline(figure, "How does latency change with the load?")
        for axes in grid[1:]:
            axes.set_ylabel("")
        return
    strategy = names[0] if names else "a strategy"
    title = wrap(f"How does the latency of {strategy} change with the load?", 80)
    style.dress(grid[0], title, "messages created (per second)", f"latency ({unit.name})")


def levels_of(run: Run) -> Iterator[Level]:
    """Yield the levels of a run: means over its replications, with 95 % intervals."""
    if not run.traces:
        return
    metrics = [summarise(trace) for trace in run.traces]
    rate = rate_of(run.traces)
    for quantile in SHOWN:
        latency = Interval.over(each.latency[quantile] for each in metrics)
        yield Level(run.strategy, run.engine, quantile, rate, latency)


def rate_of(traces: Sequence[Trace]) -> float:
    """Return messages created a second: as the scenario says, or as they came if it does not."""
    scenario = traces[0].manifest.get("scenario", {})
    arrivals = scenario.get("workload", {}).get("arrivals", {})
    if arrivals.get("kind") in ("periodic", "poisson"):
        measured = traces[0].manifest.get("engine") == "loopback"
        return float(arrivals["rate"] * (scenario.get("speed_up", 1.0) if measured else 1.0))
    offered = [summarise(t).throughput["offered"] / t.manifest.get("consumers", 1) for t in traces]
    return float(np.mean(offered))


def _levels(points: Sequence[Run | Level]) -> Iterator[Level]:
    for point in points:
        if isinstance(point, Run):
            yield from levels_of(point)
        elif point.quantile in SHOWN or point[1:3] == FORETOLD:
            yield point


def _highest(levels: Sequence[Level]) -> float:
    """Return the highest latency that decides on the unit: measured, if anything is."""
    measured = [level for level in levels if level.engine == "loopback"] or levels
    return max((s.latency.mean for s in measured if s.latency.mean > 0), default=1.0)


def _foretold(axes: Axes, levels: Sequence[Level], quantile: str, scale: float) -> None:
    rates, values = [s.rate for s in levels], [s.latency.mean * scale for s in levels]
    colour = style.dark(SHOWN[quantile].colour)
    axes.plot(rates, values, color=colour, linestyle=style.LINES["theory"], linewidth=3)


def _simulated(axes: Axes, levels: Sequence[Level], quantile: str, scale: float) -> None:
    rates, colour = [level.rate for level in levels], SHOWN[quantile].colour
    axes.fill_between(
        rates,
        _bounds(levels, "low") * scale,
        _bounds(levels, "high") * scale,
        color=colour,
        alpha=0.25,
        hatch=HATCHES[quantile],
        linewidth=0,
    )
    middle = [level.latency.mean * scale for level in levels]
    axes.plot(rates, middle, color=colour, linestyle=style.LINES["simulation"], linewidth=2.2)


def _bounds(levels: Sequence[Level], side: str) -> Floats:
    """Return bounds; those that are not positive are cut off where a logarithmic axis shows it."""
    bounds = np.array([getattr(level.latency, side) for level in levels], dtype=float)
    means = np.array([level.latency.mean for level in levels], dtype=float)
    return np.where(bounds > 0, bounds, np.where(np.isnan(bounds), math.nan, means / 10))


def _measured(axes: Axes, levels: Sequence[Level], quantile: str, scale: float) -> None:
    look = SHOWN[quantile]
    lows, highs = _bounds(levels, "low") * scale, _bounds(levels, "high") * scale
    for level, low, high in zip(levels, lows, highs, strict=True):
        rate = level.rate
        axes.plot([rate, rate], [low, high], color=style.BLACK, linewidth=1.5)
        face = HOLLOW if level.fitted else look.colour
        black = style.Look(style.BLACK, look.marker)
        mark(axes, (rate, level.latency.mean * scale), black, face)


def _theory(axes: Axes, points: Sequence[Point], scale: float) -> None:
    rates = [rate for rate, _ in sorted(points)]
    means = [seconds * scale for _, seconds in sorted(points)]
    line = style.LINES["theory"]
    axes.plot(rates, means, color=style.BLACK, linestyle=line, linewidth=2.5)


def _scale(grid: Sequence[Axes], known: bool) -> None:
    if not known:
        style.say_empty(grid[0])
        return
    for axes in grid:
        axes.set_xscale("log")
        axes.set_yscale("log")
    for axes in grid:
        style.log_ticks(axes.xaxis)
        style.log_ticks(axes.yaxis)


def _legend(levels: Sequence[Level], with_theory: bool) -> list[Artist]:
    handles: list[Artist] = []
    engines = {level.engine for level in levels}
    for quantile, (colour, marker) in SHOWN.items():
        if "simulation" in engines:
            text = f"{quantile} {ENGINES['simulation']}, with 95 % band"
            handles.append(Patch(facecolor=colour, alpha=0.5, hatch=HATCHES[quantile], label=text))
        if "loopback" in engines:
            black = style.Look(style.BLACK, marker)
            handles.append(entry(f"{quantile} {ENGINES['loopback']}", black, colour))
    foretold = {level.quantile for level in levels if level.engine == "theory"}
    for quantile in (name for name in SHOWN if name in foretold):
        line, label = style.LINES["theory"], f"{quantile}, {ENGINES['theory']}"
        darker = style.dark(SHOWN[quantile].colour)
        handles.append(Line2D([], [], color=darker, linestyle=line, linewidth=3, label=label))
    if any(level.fitted for level in levels):
        handles.append(entry("used by calibration", style.Look(style.BLACK, "o"), HOLLOW))
    if with_theory:
        line, label = style.LINES["theory"], f"mean, {ENGINES['theory']}"
        handles.append(Line2D([], [], color=style.BLACK, linestyle=line, label=label))
    return handles
