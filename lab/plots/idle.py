"""Idle cost: what each strategy takes while there is nothing to deliver."""

import math
from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from lab.idle import IdleCost
from lab.metrics import Interval
from lab.plots import style
from lab.plots.bars import bars
from lab.plots.series import Panel, Series
from lab.show import ENGINES

WIDTH = 2.5  # inches of a panel
SHOWN: dict[str, Callable[[IdleCost], Interval]] = {
    "cpu": lambda cost: cost.cpu,
    "wake_ups": lambda cost: cost.wake_ups,
    "requests": lambda cost: cost.requests,
    "bytes": lambda cost: cost.bytes,
    "memory": lambda cost: cost.memory,
}
PANELS = (
    Panel("", "CPU time\n(ms per second)", "", "cpu", 1e3, logarithmic=False),
    Panel("", "wake-ups\n(per second)", "", "wake_ups", logarithmic=False),
    Panel("", "requests\n(per second)", "", "requests", logarithmic=False),
    Panel("", "traffic\n(bytes per second)", "", "bytes", logarithmic=False),
    Panel("", "memory\n(kB)", "", "memory", 1e-3, logarithmic=False),
)


def idle(costs: Sequence[IdleCost]) -> Figure:
    """Draw what one idle connection costs, a panel for each cost and a bar for each engine.

    Simulated bars are plain, measured ones hatched, whiskers are 95 % intervals. A dash stands where
    a cost is not known: memory is only measured, and has no panel if it is not.
    """
    engines = [e for e in ENGINES if any(cost.engine == e for cost in costs)]
    drawn = {
        engine: [
            Series(cost.strategy, [(0.0, value(cost))], panel)
            for cost in costs
            if cost.engine == engine
            for panel, value in SHOWN.items()
        ]
        for engine in engines
    }
    known = {
        s.panel for some in drawn.values() for s in some if not math.isnan(s.points[0][1].mean)
    }
    panels = [panel for panel in PANELS if panel.name in known] or PANELS
    figure = bars(drawn, panels, "What does one connection cost while nothing happens?", WIDTH)
    for axes in figure.axes:
        axes.tick_params(axis="x", labelsize=style.SMALL)
        axes.locator_params(axis="x", nbins=3)
    return figure
