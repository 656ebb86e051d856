"""A client with a database behind it: what `pushpull feed` runs."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lab.engines.common import luck
from lab.feed import limits
from lab.feed.client import Client, Event
from lab.feed.sinks import Batcher, open_store


@dataclass(frozen=True)
class Wish:
    """What to fetch from where: `count` ticks at most, for `seconds` at most."""

    url: str
    into: str
    symbols: Sequence[str] | None = None
    batch: int = 100
    linger: float = 0.5
    wait: float = 10.0
    interval: float = 1.0
    count: int | None = None
    seconds: float | None = None
    token: str | None = None
    patience: float = 10.0
    name: str = "feed"


class Ingestion:
    """Brings the ticks of a feed into a database, and goes on where one before it was cut off."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.batcher: Batcher | None = None
        self.client = Client(
            wish.url,
            self._take,
            wish.symbols,
            resume=self._resume,
            begin="earliest",
            wait=wish.wait,
            interval=wish.interval,
            batch=min(wish.batch, limits.BATCH),
            name=wish.name,
            token=wish.token,
            patience=wish.patience,
            luck=luck(os.getpid(), 0, 0),  # those who were cut off together come back one by one
        )

    async def run(self) -> None:
        """Go on until there are enough, or the time is up, or for ever."""
        wish = self.wish
        self.batcher = Batcher(await open_store(wish.into), wish.batch, wish.linger)
        try:
            if wish.seconds is not None:
                asyncio.get_running_loop().call_later(wish.seconds, self.client.stop)
            await self.client.listen()
        finally:
            await self.batcher.close()

    async def _resume(self, feed: str) -> int | None:
        assert self.batcher is not None
        return await self.batcher.store.cursor(feed)

    async def _take(self, event: Event) -> None:
        assert self.batcher is not None
        await self.batcher(event)
        if self.client.counts.events + 1 == self.wish.count:
            self.client.stop()

    def to_json(self) -> dict[str, Any]:
        """Return what was done, as plain data."""
        found = {"feed": self.client.feed, **asdict(self.client.counts)}
        if self.batcher:
            found |= {
                "into": self.batcher.store.name,
                "new": self.batcher.new,
                "already_there": self.batcher.repeated,
                "no_ticks": self.batcher.others,
                "transactions": self.batcher.transactions,
                "next": self.batcher.cursor,
            }
        return found

    def summary(self) -> str:
        """Return what was done, in one line."""
        batcher, counts = self.batcher, self.client.counts
        if batcher is None:
            return "nothing was written"
        text = f"{batcher.new:,} new ticks in {batcher.store.name}"
        text += f" (transactions: {batcher.transactions:,}, connections: {counts.connections:,})"
        more = {
            "already there": batcher.repeated,
            "messages that are no ticks": batcher.others,
            "lost, since the server had forgotten them": counts.lost,
        }
        return text + "".join(f"; {count:,} {what}" for what, count in more.items() if count)
