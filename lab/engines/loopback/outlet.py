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
    is written (`Writable`). A peer that does not read for `settings.SEND_DEADLINE` is given up.
    """

    def __init__(
        self, actor: Actor, consumer: int, write: Callable[[Any], Awaitable[None]]
    ) -> None:
        self.actor = actor
        self.consumer = consumer
        self.write = write
        self.frames: deque[Any] = deque()
        self.ready = asyncio.Event()
        self.writing = False
        self.blocked = False

    def put(self, frame: Any) -> None:
        """Send `frame` as soon as the connection takes it."""
        self.frames.append(frame)
        if not self.writing:
            self.ready.set()
        elif not self.blocked:
            self.blocked = True
            self.actor.handle(Blocked(self.consumer))

    async def run(self) -> None:
        """Write frames for ever; ends with the connection."""
        while True:
            await self.ready.wait()
            self.ready.clear()
            while self.frames:
                self.writing = True
                async with asyncio.timeout(settings.SEND_DEADLINE):
                    await self.write(self.frames.popleft())
                self.writing = False
            if self.blocked:
                self.blocked = False
                self.actor.handle(Writable(self.consumer))
