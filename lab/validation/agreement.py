"""Agreement: predicted against measured quantiles, on the diagonal where the model is right."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lab.plots import style
from lab.plots.marks import HOLLOW, entries, mark
from lab.trace import Floats
from lab.validation.rows import PROMISED, Row, typical

PANEL = (5.6, 5.2)  # inches
ROOM = 1.4  # times the largest and the smallest value, at the ends of the axes


def agreement(rows: Sequence[Row]) -> Figure:
    """Draw each row at its measured and predicted latency, a panel for each of p50, p90 and p99.

    Filled marks are held out, hollow ones belong to calibration. Bars are 95 % intervals: across
    for one more replicate, upwards for likely runs of the model. Rows that lack the one or the
    other value are left out. Both axes are logarithmic, and all panels share them.
    """
    shown = [row for row in rows if row.measured > 0 and row.predicted > 0]
    shown = [row for row in shown if row.quantile in PROMISED]
    known = style.looks(row.place.name for row in rows)
    figure, grid = style.panels(len(PROMISED), len(PROMISED), PANEL, share=True)
    ends = _ends(shown)
    unit = style.unit_for(ends[-1] / ROOM)
    for quantile, axes in zip(PROMISED, grid, strict=True):
        some = [row for row in shown if row.quantile == quantile]
        style.dress(axes, quantile, f"measured latency ({unit.name})")
        _diagonal(axes, some, ends * unit.scale)
        for row in some:
            _draw(axes, row, known[row.place.name], unit.scale)
        if not some:
            style.say_empty(axes)
    for axis in (grid[0].xaxis, grid[0].yaxis):
        style.log_ticks(axis)
    style.headline(figure, "Does the model tell what is measured? On the diagonal it does.")
    grid[0].set_ylabel(f"predicted latency ({unit.name})")
    band = Patch(color=style.PALE, label="95 % of replicates, typically")
    style.legend(figure, [*entries(known), band], "outside lower center", columns=5)
    return figure


def _ends(rows: Sequence[Row]) -> Floats:
    values = [value for row in rows for value in (row.measured, row.predicted)]
    return np.array([min(values, default=1e-3) / ROOM, max(values, default=1.0) * ROOM])


def _diagonal(axes: Axes, rows: Sequence[Row], ends: Floats) -> None:
    """Draw where predicted equals measured, and how far replicates lie from it."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    low = typical(row.low / row.measured for row in rows)
    high = typical(row.high / row.measured for row in rows)
    axes.fill_between(ends, ends * low, ends * high, color=style.PALE, alpha=0.7, zorder=0)
    axes.plot(ends, ends, color=style.BLACK, linewidth=1.2, zorder=1)


def _draw(axes: Axes, row: Row, look: style.Look, scale: float) -> None:
    x, y = row.measured * scale, row.predicted * scale
    replicates = [row.low * scale, row.high * scale]
    likely = [row.predicted_low * scale, row.predicted_high * scale]
    axes.plot(replicates, [y, y], color=look.colour, linewidth=1.0, alpha=0.6)
    axes.plot([x, x], likely, color=look.colour, linewidth=1.0, alpha=0.6)
    mark(axes, (x, y), look, look.colour if row.place.held_out else HOLLOW)
