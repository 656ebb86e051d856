"""An `on_event` that collects ticks and inserts them in batches, by size and by time."""

import asyncio
from collections.abc import Sequence

from lab.feed.client.events import Event
from lab.feed.sinks.store import Store
from lab.feed.ticks import Tick


class Batcher:
    """Inserts `size` ticks at once, or what there is `linger` seconds after the first of them.

    While a batch is written the next is collected; one that is full waits, and so does the client.
    Messages that are no ticks are counted and passed over.
    """

    def __init__(self, store: Store, size: int = 100, linger: float = 0.5) -> None:
        self.store = store
        self.size = size
        self.linger = linger
        self.feed = ""
        self.cursor = 0
        self.ticks: list[Tick] = []
        self.others = 0
        self.new = 0
        self.repeated = 0
        self.transactions = 0
        self.timer: asyncio.TimerHandle | None = None
        self.late: asyncio.Task[None] | None = None
        self.lock = asyncio.Lock()
        self.writing: asyncio.Task[None] | None = None

    async def __call__(self, event: Event) -> None:
        """Take an event. Raises what a write before it has failed with."""
        if self.late and self.late.done():
            self.late.result()
        if event.feed != self.feed:
            await self.flush()
            self.feed = event.feed
        self.cursor = event.sequence + 1
        tick = Tick.read(event.sequence, event.data)
        if tick is None:
            self.others += 1
        else:
            self.ticks.append(tick)
        if len(self.ticks) >= self.size:
            await self.flush()
        elif self.timer is None:
            self.timer = asyncio.get_running_loop().call_later(self.linger, self._flush_late)

    async def flush(self) -> None:
        """Write what was collected. One who is cancelled meanwhile does not cancel the write."""
        if self.timer:
            self.timer.cancel()
            self.timer = None
        async with self.lock:
            if self.writing:
                await asyncio.shield(self.writing)
            if self.ticks:
                ticks, self.ticks = self.ticks, []
                self.writing = asyncio.ensure_future(self._write(self.feed, ticks, self.cursor))
                await asyncio.shield(self.writing)

    async def close(self) -> None:
        """Write the rest and close the store."""
        try:
            await self.flush()
        finally:
            await self.store.close()

    def _flush_late(self) -> None:
        self.timer = None
        self.late = asyncio.ensure_future(self.flush())

    async def _write(self, feed: str, ticks: Sequence[Tick], cursor: int) -> None:
        new = await self.store.insert(feed, ticks, cursor)
        self.transactions += 1
        self.new += new
        self.repeated += len(ticks) - new
