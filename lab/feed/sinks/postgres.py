"""Ticks in PostgreSQL: COPY into a table of the connection's own, from there into that of all.

Copied straight into `ticks`, a batch would fail as a whole on a row that is there already.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from lab.description import InvalidInput
from lab.feed.sinks.store import StoreError
from lab.feed.ticks import Tick

SCHEMA = """
CREATE TABLE IF NOT EXISTS ticks (
    feed text NOT NULL, sequence bigint NOT NULL,
    symbol text NOT NULL, price double precision NOT NULL, time double precision NOT NULL,
    PRIMARY KEY (feed, sequence)
);
CREATE TABLE IF NOT EXISTS cursors (feed text PRIMARY KEY, next bigint NOT NULL);
CREATE TEMPORARY TABLE incoming (LIKE ticks) ON COMMIT DELETE ROWS;
"""
COLUMNS = ("feed", "sequence", "symbol", "price", "time")
INSERT = f"INSERT INTO ticks SELECT {', '.join(COLUMNS)} FROM incoming ON CONFLICT DO NOTHING"
SAVE = """
INSERT INTO cursors VALUES ($1, $2)
ON CONFLICT (feed) DO UPDATE SET next = greatest(cursors.next, excluded.next)
"""
DEADLINE = 10.0  # seconds for a connection to be made, and for each command


class PostgresStore:
    """Keeps ticks and cursors in the database at `url`, over one connection."""

    def __init__(self, url: str, connection: Any, driver: ModuleType) -> None:
        self.name = shown(url)
        self._connection = connection
        self._errors = (driver.PostgresError, driver.InterfaceError, OSError)

    async def insert(self, feed: str, ticks: Sequence[Tick], cursor: int) -> int:
        rows = [(feed, *tick) for tick in ticks]
        try:
            async with self._connection.transaction():
                await self._connection.copy_records_to_table(
                    "incoming", records=rows, columns=COLUMNS
                )
                done = await self._connection.execute(INSERT)
                await self._connection.execute(SAVE, feed, cursor)
        except self._errors as error:
            raise StoreError(f"{self.name}: {error}") from None
        return int(done.split()[-1])  # it says "INSERT 0 100"

    async def cursor(self, feed: str) -> int | None:
        try:
            found = await self._connection.fetchval(
                "SELECT next FROM cursors WHERE feed = $1", feed
            )
        except self._errors as error:
            raise StoreError(f"{self.name}: {error}") from None
        return None if found is None else int(found)

    async def close(self) -> None:
        await self._connection.close(timeout=DEADLINE)


async def open_postgres(url: str) -> PostgresStore:
    """Connect, and make the tables that are not there. Raises `InvalidInput`."""
    try:
        import asyncpg  # only for those who want it
    except ImportError:
        raise InvalidInput(f"{shown(url)}: needs pip install 'pushpull-lab[postgres]'") from None
    try:
        connection = await asyncpg.connect(url, timeout=DEADLINE, command_timeout=DEADLINE)
        await connection.execute(SCHEMA)
        await connection.execute(f"SELECT {', '.join(COLUMNS)} FROM ticks LIMIT 0")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        raise InvalidInput(f"{shown(url)}: not a database for ticks: {error}") from None
    return PostgresStore(url, connection, asyncpg)


def shown(url: str) -> str:
    """Return a URL without its password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "postgresql://…"
    user, _, host = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return parts._replace(netloc=f"{name}@{host}" if user else host, query="").geturl()
