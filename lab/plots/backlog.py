"""Backlog: how many messages are created and not yet done, at each moment of a run."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lab.metrics import Run
from lab.outcomes.recovery import lag
from lab.plots import style
from lab.show import wrap
from lab.trace import Floats, Trace

INTERVALS = 150
MOST_COLUMNS = 3
PANEL = (4.0, 2.3)  # inches
FAR_APART = 10  # a highest peak so many times the lowest needs a logarithmic axis


class Depth(NamedTuple):
    """The mean and the highest backlog in each of the intervals between `edges`, in seconds."""

    edges: Floats
    mean: Floats
    high: Floats


def backlog(runs: Sequence[Run]) -> Figure:
    """Draw the backlog in the first replication of each run, a panel for each strategy.

    All panels have the same axes. Lines are means over short intervals, bands go up to the highest.
    """
    runs = [run for run in runs if run.traces]
    known = style.looks(run.strategy for run in runs)
    figure, grid = style.panels(len(known), MOST_COLUMNS, PANEL, share=True)
    panels = dict(zip(known, grid, strict=True))
    depths = [depth(run.traces[0]) for run in runs]
    for run, mine in zip(runs, depths, strict=True):
        _draw(panels[run.strategy], mine, run.engine, known[run.strategy].colour)
    for strategy, axes in panels.items():
        style.dress(axes)
        axes.set_title(wrap(strategy, 34), fontsize=style.TICK, loc="left")
    _scale(grid, [float(mine.high.max(initial=0)) for mine in depths])
    style.headline(figure, "How many messages wait at each moment?")
    figure.supxlabel("time since the start (s)", fontsize=style.LABEL)
    figure.supylabel("backlog (messages)", fontsize=style.LABEL)
    band = Patch(color=style.GREY, alpha=0.25, label="up to the highest")
    handles = [*style.engine_lines(run.engine for run in runs), band]
    style.legend(figure, handles, "outside upper right", columns=3)
    return figure


def _scale(grid: Sequence[Axes], peaks: Sequence[float]) -> None:
    """Make the shared axis linear, or logarithmic above 1 where the peaks differ a lot."""
    if not grid:
        return
    busy = [peak for peak in peaks if peak]
    if max(busy, default=0) > FAR_APART * min(busy, default=0):
        grid[0].set_yscale("symlog", linthresh=1, linscale=0.5)
        for axes in grid:
            axes.yaxis.set_major_formatter(style.NUMBERS)
    grid[0].set_ylim(bottom=0)


def depth(trace: Trace) -> Depth:
    """Return the lag of all consumers together in `INTERVALS` intervals of the run."""
    times, after = lag(trace)
    if not len(times):
        return Depth(np.empty(0), np.empty(0), np.empty(0))
    edges = np.linspace(times[0], times[-1], INTERVALS + 1)
    area = np.append(0, np.cumsum(after[:-1] * np.diff(times)))  # between events it is linear
    high = after[np.searchsorted(times, edges[:-1], side="right") - 1]
    inside = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, INTERVALS - 1)
    np.maximum.at(high, inside, after)
    return Depth(edges, np.diff(np.interp(edges, times, area)) / np.diff(edges), high)


def _draw(axes: Axes, run: Depth, engine: str, colour: str) -> None:
    if not len(run.edges):
        return
    simulated = engine == "simulation"
    axes.stairs(
        run.mean,
        run.edges,
        baseline=None,
        color=colour if simulated else style.BLACK,
        linestyle=style.LINES[engine],
        linewidth=2.2 if simulated else 1.4,
    )
    axes.stairs(run.high, run.edges, baseline=run.mean, fill=True, color=colour, alpha=0.25)
