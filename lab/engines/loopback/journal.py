"""A log's journal in an SQLite file, so that a broker that was killed can go on where it was.

Each call is one transaction, on disk when it returns. A batch is one row: its first offset, when
and under which sequence number it was appended, and its messages as 64-bit integers.
"""

import sqlite3
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from lab.description import LARGEST, InvalidInput
from lab.roles import Log, Retention

SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE batches (first INTEGER PRIMARY KEY, at REAL, sequence INTEGER, messages BLOB);
CREATE TABLE committed (reader TEXT PRIMARY KEY, "offset" INTEGER) WITHOUT ROWID;
CREATE TABLE kept (start INTEGER);
INSERT INTO kept VALUES (0);
COMMIT;
"""
# The batch that holds `start` stays, or the last one: it knows the sequence number and the end.
FORGET = "DELETE FROM batches WHERE first < (SELECT max(first) FROM batches WHERE first <= ?)"


class SqliteJournal:
    """Keeps one log in the file at `path`, which is made if it is not there.

    With another `synchronous` than FULL the system decides when what was written is on disk: enough
    if only the process dies. Raises `InvalidInput` if the file is not a journal or is damaged.
    """

    def __init__(self, path: Path, synchronous: Literal["OFF", "NORMAL", "FULL"] = "FULL") -> None:
        self.path = path
        with self._refusing():
            self._file = sqlite3.connect(path, isolation_level=None)  # no implicit transactions
            try:
                self._prepare(synchronous)
            except BaseException:
                self._file.close()
                raise

    def _prepare(self, synchronous: str) -> None:
        run = self._file.execute
        (tables,) = run("SELECT count(*) FROM sqlite_master").fetchone()
        if not tables:
            run("PRAGMA journal_mode = WAL")
            self._file.executescript(SCHEMA)
        run(f"PRAGMA synchronous = {synchronous}")

    def close(self) -> None:
        """Close the file. What it keeps is safe without."""
        self._file.close()

    def append(
        self, offset: int, messages: Sequence[int], sequence: int | None, now: float
    ) -> None:
        """Keep `messages`, the first of them at `offset`, and the producer's last `sequence`."""
        row = (offset, now, sequence, array("q", messages).tobytes())
        self._file.execute("INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?)", row)

    def commit(self, reader: str, offset: int) -> None:
        """Keep that `reader` is done with all records before `offset`."""
        self._file.execute("INSERT OR REPLACE INTO committed VALUES (?, ?)", (reader, offset))

    def expire(self, start: int) -> None:
        """Forget all records before `start`."""
        with self._file:
            self._file.execute("BEGIN IMMEDIATE")
            self._file.execute("UPDATE kept SET start = ?", (start,))
            self._file.execute(FORGET, (start,))

    def restore(
        self,
        retention: Retention | None = None,
        sizes: Sequence[int] = (),
        epoch: int = 0,
        keeps_times: bool = True,
    ) -> Log:
        """Return the log as it was, or a new one; it goes on in this journal.

        Raises `InvalidInput` if what is kept does not fit together.
        """
        with self._refusing():
            ((start,),) = self._file.execute("SELECT start FROM kept")
            log = Log(retention, sizes, epoch, keeps_times=keeps_times, start=start)
            self._read_batches(log)
            for reader, offset in self._file.execute('SELECT reader, "offset" FROM committed'):
                if not 0 <= offset <= log.end:
                    raise ValueError(
                        f"offset {offset} was committed, but the log ends at {log.end}"
                    )
                log.committed[reader] = offset
        log.journal = self
        return log

    def _read_batches(self, log: Log) -> None:
        start, end = log.start, 0
        known = len(log.sizes) or LARGEST
        rows = self._file.execute(
            "SELECT first, at, sequence, messages FROM batches ORDER BY first"
        )
        for first, at, sequence, data in rows:
            messages = array("q", data)
            if messages and not 0 <= min(messages) <= max(messages) < known:
                raise ValueError(f"there are no such messages as those at offset {first}")
            end = first + len(messages)
            log.append(messages[max(0, start - first) :], at)
            log.sequence = None if sequence is None else sequence + 0
        if log.end != end:
            raise ValueError(f"records are missing between {start} and {end}")

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Turn whatever a wrong file leads to into one line for the user."""
        try:
            yield
        except (sqlite3.Error, ValueError, TypeError, LookupError, OverflowError) as error:
            reason = " ".join(str(error).split())
            raise InvalidInput(f"{self.path}: not a journal of the lab: {reason}") from None
