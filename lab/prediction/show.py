"""The tables of a forecast for a terminal, and where its promise ends."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from lab.prediction.forecast import PROMISED, Estimate, Forecast, Outlook
from lab.prediction.limits import MOST_UTILISATION
from lab.show import UNKNOWN, number, wrap

WIDE = 118  # terminal columns; in fewer, the bounds stand below each other
LEGEND = "Below each value stands the interval in which 95 of 100 such runs should lie."


class Column(NamedTuple):
    """A column: its heading, its unit, and the estimate it shows, in that unit."""

    heading: str
    unit: str
    pick: Callable[[Outlook], Estimate]


def _latency(name: str) -> Column:
    return Column(name, "ms", lambda outlook: _scaled(outlook.latency[name], 1e3))


def _cpu(side: str) -> Column:
    def pick(outlook: Outlook) -> Estimate:
        return _scaled(outlook.cpu_by_side.get(side, Estimate()), 1e6)

    return Column("process" if side == "all" else side, "CPU µs", pick)


def _scaled(estimate: Estimate, scale: float) -> Estimate:
    return Estimate(*(bound * scale for bound in estimate))


SATURATION = Column("saturates at", "messages/s", lambda outlook: outlook.saturation.rate)
USED = Column("used now", "%", lambda outlook: _scaled(outlook.saturation.utilisation, 100))
COSTS = (
    Column("requests", "/msg", lambda outlook: outlook.requests_per_message),
    Column("bytes", "/msg", lambda outlook: outlook.bytes_per_message),
)


def latency_table(forecast: Forecast, width: int = 120) -> Table:
    """Return latency, the load that saturates, what limits it, and how much of that is used.

    It is for a terminal of `width` columns, which should be 80 at least.
    """
    narrow = width < WIDE
    grid = _grid("Latency, and the load that is too much")
    columns = (*(_latency(name) for name in PROMISED), SATURATION)
    _head(grid, columns)
    grid.add_column("limited by", min_width=12)
    _head(grid, (USED,))
    for outlook in forecast.outlooks:
        used = outlook.saturation.utilisation.value
        grid.add_row(
            Text(wrap(outlook.strategy, 17 if narrow else 20)),
            *(_cell(column.pick(outlook), narrow) for column in columns),
            Text(outlook.saturation.resource.name),
            _cell(USED.pick(outlook), narrow, "bold red" if used > MOST_UTILISATION else ""),
        )
    return grid


def cost_table(forecast: Forecast, width: int = 120) -> Table:
    """Return what a message costs each consumer, and the quantile that is not promised."""
    narrow = width < WIDE
    grid = _grid("Costs of each message and consumer")
    sides = dict.fromkeys(side for outlook in forecast.outlooks for side in outlook.cpu_by_side)
    columns = (*COSTS, *(_cpu(side) for side in sides), _latency("p99.9"))
    _head(grid, columns)
    for outlook in forecast.outlooks:
        cells = (_cell(column.pick(outlook), narrow) for column in columns)
        grid.add_row(Text(wrap(outlook.strategy, 17 if narrow else 20)), *cells)
    return grid


def _grid(title: str) -> Table:
    grid = Table(title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False)
    grid.padding = (0, 1, 0, 0)
    grid.add_column("strategy", no_wrap=True)
    return grid


def _head(grid: Table, columns: Sequence[Column]) -> None:
    for column in columns:
        grid.add_column(f"{column.heading}\n{column.unit}", justify="right", no_wrap=True)


def _cell(estimate: Estimate, narrow: bool, style: str = "") -> Text:
    if math.isnan(estimate.value):
        return Text(UNKNOWN)
    text = Text(number(estimate.value, most=4), style)
    if not math.isnan(estimate.low):
        low, high = (number(bound, most=4) for bound in (estimate.low, estimate.high))
        between = "–\n" if narrow else "–"
        text.append(f"\n{low}" if low == high else f"\n{low}{between}{high}", "dim")
    return text


def caveats(forecast: Forecast) -> list[str]:
    """Return where the promise ends, each sentence once, with the strategies that it is about."""
    about: dict[str, list[str]] = {}
    for outlook in forecast.outlooks:
        for text in outlook.caveats:
            about.setdefault(text, []).append(outlook.strategy)
    everyone = len(forecast.outlooks)
    own = [
        text if len(names) == everyone else f"{', '.join(names)}: {text}"
        for text, names in about.items()
    ]
    return [*own, *forecast.caveats]
