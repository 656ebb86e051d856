"""Sequence: the way of the first messages from source to target, as a space-time diagram."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from lab.metrics import Run
from lab.plots import style
from lab.show import ENGINES, wrap
from lab.trace import PATH, Fate, Trace

MESSAGES = 6
MOST_COLUMNS = 5
PANEL = (3.1, 4.2)  # inches
LANES = ("source", "broker", "target")
SOURCE, BROKER, TARGET = 0.0, 1.0, 2.0
BAR = 0.07  # the width of a bar and the distance to that of the next message, in lanes


class Stay(NamedTuple):
    """A part of the way that a message spends at one place, from one stamp to another."""

    part: str
    place: float
    start: str
    end: str


class Leg(NamedTuple):
    """A part of the way that takes a message from one place to another."""

    part: str
    places: tuple[float, float]
    start: str
    end: str


BROKERED = (
    Stay("schedule delay", SOURCE, "created", "sent"),
    Leg("to the broker", (SOURCE, BROKER), "sent", "at_broker"),
    Stay("broker residence", BROKER, "at_broker", "left_broker"),
    Leg("on the way", (BROKER, TARGET), "left_broker", "received"),
    Stay("consumer queue", TARGET, "received", "started"),
    Stay("work", TARGET, "started", "done"),
)
BROKERLESS = (
    Stay("schedule delay", SOURCE, "created", "sent"),
    Stay("broker residence", SOURCE, "sent", "left_broker"),
    Leg("on the way", (SOURCE, TARGET), "left_broker", "received"),
    *BROKERED[-2:],
)


def sequence(runs: Sequence[Run]) -> Figure:
    """Draw the first counted messages of each run's first replication, one panel for each run.

    Time runs downwards since the first of them was created; each panel has a scale of its
    own. A bar is time spent in one place, an arrow is time spent on the way between two.
    """
    shown = [run for run in runs if run.traces and run.traces[0].counted.any()]
    figure, grid = style.panels(len(shown), MOST_COLUMNS, PANEL, share=False)
    engines = list(dict.fromkeys(ENGINES[run.engine] for run in shown))
    for run, axes in zip(shown, grid, strict=True):
        _panel(axes, run.traces[0])
        name = f"{run.strategy} {ENGINES[run.engine]}" if len(engines) > 1 else run.strategy
        axes.set_title(wrap(name), fontsize=style.TICK, loc="left")
    by = f" ({', '.join(engines)})" if engines else ""
    most = max((len(_first_rows(run.traces[0])) for run in shown), default=MESSAGES)
    what = "one message" if most == 1 else f"the first {most} messages"
    style.headline(figure, f"What happens to {what}? Time scales differ.{by}")
    style.legend(figure, _legend(), "outside lower center", columns=4)
    return figure


def _first_rows(trace: Trace) -> NDArray[np.intp]:
    """Return the rows that are drawn."""
    return np.flatnonzero(trace.counted & (trace.consumer == trace.consumer[0]))[:MESSAGES]


def _panel(axes: Axes, trace: Trace) -> None:
    rows = _first_rows(trace)
    since = {name: getattr(trace, name)[rows] - trace.created[rows[0]] for name in PATH}
    unit = style.unit_for(max(np.nanmax(values, initial=0) for values in since.values()))
    scaled = {name: values * unit.scale for name, values in since.items()}
    brokerless = bool(np.isnan(trace.at_broker).all())
    if brokerless and np.isnan(scaled["left_broker"]).all():
        scaled["left_broker"] = scaled["sent"]
    places = (SOURCE, TARGET) if brokerless else (SOURCE, BROKER, TARGET)
    axes.use_sticky_edges = False  # or else the first message is cut in half
    for place in places:
        axes.axvline(place, color=style.GREY, linewidth=1.2, zorder=1)
    for index in range(len(rows)):
        stamps = {name: float(values[index]) for name, values in scaled.items()}
        axes.plot(index * BAR, stamps["created"], "o", color=style.BLACK, markersize=4, zorder=4)
        for step in BROKERLESS if brokerless else BROKERED:
            _draw(axes, step, stamps, index * BAR)
        if trace.fate[rows[index]] != Fate.DELIVERED:
            _end(axes, stamps, brokerless, index * BAR)
    style.dress(axes, "", "", f"time ({unit.name})")
    axes.set_xticks(places, [LANES[int(place)] for place in places])
    axes.set_xlim(-0.15, 2.2 + MESSAGES * BAR)
    axes.grid(False, axis="x")
    axes.invert_yaxis()


def _draw(axes: Axes, step: Stay | Leg, stamps: dict[str, float], shift: float) -> None:
    start, end = stamps[step.start], stamps[step.end]
    if math.isnan(start) or math.isnan(end):
        return
    colour, hatch = style.PART_LOOKS[step.part]
    if isinstance(step, Stay):
        axes.bar(
            step.place + shift,
            end - start,
            BAR * 0.9,
            start,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            linewidth=0,
            zorder=3,
        )
        return
    x, y = (place + shift for place in step.places)
    arrow = {"arrowstyle": "->", "color": colour, "linewidth": 1.8, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (y, end), (x, start), arrowprops=arrow, zorder=2)


def _end(axes: Axes, stamps: dict[str, float], brokerless: bool, shift: float) -> None:
    """Mark where a message that was not delivered was last seen."""
    seen = [name for name in PATH if not math.isnan(stamps[name])]
    at_broker = "at_broker" in seen and not brokerless
    place = TARGET if "received" in seen else BROKER if at_broker else SOURCE
    last = stamps[seen[-1]] if seen else math.nan
    axes.plot(place + shift, last, "X", color=style.VERMILLION, markersize=11, zorder=5)


def _legend() -> list[Patch | Line2D]:
    moving = {step.part for step in BROKERED if isinstance(step, Leg)}
    created = Line2D([], [], linestyle="", marker="o", color=style.BLACK, markersize=4)
    ended = Line2D([], [], linestyle="", marker="X", color=style.VERMILLION, markersize=11)
    created.set_label("created")
    ended.set_label("not delivered")
    parts = [
        Line2D([], [], color=colour, marker=">", linewidth=1.8, label=name)
        if name in moving
        else Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=name)
        for name, (colour, hatch) in style.PART_LOOKS.items()
    ]
    return [created, *parts, ended]
