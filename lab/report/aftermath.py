"""What faults did, as a table for the terminal."""

import math
from collections.abc import Sequence

from rich.table import Table

from lab.aftermath import Aftermath
from lab.show import ENGINES, number


def aftermath_table(rows: Sequence[Aftermath]) -> Table:
    """Return the rows as a table for the terminal."""
    table = Table(title=f"After {rows[0].fault}", title_justify="left", box=None, padding=(0, 2))
    for name in ("strategy", ""):
        table.add_column(name)
    for name in ("recovered after (s)", "largest lag", "catching up (1/s)", "others' latency"):
        table.add_column(name, justify="right")
    for row in rows:
        seconds, peak, rate, harm = row.recovery
        table.add_row(
            row.strategy,
            ENGINES[row.engine],
            "never" if seconds == math.inf else number(seconds),
            number(peak),
            "–" if math.isnan(rate) else number(rate),
            "–" if math.isnan(harm) else f"× {number(harm)}",
        )
    return table
