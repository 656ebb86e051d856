"""What benchmarks have in common: rates beside pytest-benchmark's times, and ratios."""

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:  # scripts do without it
    from pytest_benchmark.fixture import BenchmarkFixture

WIDTH = 110  # columns of a table that does not go to a terminal


def note_rate(benchmark: "BenchmarkFixture", count: int, unit: str = "messages") -> None:
    """Add `<unit>_per_second` at the median round, in each of which `count` were handled."""
    if benchmark.stats:  # nothing was timed with --benchmark-disable
        rate = count / benchmark.stats.stats.median
        benchmark.extra_info[f"{unit}_per_second"] = round(rate)


def ratios(of: Sequence[float], to: Sequence[float]) -> list[float]:
    """Return the ratio in each repetition; neighbours in time are compared, so load cancels."""
    return [a / b for a, b in zip(of, to, strict=True)]


def new_console() -> Console:
    """Return a console on which tables are as wide in a file as on a wide terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def shown(values: Sequence[float]) -> str:
    """Show the median and the range, as `2.61 (2.40–2.83)`."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"
