"""Latency: the share of messages that take longer than a time, with a logarithmic tail."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lab.metrics import Run
from lab.plots import style
from lab.trace import Fate, Floats

MOST_POINTS = 600
SHORTEST = 1e-7  # seconds: what is shorter, or 0, is drawn there, as the axis is logarithmic
QUANTILES = {"p50": 50, "p90": 10, "p99": 1}  # and the percentage that takes longer


class Tail(NamedTuple):
    """Latencies in ascending seconds, the percentage that takes at least as long, and the rest.

    `never` is the percentage that was not delivered.
    """

    seconds: Floats
    percent: Floats
    never: float


def ecdf(runs: Sequence[Run]) -> Figure:
    """Draw 1 - F(latency) of all counted messages, replications pooled, both axes logarithmic.

    Messages that were not delivered take for ever: the curve runs level at their share.
    """
    figure = style.slide()
    axes = figure.add_subplot()
    tails = [tail(run) for run in runs]
    known = style.looks(run.strategy for run in runs)
    unit = _draw(axes, runs, tails, known)
    style.dress(
        axes,
        "How long do messages take? Further left is faster.",
        f"latency, from creation to the end of the work ({unit.name})",
        "messages that take longer (%)",
    )
    handles = style.strategy_lines(known) + style.engine_lines(run.engine for run in runs)
    if any(mine.never for mine in tails):
        handles.append(Line2D([], [], linestyle="", label="level to the right:\nnever delivered"))
    style.legend(figure, handles, "outside right upper")
    return figure


def _draw(
    axes: Axes, runs: Sequence[Run], tails: Sequence[Tail], known: dict[str, style.Look]
) -> style.Unit:
    """Draw a curve for each run that has messages, and return the unit of their latencies."""
    seconds = np.concatenate([mine.seconds for mine in tails] or [np.empty(0)])
    shortest, longest = (seconds.min(), seconds.max()) if len(seconds) else (0.1, 1.0)
    unit = style.unit_for(longest)
    for place, (run, mine) in enumerate(zip(runs, tails, strict=True)):
        level = [2 * longest] if len(mine.seconds) else [shortest, 2 * longest]
        level = level if mine.never else []
        look = known[run.strategy]
        axes.plot(
            np.append(mine.seconds, level) * unit.scale,
            np.append(mine.percent, [mine.never] * len(level)),
            color=look.colour,
            linestyle=style.LINES[run.engine],
            linewidth=2.2,
            marker=look.marker,
            markersize=7,
            markevery=(place * 0.07 % 0.2, 0.2),  # so that those of equal curves alternate
            drawstyle="steps-pre",
        )
    if any(len(mine.seconds) or mine.never for mine in tails):
        _scale(axes)
    else:
        style.say_empty(axes)
    return unit


def tail(run: Run) -> Tail:
    """Return the tail of all counted messages of `run`: at most `MOST_POINTS`, dense at its end."""
    counted = sum(int(np.count_nonzero(trace.counted)) for trace in run.traces)
    delivered = [t.latency[t.counted & (t.fate == Fate.DELIVERED)] for t in run.traces]
    latency = np.sort(np.concatenate(delivered)) if delivered else np.empty(0)
    count = len(latency)
    lost = counted - count
    if not count:
        return Tail(latency, latency, 100.0 if lost else 0.0)
    half = MOST_POINTS // 2
    slower = np.concatenate([np.geomspace(1, count, half), np.linspace(1, count, half)])
    slower = np.unique(np.rint(slower).astype(np.int64))[::-1]
    seconds = np.maximum(latency[count - slower], SHORTEST)
    return Tail(seconds, (slower + lost) * 100 / counted, lost * 100 / counted)


def _scale(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(min(axes.get_ylim()[0], 0.9), 130)
    style.log_ticks(axes.xaxis)
    axes.yaxis.set_major_formatter(style.NUMBERS)
    for name, percent in QUANTILES.items():
        axes.axhline(percent, color=style.GREY, linewidth=1, linestyle=":", zorder=1)
        axes.annotate(
            name,
            (1, percent),
            xycoords=("axes fraction", "data"),
            xytext=(-4, 4),
            textcoords="offset points",
            ha="right",
            fontsize=style.SMALL,
            color=style.GREY,
        )
