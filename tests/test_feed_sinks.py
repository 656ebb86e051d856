"""Sinks: rows and cursor in one transaction, nothing twice, batches by size and by time."""

import sqlite3
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from lab.description import InvalidInput
from lab.feed.sinks import SqliteStore, insert_rate
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
