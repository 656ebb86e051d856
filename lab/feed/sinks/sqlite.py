"""Ticks in an SQLite file: a batch of rows and the cursor after it are one transaction.

In WAL mode readers do not wait for the writer. With `synchronous` NORMAL a commit survives the end of
the process; after a power cut the last ones may be missing, rows and cursor together, so that
nothing is doubled and the missing rows can be fetched again. FULL is on disk at each commit.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from lab.description import InvalidInput
from lab.feed.sinks.store import StoreError
from lab.feed.ticks import Tick

Synchronous = Literal["OFF", "NORMAL", "FULL"]
SCHEMA = """
CREATE TABLE IF NOT EXISTS ticks (
    feed TEXT NOT NULL, sequence INTEGER NOT NULL,
    symbol TEXT NOT NULL, price REAL NOT NULL, time REAL NOT NULL,
    PRIMARY KEY (feed, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursors (
    feed TEXT PRIMARY KEY, next INTEGER NOT NULL
) WITHOUT ROWID;
"""
EXISTS = "SELECT 1 FROM sqlite_master WHERE name = 'ticks'"
COLUMNS = "SELECT feed, sequence, symbol, price, time FROM ticks LIMIT 0"
INSERT = "INSERT INTO ticks VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
SAVE = """
INSERT INTO cursors VALUES (?, ?)
ON CONFLICT (feed) DO UPDATE SET next = max(next, excluded.next)
"""
BUSY = 5.0  # seconds to wait for another writer


class SqliteStore:
    """Keeps ticks and cursors in the file at `path`, which is made if it is not there.

    Raises `InvalidInput` if that cannot be done.
    """

    def __init__(self, path: str | Path, synchronous: Synchronous = "NORMAL") -> None:
        self.name = str(path)
        try:
            self._file = sqlite3.connect(
                path, timeout=BUSY, isolation_level=None, check_same_thread=False
            )
            self._prepare(synchronous)
        except sqlite3.Error as error:
            raise InvalidInput(f"{path}: not a database for ticks: {error}") from None

    def _prepare(self, synchronous: Synchronous) -> None:
        try:
            if self._file.execute(EXISTS).fetchone():
                self._file.execute(COLUMNS)  # before anything is changed in a file of another kind
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute(f"PRAGMA synchronous = {synchronous}")
            self._file.executescript(SCHEMA)
        except sqlite3.Error:
            self._file.close()
            raise

    def insert_now(self, feed: str, ticks: Sequence[Tick], cursor: int) -> int:
        """Insert ticks that are not there yet and save the cursor; return how many were new."""
        run = self._file.execute
        run("BEGIN IMMEDIATE")
        try:
            before = self._file.total_changes
            self._file.executemany(INSERT, [(feed, *tick) for tick in ticks])
            new = self._file.total_changes - before
            run(SAVE, (feed, cursor))
            run("COMMIT")
        except BaseException:
            if self._file.in_transaction:  # a full disk has ended it already
                run("ROLLBACK")
            raise
        return new

    def close_now(self) -> None:
        """Close the file; everything is safe without."""
        self._file.close()

    async def insert(self, feed: str, ticks: Sequence[Tick], cursor: int) -> int:
        """Do as `insert_now`, beside the event loop. Raises `StoreError`."""
        try:
            return await asyncio.to_thread(self.insert_now, feed, ticks, cursor)
        except sqlite3.Error as error:
            raise StoreError(f"{self.name}: {error}") from None

    async def cursor(self, feed: str) -> int | None:
        """Return the number of the first message of `feed` that is not here yet, if known."""
        row = self._file.execute("SELECT next FROM cursors WHERE feed = ?", (feed,)).fetchone()
        return None if row is None else int(row[0])

    async def close(self) -> None:
        self.close_now()
