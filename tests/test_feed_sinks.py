"""Sinks: rows and cursor in one transaction, nothing twice, batches by size and by time."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import asyncpg
import numpy as np
import pytest
from servers import on_loop

from lab.description import InvalidInput
from lab.feed import Event
from lab.feed.sinks import (
    Batcher,
    PostgresStore,
    SqliteStore,
    StoreError,
    insert_rate,
    open_store,
)
from lab.feed.ticks import Tick, ticks


def some(count: int) -> list[Tick]:
    return list(islice(ticks(np.random.default_rng(1)), count))


def rows(path: Path, what: str = "count(*)", of: str = "ticks") -> tuple[int, ...]:
    file = sqlite3.connect(path)
    try:
        return tuple(file.execute(f"SELECT {what} FROM {of}").fetchone())
    finally:
        file.close()


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_insert_rate_inserts_every_row_in_batches(batch: int, tmp_path: Path) -> None:
    path = tmp_path / "rate.db"
    found = insert_rate(batch, some(50), path)
    assert rows(path) == (50,)
    assert rows(path, "next", "cursors") == (50,)
    assert len(found.transactions) == -(-50 // batch)
    assert len(found.latency) == 50 and found.latency.min() > 0
    assert found.transactions.sum() == pytest.approx(found.seconds)
    assert found.rate == pytest.approx(50 / found.seconds)
    with pytest.raises(FileExistsError):
        insert_rate(batch, some(50), path)


def test_a_repeated_batch_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ticks.db"
    store = SqliteStore(path)
    try:
        assert store.insert_now("feed", some(10), 10) == 10
        assert store.insert_now("feed", some(10)[5:], 10) == 0
        assert store.insert_now("feed", some(3), 3) == 0, "a cursor does not go back"
        assert store.insert_now("other", some(3), 3) == 3
    finally:
        store.close_now()
    assert rows(path) == (13,)
    assert rows(path, "max(next)", "cursors") == (10,)


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ticks.db"
    store = SqliteStore(path)
    try:
        bad = Tick(5, None, 1.0, 1.0)  # type: ignore[arg-type]
        with pytest.raises(sqlite3.IntegrityError):
            store.insert_now("feed", [*some(5), bad], 6)
        assert rows(path) == (0,) and rows(path, of="cursors") == (0,)
        assert store.insert_now("feed", some(5), 5) == 5, "and the store goes on"
    finally:
        store.close_now()


@pytest.mark.parametrize("name", ["missing/ticks.db", ".", "text.db", "other.db"])
def test_what_is_no_database_for_ticks(name: str, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("precious " * 100)
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE ticks (something)")
    other.close()
    with pytest.raises(InvalidInput, match="not a database for ticks"):
        SqliteStore(tmp_path / name)
    assert (tmp_path / "text.db").read_text() == "precious " * 100


class Memory:
    """A store that keeps what it is told once it may, or fails."""

    name = "memory"

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.may.set()
        self.asked = 0
        self.batches: list[tuple[str, list[int], int]] = []
        self.broken = False

    async def insert(self, feed: str, ticks: Sequence[Tick], cursor: int) -> int:
        self.asked += 1
        await self.may.wait()
        if self.broken:
            raise StoreError("disk full")
        self.batches.append((feed, [tick.sequence for tick in ticks], cursor))
        return len(ticks)

    async def cursor(self, feed: str) -> int | None:
        return None

    async def close(self) -> None:
        pass


async def until(true: Callable[[], object]) -> None:
    while not true():
        await asyncio.sleep(0.001)


def event(sequence: int, feed: str = "a") -> Event:
    return Event(feed, sequence, {"symbol": "A", "price": 1.0, "time": 2.0})


@on_loop
async def test_a_batch_is_written_when_it_is_full_or_old() -> None:
    store = Memory()
    batcher = Batcher(store, size=3, linger=0.3)
    for sequence in range(7):
        await batcher(event(sequence))
    assert store.batches == [("a", [0, 1, 2], 3), ("a", [3, 4, 5], 6)]
    await until(lambda: len(store.batches) > 2)
    assert store.batches[2:] == [("a", [6], 7)]
    await batcher(event(7))
    await batcher(Event("a", 8, "no tick"))
    await batcher(event(0, "b"))
    await batcher.close()
    assert store.batches[3:] == [("a", [7], 9), ("b", [0], 1)]
    assert (batcher.new, batcher.others, batcher.transactions) == (9, 1, 5)


@on_loop
async def test_a_full_batch_waits_for_the_one_being_written() -> None:
    """So that the client stops reading, and memory is bounded, when the database is slow."""
    store = Memory()
    store.may.clear()
    batcher = Batcher(store, size=2, linger=0.01)
    await batcher(event(0))
    await until(lambda: store.asked)
    await batcher(event(1))
    full = asyncio.ensure_future(batcher(event(2)))
    await asyncio.sleep(0.05)
    assert store.asked == 1 and not full.done()
    store.may.set()
    await full
    assert [sequences for _, sequences, _ in store.batches] == [[0], [1, 2]]


@on_loop
async def test_one_who_is_cancelled_does_not_undo_a_write() -> None:
    store = Memory()
    store.may.clear()
    batcher = Batcher(store, size=1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await batcher(event(0))
    assert store.asked == 1
    store.may.set()
    await batcher.close()
    assert store.batches == [("a", [0], 1)]


@on_loop
async def test_a_write_that_failed_in_the_background_is_told() -> None:
    store = Memory()
    batcher = Batcher(store, size=10, linger=0.01)
    store.broken = True
    await batcher(event(0))
    await until(lambda: store.asked)
    await asyncio.sleep(0.01)
    with pytest.raises(StoreError, match="disk full"):
        await batcher(event(1))


@on_loop
async def test_postgres_keeps_rows_and_cursor_in_one_transaction(postgres: str) -> None:
    store = await open_store(postgres)
    assert isinstance(store, PostgresStore) and await store.cursor("feed") is None
    assert await store.insert("feed", some(10), 10) == 10
    assert await store.insert("feed", some(12)[5:], 12) == 2
    assert await store.insert("feed", some(3), 3) == 0
    assert await store.cursor("feed") == 12, "a cursor does not go back"
    assert await store.insert("other", some(3), 3) == 3
    bad = Tick(99, "A\0", 1.0, 1.0)
    with pytest.raises(StoreError):
        await store.insert("feed", [Tick(98, "A", 1.0, 1.0), bad], 100)
    assert await store.cursor("feed") == 12
    await store.close()
    again = await asyncpg.connect(postgres)
    found = await again.fetch("SELECT sequence, symbol, price, time FROM ticks WHERE feed = 'feed'")
    await again.close()
    assert sorted(Tick(*row) for row in found) == some(12)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret@127.0.0.1:1/nothing",
        "postgresql://me:secret@127.0.0.1:port/nothing",
        "postgres://me:secret@[/",
    ],
)
@on_loop
async def test_what_is_no_postgres_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidInput, match="not a database for ticks") as refused:
        await open_store(url)
    assert "secret" not in str(refused.value)
