"""Misfit: by how much the model is wrong, over how busy the machine is."""

import math
from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lab.plots import style
from lab.plots.marks import HOLLOW, entries, entry, mark
from lab.validation.rows import FULL, LIGHT, PROMISED, Row, typical

PANEL = (4.6, 4.2)  # inches
LINEAR = 50  # per cent; beyond that the axis of errors is logarithmic, if one is twice as large
TICKS = (-100, -50, -25, -10, 0, 10, 25, 50, 100, 300, 1000, 10_000, 100_000)  # per cent
LEAST = 20  # per cent that the axis shows on either side
OVERLOAD = "x"


def misfit(rows: Sequence[Row]) -> Figure:
    """Draw the signed error of each row over its utilisation, a panel for p50, p90 and p99.

    Hollow marks belong to calibration, crosses to overloads. The band is the median error of
    replicates about one another in each of the three ranges of utilisation.
    """
    shown = [row for row in rows if not math.isnan(row.error + row.place.utilisation)]
    shown = [row for row in shown if row.quantile in PROMISED]
    known = style.looks(row.place.name for row in rows)
    figure, grid = style.panels(len(PROMISED), len(PROMISED), PANEL, share=True)
    for quantile, axes in zip(PROMISED, grid, strict=True):
        some = [row for row in shown if row.quantile == quantile]
        style.dress(axes, quantile, "utilisation of the busiest core (%)")
        _noise(axes, some)
        for row in some:
            _draw(axes, row, known[row.place.name])
        if not some:
            style.say_empty(axes)
    _scale(grid[0], [100 * row.error for row in shown])
    style.headline(figure, "How far is the model off? Above the line it promises too long a wait.")
    grid[0].set_ylabel("error of the prediction (%)")
    handles = [
        *entries(known),
        entry("overloaded", style.Look(style.GREY, OVERLOAD)),
        Patch(color=style.PALE, label="replicates about one another"),
    ]
    style.legend(figure, handles, "outside lower center", columns=5)
    return figure


def _noise(axes: Axes, rows: Sequence[Row]) -> None:
    """Draw how far replicates are off one another, and where the ranges of utilisation end."""
    busiest = max((row.place.utilisation for row in rows), default=1.0)
    for low, high in pairwise((0.0, LIGHT, FULL, max(1.0, busiest))):
        some = [row for row in rows if low <= row.place.utilisation <= high]
        noise = 100 * typical(row.replicate_error for row in some)
        span = [100 * low, 100 * high]
        axes.fill_between(span, -noise, noise, color=style.PALE, alpha=0.8, linewidth=0, zorder=0)
    for edge in (LIGHT, FULL):
        axes.axvline(100 * edge, color=style.GREY, linewidth=1, linestyle=":")
    axes.axhline(0, color=style.BLACK, linewidth=1.2, zorder=1)


def _draw(axes: Axes, row: Row, look: style.Look) -> None:
    face = look.colour if row.place.held_out else HOLLOW
    mine = style.Look(look.colour, OVERLOAD) if row.place.overloaded else look
    mark(axes, (100 * row.place.utilisation, 100 * row.error), mine, face)


def _scale(axes: Axes, errors: Sequence[float]) -> None:
    """Make the shared axis of errors logarithmic beyond `LINEAR`, where there are such errors."""
    low, high = min([-LEAST, *errors]), max([LEAST, *errors])
    if max(-low, high) > 2 * LINEAR:
        axes.set_yscale("symlog", linthresh=LINEAR, linscale=2)
    axes.set_ylim(low * 1.2, high * 1.2)
    axes.set_yticks([tick for tick in TICKS if low * 1.2 <= tick <= high * 1.2])
    axes.yaxis.set_major_formatter(style.NUMBERS)
    axes.set_xlim(left=0)
