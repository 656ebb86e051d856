"""The outlet of a stream: what it takes from a role that has waited."""

import asyncio
from typing import Any

from servers import on_loop

from lab.engines.loopback.outlet import Outlet
from lab.messages import Blocked, Writable

HIGH_WATER = 100  # bytes


class Transport:
    def get_write_buffer_limits(self) -> tuple[int, int]:
        return HIGH_WATER // 4, HIGH_WATER


class Holding:
    """An actor that has `backlog` frames to send and holds them while it is blocked."""

    def __init__(self, backlog: list[str]) -> None:
        self.backlog = backlog
        self.outlet: Any = None
        self.blocked = False
        self.took: list[int] = []  # bytes that the outlet took each time

    def handle(self, message: Blocked | Writable) -> None:
        self.blocked = isinstance(message, Blocked)
        if not self.blocked:
            self.took.append(0)
        while self.backlog and not self.blocked:
            frame = self.backlog.pop(0)
            self.took[-1] += len(frame)
            self.outlet.put(frame)


@on_loop
async def test_no_more_is_taken_of_a_backlog_than_the_library_would_buffer() -> None:
    reads, written = asyncio.Event(), list[str]()

    async def write(frame: str) -> None:
        await reads.wait()
        written.append(frame)

    frames = [f"{number:010d}" for number in range(52)]
    actor: Any = Holding(frames[2:])
    transport: Any = Transport()
    outlet = actor.outlet = Outlet(actor, 0, write, transport)
    running = asyncio.create_task(outlet.run())
    outlet.put(frames[0])
    await asyncio.sleep(0)
    outlet.put(frames[1])
    assert actor.blocked and not written
    reads.set()
    while len(written) < len(frames):
        await asyncio.sleep(0)
    assert written == frames
    assert actor.took[:5] == [HIGH_WATER] * 5
    await asyncio.sleep(0)
    assert not outlet.blocked
    outlet.close()
    running.cancel()
