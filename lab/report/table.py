"""The table of a comparison: a row for each strategy and engine, the same wherever it is shown."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from lab.metrics import UNKNOWN, Interval, Result
from lab.outcomes.fates import WORDS
from lab.show import ENGINES, number, with_bounds, wrap
from lab.trace import Fate

WIDE = 118  # terminal columns; in fewer, the bounds stand below the means


class Column(NamedTuple):
    """A column: its heading, its unit, and the cell of a result."""

    heading: str
    unit: str
    cell: Callable[[Result], str]


def _latency(name: str) -> Callable[[Result], str]:
    def cell(result: Result) -> str:
        interval = result.latency.get(name, UNKNOWN)
        return with_bounds(interval.mean * 1e3, interval.half_width * 1e3)

    return cell


def _scaled(pick: Callable[[Result], Interval], scale: float = 1.0) -> Callable[[Result], str]:
    return lambda result: number(pick(result).mean * scale, most=4)


def fates(result: Result) -> str:
    """Say what became of the offered messages: "all 500", or how many came to each fate."""
    delivered = result.fates.get("delivered", 0)
    if result.offered is None:
        return number(math.nan)
    whole = delivered == result.offered
    parts = [f"all {delivered:,}" if whole else f"{delivered:,} of {result.offered:,}"]
    others = [(WORDS[Fate[n.upper()]], c) for n, c in result.fates.items() if n != "delivered"]
    others.append(("repeated", result.duplicates))
    parts += [f"{count:,} {word}" for word, count in others if count]
    return "; ".join(parts)


def is_whole(result: Result) -> bool:
    """Return whether every message was delivered that was wanted, and once, as far as is known."""
    told = sum(result.fates.get(fate, 0) for fate in ("delivered", "skipped"))
    return (result.offered is None or told == result.offered) and not result.duplicates


COLUMNS = (
    Column("mean", "ms", _latency("mean")),
    Column("p50", "ms", _latency("p50")),
    Column("p99", "ms", _latency("p99")),
    Column("requests", "/msg", _scaled(lambda r: r.requests_per_message)),
    Column("empty", "%", _scaled(lambda r: r.empty_replies, 100)),
    Column("bytes", "/msg", _scaled(lambda r: r.bytes_per_message)),
    Column("CPU", "µs/msg", _scaled(lambda r: r.cpu_seconds_per_message, 1e6)),
)
LAST = Column("delivered", "messages", fates)


def table(results: Sequence[Result], title: str = "", width: int = 120) -> Table:
    """Return the table for a terminal of `width` columns, which should be 100 at least.

    Times are milliseconds; ± is half of the 95 % interval over replications.
    """
    narrow = width < WIDE
    grid = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD, show_edge=False)
    grid.padding = (0, 1, 0, 0)
    grid.add_column("strategy", no_wrap=True)
    grid.add_column("by", no_wrap=True)
    for column in COLUMNS:
        grid.add_column(f"{column.heading}\n{column.unit}", justify="right", no_wrap=True)
    grid.add_column(f"{LAST.heading}\n{LAST.unit}", min_width=12)
    before = None
    for result in results:
        name = "" if before == result.strategy else wrap(result.strategy, 17 if narrow else 21)
        before = result.strategy
        cells = [column.cell(result) for column in COLUMNS]
        grid.add_row(
            Text(name),
            ENGINES[result.engine],
            *(cell.replace(" ±", "\n±") if narrow else cell for cell in cells),
            Text(fates(result), style="" if is_whole(result) else "bold red"),
        )
    return grid


def notes(results: Sequence[Result]) -> list[str]:
    """Return the warnings of `results`, each once, with the rows that it is about."""
    rows: dict[str, list[str]] = {}
    for result in results:
        for warning in result.warnings:
            rows.setdefault(warning, []).append(f"{result.strategy}, {ENGINES[result.engine]}")
    warned = sum(result.replications > 0 for result in results)
    return [
        f"All rows: {text}" if len(about) == warned > 1 else f"{'; '.join(about)}: {text}"
        for text, about in rows.items()
    ]
