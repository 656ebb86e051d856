"""Where ticks go: a database, in which rows and the cursor after them are one transaction."""

from lab.feed.sinks.batcher import Batcher
from lab.feed.sinks.postgres import PostgresStore, open_postgres
from lab.feed.sinks.rate import Inserted, insert_rate
from lab.feed.sinks.sqlite import SqliteStore
from lab.feed.sinks.store import Store, StoreError


async def open_store(where: str) -> Store:
    """Open the database at a postgresql:// URL, or else the SQLite file of that name.

    Raises `InvalidInput` if it cannot be used.
    """
    if where.startswith(("postgresql://", "postgres://")):
        return await open_postgres(where)
    return SqliteStore(where)


__all__ = [
    "Batcher",
    "Inserted",
    "PostgresStore",
    "SqliteStore",
    "Store",
    "StoreError",
    "insert_rate",
    "open_postgres",
    "open_store",
]
