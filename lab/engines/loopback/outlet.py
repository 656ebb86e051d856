"""The sending end of a stream: frames go out in order, and the role is told when they cannot."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from lab.engines.loopback import settings
from lab.engines.loopback.actor import Actor
from lab.messages import Blocked, Writable


class Outlet:
    """Writes frames with `write`, a coroutine function that waits while the peer does not read.

    A frame that comes while `write` waits makes the role hold what follows (`Blocked`), until all
    is written (`Writable`); without an actor nobody is told. Of what the role held meanwhile no more is
    taken at a time than the library would buffer, up to its high-water mark. A peer that then does not read for
    `settings.SEND_DEADLINE` is given up: `run` raises `TimeoutError`. The deadline is set only while
    blocked, so that it costs nothing. `abort` ends the connection.
    """

    def __init__(
        self,
        actor: Actor | None,
        consumer: int,
        write: Callable[[Any], Awaitable[None]],
        transport: asyncio.Transport | None = None,
    ) -> None:
        self.actor = actor
        self.consumer = consumer
        self.write = write
        self.transport = transport
        self.frames: deque[Any] = deque()
        self.ready = asyncio.Event()
        self.writing = False
        self.blocked = False
        self.resuming = False
        self.taken = 0  # bytes, since the role was told to resume
        self.closed = False
        self.deadline = asyncio.timeout(None)

    def put(self, frame: Any) -> None:
        """Send `frame` as soon as the connection takes it; it is lost if that is gone."""
        if self.closed:
            return
        self.frames.append(frame)
        if not self.writing:
            self.ready.set()
        elif not self.blocked and self._is_full(frame):
            self.blocked = True
            self._expect_progress()
            if self.actor:
                self.actor.handle(Blocked(self.consumer))

    def _is_full(self, frame: Any) -> bool:
        """Say whether what follows `frame` must wait: for a write, or for what is taken already."""
        if not self.resuming:
            return True
        self.taken += len(frame)
        return self.transport is None or self.taken >= self.transport.get_write_buffer_limits()[1]

    async def run(self) -> None:
        """Write frames for ever; ends with the connection."""
        try:
            async with self.deadline:
                while True:
                    await self.ready.wait()
                    self.ready.clear()
                    await self._write_all()
        finally:
            self.close()

    async def _write_all(self) -> None:
        while self.frames:
            self.writing = True
            await self.write(self.frames.popleft())
            self.writing = False
            if self.blocked:
                self._expect_progress()
        if self.blocked and not self.closed:
            self.blocked = False
            self.deadline.reschedule(None)
            if self.actor:
                self._resume(self.actor)

    def _resume(self, actor: Actor) -> None:
        self.writing = self.resuming = True
        self.taken = 0
        actor.handle(Writable(self.consumer))
        self.writing = self.resuming = False
        if self.frames:
            self.ready.set()

    def _expect_progress(self) -> None:
        now = asyncio.get_running_loop().time()
        self.deadline.reschedule(now + settings.SEND_DEADLINE)

    def close(self) -> None:
        """Take no more frames, and lose those that are not written."""
        self.closed = True
        self.frames.clear()

    def abort(self) -> None:
        """End the connection at once."""
        self.close()
        if self.transport:
            self.transport.abort()
