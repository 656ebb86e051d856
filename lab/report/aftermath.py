"""What faults did, as tables for the terminal, Markdown and HTML."""

import math
from collections.abc import Iterator, Sequence

from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from lab.metrics import Run
from lab.outcomes.aftermath import Aftermath, aftermath
from lab.outcomes.fates import Account, accounts
from lab.report.page import Grid
from lab.scenario import Scenario
from lab.show import ENGINES, number, wrap
from lab.trace import PLACES

WIDEST = 30  # characters of a strategy, in the terminal
PER_FAULT = "; "  # between the faults to which messages were lost


def grids(scenario: Scenario, runs: Sequence[Run]) -> list[Grid]:
    """Return the tables of what went wrong in `runs`, without those that would say nothing."""
    told = list(accounts(scenario, runs))
    made = (_fates(told), _recovery(list(aftermath(scenario, runs))), _peaks(told))
    return [grid for grid in made if grid is not None]


def terminal(grid: Grid) -> Table:
    """Return a table for the terminal."""
    table = Table(title=grid.title, title_justify="left", box=None, padding=(0, 2))
    for i, name in enumerate(grid.heads):
        justify: JustifyMethod = "right" if i in grid.numbers else "left"
        table.add_column(Text(name), justify=justify, no_wrap=not i)
    for row in grid.rows:
        table.add_row(Text(wrap(row[0], WIDEST)), *(Text(cell) for cell in row[1:]))
    return table


def _fates(told: Sequence[Account]) -> Grid | None:
    """Return a column for each fate that some message met."""
    if not told:
        return None
    met = [word for word in told[0].fates if any(a.fates[word] for a in told)]
    heads = ["strategy", "by", "messages", *met, "done again"]
    to = any(a.lost_to for a in told)
    rows = [
        [
            *_who(a),
            *(f"{n:,}" for n in (a.messages, *(a.fates[word] for word in met), a.done_again)),
            *([_lost_to(a)] if to else []),
        ]
        for a in told
    ]
    numbers = range(2, len(heads))
    return Grid(
        "What became of the messages", [*heads, *(["lost to"] if to else [])], rows, numbers
    )


def _lost_to(account: Account) -> str:
    return PER_FAULT.join(f"{fault}: {n:,}" for fault, n in account.lost_to.items()) or "–"


def _recovery(rows: Sequence[Aftermath]) -> Grid | None:
    if not rows:
        return None
    heads = [
        "strategy",
        "by",
        "recovered after (s)",
        "largest lag of what arrived",
        "catching up (1/s)",
    ]
    heads.append("others' latency")
    cells = []
    for row in rows:
        seconds, peak, rate, harm = row.recovery
        cells.append(
            [
                *_who(row),
                "never" if seconds == math.inf else number(seconds),
                number(peak),
                number(rate),
                "–" if math.isnan(harm) else f"× {number(harm)}",
            ]
        )
    return Grid(f"After {rows[0].fault}", heads, cells, range(2, len(heads)))


def _peaks(told: Sequence[Account]) -> Grid | None:
    used = [place for place in PLACES if any(a.peaks.get(place) for a in told)]
    if not used:
        return None
    rows = [[*_who(a), *(f"{a.peaks.get(place, 0):,}" for place in used)] for a in told]
    title = "Most messages waiting at once in each place"
    return Grid(title, ["strategy", "by", *used], rows, range(2, 2 + len(used)))


def _who(row: Account | Aftermath) -> Iterator[str]:
    yield row.strategy
    yield ENGINES[row.engine]
