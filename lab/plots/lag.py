"""Lag and queue over time: how far each consumer is behind, and what waits at it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lab.metrics import Run
from lab.outcomes.recovery import lag as lag_of
from lab.plots import style
from lab.trace import Floats, Trace

PANEL = (5.0, 3.2)  # inches
MOST_COLUMNS = 2
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":")


def lag(runs: Sequence[Run | Trace]) -> Figure:
    """Draw lag and queue over time in seconds, a panel for each trace (the first of a run).

    Lag is how many messages are created and not yet done, a line for each consumer. Shaded below it
    is the queue: those of them that the consumers have received and not begun to work on; the rest
    is on the way or waits at the broker. Grey stripes are faults.
    """
    traces = [t for t in map(_first, runs) if t is not None]
    figure, grid = style.panels(len(traces), MOST_COLUMNS, PANEL, share=True)
    most = max((int(t.consumer.max(initial=0)) + 1 for t in traces), default=1)
    looks = style.looks(f"lag of consumer {c}" if most > 1 else "lag" for c in range(most))
    for trace, axes in zip(traces, grid, strict=True):
        _panel(axes, trace, looks)
    for axes in grid:  # not before all is drawn: it ends the search for the top of a shared axis
        axes.set_ylim(bottom=0)
    style.headline(figure, "How far behind is each consumer, and where do messages wait?")
    for axes in grid[-MOST_COLUMNS:]:
        axes.set_xlabel("time since the start (s)", fontsize=style.LABEL)
    figure.supylabel("messages", fontsize=style.LABEL)
    lines = [
        Line2D([], [], color=look.colour, linestyle=DASHES[i % 4], linewidth=2, label=name)
        for i, (name, look) in enumerate(looks.items())
    ]
    queue = Patch(facecolor=style.YELLOW, hatch="..", edgecolor=style.GREY, label="queue")
    queue.set_label("of these, in the consumers' queues")
    handles = [*lines, queue, *style.fault_entries(traces)]
    style.legend(figure, handles, "outside lower center", columns=4)
    return figure


def _first(run: Run | Trace) -> Trace | None:
    if isinstance(run, Trace):
        return run
    return run.traces[0] if run.traces else None


def queue(trace: Trace) -> tuple[Floats, Floats]:
    """Return times in order, and how many messages all consumers had received and not started."""
    came = np.sort(trace.received[~np.isnan(trace.received)])
    went = np.sort(trace.started[~np.isnan(trace.started)])
    times = np.concatenate([came, went])
    order = np.argsort(times, kind="stable")
    return times[order], np.cumsum(np.where(order < len(came), 1.0, -1.0))


def _panel(axes: Axes, trace: Trace, looks: dict[str, style.Look]) -> None:
    style.shade_faults(axes, trace)
    times, waiting = queue(trace)
    axes.fill_between(
        times,
        waiting,
        step="post",
        facecolor=style.YELLOW,
        hatch="..",
        edgecolor=style.GREY,
        linewidth=0.3,
    )
    for consumer, look in enumerate(looks.values()):
        at, behind = lag_of(trace, consumer)
        line = DASHES[consumer % 4]
        axes.step(at, behind, where="post", color=look.colour, linestyle=line, linewidth=1.8)
    style.dress(axes)
    style.name_panel(axes, trace)
