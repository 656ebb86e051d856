"""Keep-alive pings in virtual time: one end of a WebSocket asks now and then, the other answers.

On loopback the library does this by itself. So it is physics, and no role: a control frame is read
and written in a turn of its loop like any other, but nothing is decoded and no role is asked.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from lab.engines.simulation.actor import Actor, Run
from lab.engines.simulation.link import Link
from lab.engines.simulation.loop import EventLoop, charge
from lab.engines.simulation.prices import PING
from lab.physics import Cost, Physics
from lab.wire.formats import websocket_size

PAYLOAD = 4  # bytes that the library puts into a ping
READING, WRITING = PING, PING << 1  # bits of code


class Ping(NamedTuple):
    """Asks the other end whether it is there."""


class Pong(NamedTuple):
    """Says so."""


class Asking:
    """Sends a ping every `interval` seconds, as `websockets` does: the first one after that time."""

    accepting = True

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.asked_at = 0.0
        self.wake_at = interval

    def wake(self, now: float) -> list[Ping]:
        self.asked_at, self.wake_at = now, math.inf
        return [Ping()]

    def receive(self, message: Pong, now: float) -> tuple[()]:
        self.wake_at = max(now, self.asked_at + self.interval)
        return ()


class Answering:
    """Answers every ping at once."""

    accepting = True
    wake_at = math.inf

    def receive(self, message: Ping, now: float) -> list[Pong]:
        return [Pong()]


class End(Actor):
    """One end of an idle WebSocket; `link` leads to the other. Pays for control frames only."""

    link: Link

    def __init__(
        self, role: Any, loop: EventLoop, run: Run, rank: int, physics: Physics, masked: bool
    ) -> None:
        super().__init__(role, loop, run, rank)
        cold, stream = physics.loop.cold, physics.stream
        self.reading = charge(_control(stream.receive), READING, cold * stream.receive.cold)
        self.writing = charge(_control(stream.send), WRITING, cold * stream.send.cold)
        self.size = websocket_size(PAYLOAD, masked)

    def take(self, message: Any, first: bool, now: int) -> int:
        return self.handle(message, self.loop.pay(self.reading, now))

    def emit(self, outputs: Iterable[Any], now: int) -> int:
        for output in outputs:
            now = self.loop.pay(self.writing, now)
            self.link.send(output, self.size, now)
        return now


def _control(cost: Cost) -> float:
    """Return the seconds for a control frame: what each turn pays for a socket, and its bytes."""
    return cost.once + PAYLOAD * cost.byte
