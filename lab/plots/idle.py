"""Idle cost: what each strategy takes while there is nothing to deliver."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lab.idle import IdleCost
from lab.metrics import Interval
from lab.plots import style
from lab.show import ENGINES, number, wrap

BAR = 0.38
HATCHES = {"simulation": "", "loopback": "//"}


class Measure(NamedTuple):
    """What a panel shows: its label, the cost, and what to multiply it with."""

    label: str
    value: Callable[[IdleCost], Interval]
    scale: float


MEASURES = (
    Measure("CPU (ms per second)", lambda cost: cost.cpu, 1e3),
    Measure("wake-ups (per second)", lambda cost: cost.wake_ups, 1.0),
    Measure("requests (per second)", lambda cost: cost.requests, 1.0),
    Measure("traffic (bytes per second)", lambda cost: cost.bytes, 1.0),
    Measure("memory (kB)", lambda cost: cost.memory, 1e-3),
)


def idle(costs: Sequence[IdleCost]) -> Figure:
    """Draw what one idle connection costs, a panel for each cost and a pair of bars a strategy.

    Simulated bars are plain, measured ones hatched, whiskers are 95 % intervals. A dash stands where
    a cost is not known; memory is only measured.
    """
    names = list(dict.fromkeys(cost.strategy for cost in costs))
    engines = [e for e in ENGINES if any(cost.engine == e for cost in costs)]
    figure = style.slide(15, max(4.5, 2.4 + 0.85 * len(names)))
    grid = figure.subplots(1, len(MEASURES), sharey=True)
    for axes, measure in zip(grid, MEASURES, strict=True):
        known = [measure.value(cost).mean * measure.scale for cost in costs]
        most = max((value for value in known if not math.isnan(value)), default=0.0) or 1.0
        for cost in costs:
            shift = (engines.index(cost.engine) - (len(engines) - 1) / 2) * BAR
            _bar(axes, names.index(cost.strategy) + shift, cost, measure, most)
        style.dress(axes, "", measure.label)
        axes.set_xlim(0, 1.45 * most)
        axes.grid(False, axis="y")
        axes.locator_params(axis="x", nbins=3)
        axes.xaxis.set_major_formatter(style.NUMBERS)
    grid[0].set_yticks(range(len(names)), [wrap(name, 24) for name in names])
    grid[0].set_ylim(max(len(names), 1) - 0.4, -0.6)
    style.headline(figure, "What does one connection cost while nothing happens?")
    style.legend(figure, [_entry(engine) for engine in engines], "outside lower center", columns=2)
    return figure


def _bar(axes: Axes, place: float, cost: IdleCost, measure: Measure, most: float) -> None:
    value = measure.value(cost)
    mean = value.mean * measure.scale
    if math.isnan(mean):
        axes.text(0, place, " –", va="center", fontsize=style.SMALL)
        return
    axes.barh(place, mean, BAR * 0.9, edgecolor="black", linewidth=0.6, **_look(cost.engine))
    end = mean
    if not math.isnan(value.high):
        ends = [max(0.0, value.low) * measure.scale, value.high * measure.scale]
        axes.plot(ends, [place, place], color=style.BLACK, linewidth=1.4)
        end = max(end, ends[1])
    text = f" {number(mean)}"
    axes.text(min(end, 1.1 * most), place, text, va="center", fontsize=style.SMALL)


def _look(engine: str) -> dict[str, Any]:
    colour = style.BLUE if engine == "simulation" else style.ORANGE
    return {"facecolor": colour, "hatch": HATCHES[engine]}


def _entry(engine: str) -> Patch:
    return Patch(edgecolor="black", linewidth=0.6, label=ENGINES[engine], **_look(engine))
