"""How fast ticks go into SQLite, by the size of a batch."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab.feed.sinks.sqlite import SqliteStore, Synchronous
from lab.feed.ticks import Tick


class Inserted(NamedTuple):
    """What it took to insert `rows` rows, `batch` in each transaction (the last may have fewer).

    `transactions` are the seconds of each, from the first row handed over until it is committed.
    """

    rows: int
    batch: int
    seconds: float
    transactions: NDArray[np.float64]

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds

    @property
    def latency(self) -> NDArray[np.float64]:
        """Seconds from when a row is handed over, with its batch, until it is committed; by row.

        The wait until a batch is full comes before that and depends on how fast rows arrive.
        """
        return np.repeat(self.transactions, self.batch)[: self.rows]


def insert_rate(
    batch: int, rows: Sequence[Tick], path: str | Path, synchronous: Synchronous = "NORMAL"
) -> Inserted:
    """Insert `rows` into a new SQLite file at `path`, `batch` in one transaction, and time it.

    WAL mode, with the cursor in each transaction: just what a sink does. The file must not exist.
    """
    if batch < 1 or not rows:
        raise ValueError(f"need rows and a batch of at least 1, got {len(rows)} and {batch}")
    if Path(path).exists():
        raise FileExistsError(f"{path}: need a new file")
    store = SqliteStore(path, synchronous)
    try:
        stamps = [time.perf_counter()]
        for first in range(0, len(rows), batch):
            some = rows[first : first + batch]
            store.insert_now("rate", some, some[-1].sequence + 1)
            stamps.append(time.perf_counter())
    finally:
        store.close_now()
    return Inserted(len(rows), batch, stamps[-1] - stamps[0], np.diff(stamps))
