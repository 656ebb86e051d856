"""Exactly once: clients are killed again and again while ticks flow, and nothing is missing or twice."""

import asyncio
import json
import multiprocessing
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest
from commands import PATIENCE

from lab.feed.ingestion import Ingestion, Wish
from lab.feed.server import Settings, serving
from lab.feed.sinks import SqliteStore
from lab.feed.ticks import Tick, ticks

KILLS = 3
PROGRESS = 20  # ticks that a client must have added before it is killed
RATE = 300.0
MOST = 50_000
WAYS = {
    "websocket": ("ws", "/stream"),
    "events": ("http", "/events"),
    "long_poll": ("http", "/records"),
    "short_poll": ("http", "/records"),
    "webhook": ("http", "/webhooks"),
    "postgres": ("ws", "/stream"),
}
FORKS = multiprocessing.get_context("forkserver")


class Source(threading.Thread):
    """A server beside the test, which publishes ticks until it is told to `stop`."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.drawn = ticks(np.random.default_rng(3), start=time.time())
        self.sent: list[Tick] = []
        self.ready, self.enough = threading.Event(), threading.Event()
        self.port, self.feed = 0, ""

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        async with serving(Settings()) as server:
            self.port, self.feed = server.port, server.board.feed
            self.closing = asyncio.Event()
            self.loop = asyncio.get_running_loop()
            self.ready.set()
            while not self.enough.is_set() and len(self.sent) < MOST:
                self.sent.append(next(self.drawn))
                server.board.publish([self.sent[-1]._asdict()])
                await asyncio.sleep(1 / RATE)
            await self.closing.wait()

    def stop(self) -> None:
        self.enough.set()
        self.loop.call_soon_threadsafe(self.closing.set)
        self.join()


def ingest(wish: Wish) -> None:
    """Do what `pushpull feed` does."""
    asyncio.run(Ingestion(wish).run())


class Sink:
    """A client process with a database, by its way of being connected."""

    def __init__(self, way: str, port: int, folder: Path, postgres: str) -> None:
        scheme, path = WAYS[way]
        self.way = way
        self.into = postgres if way == "postgres" else str(folder / f"{way}.db")
        url = f"{scheme}://127.0.0.1:{port}{path}"
        wait = 0.0 if way == "short_poll" else 10.0
        self.wish = Wish(url, self.into, batch=7, linger=0.02, wait=wait, interval=0.05)
        self.kills = 0
        self.start()

    def start(self) -> None:
        self.before = self.count()
        self.process = FORKS.Process(target=ingest, args=(self.wish,), daemon=True)
        self.process.start()

    def kill(self) -> None:
        self.process.kill()
        self.process.join(PATIENCE)
        assert self.process.exitcode == -signal.SIGKILL, f"{self.way} ran until then"
        self.kills += 1

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.count() < count:
            assert time.monotonic() < deadline, f"{self.way} has {self.count()} of {count}"
            time.sleep(0.01)

    def count(self) -> int:
        return int((self.ask("SELECT count(*) FROM ticks") or [(0,)])[0][0])

    def rows(self) -> list[tuple[Any, ...]]:
        """Return all ticks in the database, by sequence number."""
        return self.ask("SELECT feed, sequence, symbol, price, time FROM ticks ORDER BY sequence")

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of an answer, or none if there is no table yet."""
        if self.way == "postgres":
            return asyncio.run(_fetch(self.into, query))
        with closing(sqlite3.connect(self.into, timeout=10)) as file:
            try:
                return file.execute(query).fetchall()
            except sqlite3.OperationalError:
                return []


async def _fetch(url: str, query: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    except asyncpg.UndefinedTableError:
        return []
    finally:
        await connection.close()


@pytest.fixture
def source() -> Iterator[Source]:
    source = Source()
    source.start()
    assert source.ready.wait(PATIENCE)
    yield source
    source.stop()


def test_every_tick_once_though_clients_are_killed(
    source: Source, postgres: str, tmp_path: Path
) -> None:
    """All ways at once, each killed again and again in the middle of its work."""
    rng = np.random.default_rng(5)
    FORKS.set_forkserver_preload(["lab.feed.ingestion"])
    sinks = [Sink(way, source.port, tmp_path, postgres) for way in WAYS]
    try:
        for _ in range(KILLS):
            for sink in sinks:
                sink.wait_for(sink.before + PROGRESS)
                time.sleep(float(rng.uniform(0, 0.03)))
                sink.kill()
                sink.start()
        source.enough.set()
        time.sleep(0.1)
        for sink in sinks:
            sink.wait_for(len(source.sent))
    finally:
        for sink in sinks:
            sink.process.kill()
    expected = [(source.feed, *tick) for tick in source.sent]
    for sink in sinks:
        assert sink.kills == KILLS
        assert sink.rows() == expected, sink.way


def die_at(path: Path, step: int) -> None:
    """Insert a batch, and be killed before the statement number `step` of it."""
    store = SqliteStore(path)
    count = 0

    def trace(statement: str) -> None:
        nonlocal count
        count += 1
        if count > step:
            os.kill(os.getpid(), signal.SIGKILL)

    store._file.set_trace_callback(trace)
    store.insert_now("feed", SOME[3:6], 6)


SOME: list[Tick] = list(islice(ticks(np.random.default_rng(1)), 6))


def test_rows_and_cursor_are_there_together_or_not_at_all(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    ends = []
    for step in range(7):  # begin, three rows, the cursor, commit; then it is done
        path = tmp_path / f"{step}.db"
        store = SqliteStore(path)
        store.insert_now("feed", SOME[:3], 3)
        store.close_now()
        child = fork.Process(target=die_at, args=(path, step))
        child.start()
        child.join(PATIENCE)
        assert child.exitcode == (0 if step == 6 else -signal.SIGKILL)
        with closing(sqlite3.connect(path)) as file:
            rows = file.execute("SELECT sequence FROM ticks ORDER BY sequence").fetchall()
            ((cursor,),) = file.execute("SELECT next FROM cursors").fetchall()
        assert [number for (number,) in rows] == [*range(cursor)]
        ends.append(cursor)
    assert ends == [3] * 6 + [6], json.dumps(ends)
