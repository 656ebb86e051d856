"""Places: where messages wait, at each moment of a run, and what never arrived."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lab.plots import style
from lab.trace import PLACES, Fate, Trace

PANEL = (5.0, 3.2)  # inches
MOST_COLUMNS = 2
SOON = 0.1  # seconds that are shown at least
GONE = (Fate.DROPPED, Fate.EXPIRED, Fate.LOST, Fate.DEAD_LETTERED)
COLOURS = (
    style.GREY,
    style.SKY,
    style.ORANGE,
    style.PINK,
    style.BLUE,
    style.YELLOW,
    style.GREEN,
)
HATCHES = ("xx", "", "//", "..", "\\\\", "--", "")


def places(traces: Sequence[Trace]) -> Figure:
    """Draw how many messages wait in which place, stacked, and a line of those created by then that never arrive.

    Traces must have been sampled (`sample` of the scenario); a panel for each, all on one scale, so that
    heights compare. Faults are shaded.
    """
    traces = [trace for trace in traces if trace.places]
    figure, grid = style.panels(len(traces), MOST_COLUMNS, PANEL, share=True)
    for trace, axes in zip(traces, grid, strict=True):
        _panel(axes, trace)
    style.headline(figure, "Where do messages wait?")
    for axes in grid[-MOST_COLUMNS:]:  # not of the figure, where the legend is
        axes.set_xlabel("time since the start (s)", fontsize=style.LABEL)
    if traces:
        grid[0].set_xlim(0, 1.05 * max(_last(trace) for trace in traces))
    figure.supylabel("messages waiting", fontsize=style.LABEL)
    patches = [
        Patch(facecolor=colour, hatch=hatch, edgecolor=style.BLACK, linewidth=0.5, label=name)
        for name, colour, hatch in zip(PLACES, COLOURS, HATCHES, strict=True)
    ]
    gone = Patch(facecolor="none", edgecolor=style.VERMILLION, linewidth=2, label="never arrive")
    handles = [*patches, gone, *style.fault_entries(traces)]
    style.legend(figure, handles, "outside lower center", columns=4)
    return figure


def _last(trace: Trace) -> float:
    """Return when something waited for the last time."""
    time, waiting = trace.places["time"], sum(trace.places[name] for name in PLACES)
    return float(time[np.asarray(waiting) > 0].max(initial=SOON))


def _panel(axes: Axes, trace: Trace) -> None:
    style.shade_faults(axes, trace)
    time = trace.places["time"]
    layers = axes.stackplot(time, *(trace.places[name] for name in PLACES), colors=COLOURS)
    for layer, hatch in zip(layers, HATCHES, strict=True):
        layer.set_hatch(hatch)
        layer.set_edgecolor(style.BLACK)
        layer.set_linewidth(0.3)
    gone = np.sort(trace.created[np.isin(trace.fate, GONE)])
    count = np.searchsorted(gone, time, side="right")
    axes.plot(time, count, color=style.VERMILLION, linewidth=2)
    style.dress(axes)
    style.name_panel(axes, trace)
