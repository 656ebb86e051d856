"""Offsets against time: how far the log is, and how far each consumer is in it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lab.plots import style
from lab.trace import Fate, Trace

PANEL = (5.0, 3.2)  # inches
MOST_COLUMNS = 2


def offsets(traces: Sequence[Trace]) -> Figure:
    """Draw how many messages the broker had, and each consumer was done with; a panel for a trace.

    Faults are shaded. A consumer that falls behind leaves the line of the log; one that is lost
    something never comes back to it. What it skipped it is past when it begins to work.
    """
    figure, grid = style.panels(len(traces), MOST_COLUMNS, PANEL, share=True)
    most = max((int(t.consumer.max(initial=0)) + 1 for t in traces), default=1)
    looks = style.looks(f"consumer {c}" for c in range(most))
    for trace, axes in zip(traces, grid, strict=True):
        _panel(axes, trace, looks)
    style.headline(figure, "How far is each consumer?")
    figure.supxlabel("time since the start (s)", fontsize=style.LABEL)
    figure.supylabel("messages", fontsize=style.LABEL)
    log = Line2D([], [], color=style.BLACK, linewidth=3, alpha=0.4, label="log")
    lines = [
        Line2D([], [], color=look.colour, linestyle=_dash(i), linewidth=2, label=name)
        for i, (name, look) in enumerate(looks.items())
    ]
    handles = [log, *lines, *style.fault_entries(traces)]
    style.legend(figure, handles, "outside upper right", columns=min(5, len(handles)))
    return figure


def _dash(index: int) -> Any:
    return ("-", "--", "-.", ":")[index % 4]


def _panel(axes: Axes, trace: Trace, looks: dict[str, style.Look]) -> None:
    style.shade_faults(axes, trace)
    came = trace.created if trace.manifest.get("brokerless") else trace.at_broker
    first = trace.consumer == 0
    axes.step(*_count(came[first]), where="post", color=style.BLACK, linewidth=3, alpha=0.4)
    for i, look in enumerate(looks.values()):
        times, count = _count(_passed(trace, trace.consumer == i))
        axes.step(times, count, where="post", color=look.colour, linestyle=_dash(i), linewidth=1.8)
    style.dress(axes)
    style.name_panel(axes, trace)


def _passed(trace: Trace, mine: np.ndarray) -> np.ndarray:
    """Return when a consumer was past each message."""
    started = trace.started[mine & ~np.isnan(trace.started)]
    skipped = mine & (trace.fate == Fate.SKIPPED)
    return np.append(trace.done[mine], np.full(skipped.sum(), started.min(initial=np.inf)))


def _count(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the times in order, and how many there were until each."""
    known = np.sort(times[np.isfinite(times)])
    return np.append(0.0, known), np.arange(len(known) + 1)
