"""What a durable log costs: appending to a log in memory, and to one with a journal.

    python benchmarks/journal_cost.py [--quick]

The journal is `lab.engines.loopback.journal` with each of SQLite's ways to write: OFF and NORMAL
outlive the end of the process only, FULL (the lab's) has every append on disk before the next. An
append is a batch of 1, 10 or 100 messages. All logs take turns; each repetition begins with new
ones. A ratio is the median of those to the log in memory within a repetition, with their range.
The disk is that of the temporary folder: set TMPDIR to try another. Takes a quarter of a minute.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from figures import new_console, ratios, shown
from rich.table import Table

from lab.engines.loopback.journal import SqliteJournal
from lab.roles import Log

BATCHES = (1, 10, 100)
MEMORY = "memory"
LOGS = {MEMORY: 20_000, "OFF": 2_000, "NORMAL": 2_000, "FULL": 500}  # how many appends are timed
SHOWN = {mode: mode if mode == MEMORY else f"journal, {mode}" for mode in LOGS}


class Case(NamedTuple):
    mode: str
    batch: int


CASES = [Case(mode, batch) for batch in BATCHES for mode in LOGS]


def seconds_per_append(case: Case, count: int, folder: Path) -> float:
    """Append `count` batches to a new log, after some that do not count."""
    journal = None
    if case.mode == MEMORY:
        log = Log(keeps_times=True)
    else:
        journal = SqliteJournal(folder / "log.db", case.mode)
        log = journal.restore()
    batch = tuple(range(case.batch))
    for _ in range(count // 10):
        log.append(batch, 0.0)
    begun_at = time.perf_counter()
    for _ in range(count):
        log.append(batch, 0.0)
    elapsed = time.perf_counter() - begun_at
    if journal is not None:
        journal.close()
    return elapsed / count


def measure(repetitions: int, say: Callable[[str], None]) -> dict[Case, list[float]]:
    """Return the seconds of an append in each repetition."""
    found: dict[Case, list[float]] = {case: [] for case in CASES}
    for repetition in range(repetitions):
        for case in CASES:
            say(f"repetition {repetition + 1} of {repetitions}: {SHOWN[case.mode]}, {case.batch}")
            with tempfile.TemporaryDirectory() as folder:
                found[case].append(seconds_per_append(case, LOGS[case.mode], Path(folder)))
    return found


def table(found: dict[Case, list[float]]) -> Table:
    result = Table("batch", "log", "µs an append", "appends/s", "messages/s", ": memory")
    for case, values in found.items():
        median = statistics.median(values)
        times = ratios(values, found[Case(MEMORY, case.batch)])
        result.add_row(
            str(case.batch) if case.mode == MEMORY else "",
            SHOWN[case.mode],
            f"{median * 1e6:.2f}",
            f"{1 / median:,.0f}",
            f"{case.batch / median:,.0f}",
            shown(times),
            end_section=case.mode == list(LOGS)[-1],
        )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three repetitions in place of eleven")
    repetitions = 3 if parser.parse_args().quick else 11
    console = new_console()
    with console.status("starting") as status:
        found = measure(repetitions, status.update)
    console.print(table(found))


if __name__ == "__main__":
    main()
