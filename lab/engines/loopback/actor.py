"""Actors: a role on asyncio. They give it the time, send what it answers, and stamp the trace."""

import asyncio
import math
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from lab.engines.common import FATES
from lab.engines.loopback.site import Site
from lab.messages import (
    Accepted,
    Committed,
    Connect,
    Deliver,
    Disconnect,
    Message,
    OutOfRange,
    Publish,
    Records,
    Role,
    Status,
    Subscribe,
)
from lab.trace import Fate


class Place(Protocol):
    """Where an actor lives: an event loop, and a clock that began at `start`."""

    loop: asyncio.AbstractEventLoop
    start: float  # CLOCK_MONOTONIC

    def now(self) -> float: ...


class Actor:
    """Drives `role`. Subclasses say what is stamped; `send` puts a message on its wire."""

    site: Place

    def __init__(self, role: Role, site: Place) -> None:
        self.role = role
        self.site = site
        self.timer: asyncio.TimerHandle | None = None
        self.planned = math.inf
        self.send: Callable[[Any], None] = _unconnected
        self.gate: asyncio.Event | None = None  # somebody waits until the role accepts more

    def plan(self) -> None:
        """Have the role woken when it wants to be."""
        wake_at = self.role.wake_at
        if wake_at == self.planned:
            return
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.planned = wake_at
        if wake_at != math.inf:
            self.timer = self.site.loop.call_at(self.site.start + wake_at, self.wake)

    def wake(self) -> None:
        self.timer, self.planned = None, math.inf
        self.emit(self.role.wake(max(self.site.now(), self.role.wake_at)))
        self.plan()
        if self.gate is not None:
            self._open()

    def handle(self, message: Message) -> None:
        """Let the role have a message and send what it answers."""
        outputs = self.role.receive(message, self.site.now())
        if outputs:
            self.emit(outputs)
        if self.role.wake_at != self.planned:
            self.plan()
        if self.gate is not None:
            self._open()

    async def accepts(self) -> None:
        """Wait until the role wants more to be read for it."""
        while not self.role.accepting:
            self.gate = self.gate or asyncio.Event()
            await self.gate.wait()

    def _open(self) -> None:
        if self.role.accepting and self.gate is not None:
            self.gate.set()
            self.gate = None

    def emit(self, outputs: Iterable[Any]) -> None:
        raise NotImplementedError


def _unconnected(message: Any) -> None:
    raise RuntimeError(f"no connection for {message!r}")


class Source(Actor):
    """The producer. `connect_again` tries once to open its connection."""

    site: Site

    def __init__(self, role: Role, site: Site) -> None:
        super().__init__(role, site)
        self.sent = site.views("sent")[0]
        self.accepted = site.views("accepted")[0]
        self.connect_again: Callable[[], Any] = lambda: None

    def take(self, message: Accepted) -> None:
        """Take note of what the broker has accepted."""
        if self.accepted[message.sequence] != self.accepted[message.sequence]:  # NaN
            self.accepted[message.sequence] = self.site.now()
        self.handle(message)

    def emit(self, outputs: Iterable[Any]) -> None:
        sent = self.sent
        for output in outputs:
            if type(output) is Connect:
                self.connect_again()
                continue
            now = self.site.now()
            for m in output.messages:
                if sent[m] != sent[m]:
                    sent[m] = now
            self.send(output)


class Broker(Actor):
    """The broker, or the sender inside a source.

    `accept` answers the producer, `cut_off` ends the connection of a consumer.
    """

    site: Site

    def __init__(self, role: Role, site: Site, tracked: bool) -> None:
        super().__init__(role, site)
        self.tracked = tracked
        self.at_broker = site.views("at_broker")[0]
        self.left = site.views("left_broker")
        self.acked = site.views("acked")
        self.attempts = site.views("attempts")
        self.fate = site.views("fate")
        self.accept: Callable[[Accepted], None] = _unconnected
        self.cut_off: Callable[[int], None] = lambda consumer: None
        self.opening = False  # whether a consumer is opening a stream
        self.refusal: OutOfRange | None = None  # what it is told then

    def subscribe(self, message: Subscribe) -> OutOfRange | None:
        """Take on a consumer that opened a stream; if its offset is not there, return what to tell it."""
        self.opening, self.refusal = True, None
        self.handle(message)
        self.opening = False
        self.site.counts["subscribed"] += 1
        return self.refusal

    def take(self, message: Any) -> None:
        """Take a message that just arrived."""
        now = self.site.now()
        if type(message) is Publish:
            at_broker = self.at_broker
            for m in message.messages:
                if at_broker[m] != at_broker[m]:  # NaN
                    at_broker[m] = now
        else:
            self._acknowledge(message, now)
        self.handle(message)

    def _acknowledge(self, message: Any, now: float) -> None:
        messages = self.site.ledger.acknowledged(message)
        if len(messages):
            acked, counts = self.acked[message.consumer], self.site.counts
            for m in messages:
                counts["acked"] += acked[m] != acked[m]
                acked[m] = now

    def emit(self, outputs: Iterable[Any]) -> None:
        for output in outputs:
            kind = type(output)
            if kind is Deliver or kind is Records:
                self._leaves(output)
                self.send(output)
            elif kind is Accepted:
                self.accept(output)
            elif kind in FATES:
                settle(self.site, self.fate[output.consumer], output)
            elif kind is Disconnect:
                self.cut_off(output.consumer)
            elif kind is OutOfRange and self.opening:
                self.refusal = output
            else:
                if kind is Status:
                    self.site.counters["empty_replies"] += not output.changed
                elif kind is Committed:
                    self._acknowledge(output, self.site.now())
                self.send(output)

    def _leaves(self, output: Any) -> None:
        if not len(output.messages):
            self.site.counters["empty_replies"] += 1
            return
        now, who = self.site.now(), output.consumer
        left, attempts = self.left[who], self.attempts[who]
        for m in output.messages:
            if left[m] != left[m]:  # NaN
                left[m] = now
            attempts[m] += 1
        if self.tracked:
            self.site.ledger.sent(output)


def settle(site: Site, fates: Any, output: Any) -> None:
    """Note the fate that a role told of some messages."""
    fate = FATES[type(output)]
    for m in output.messages:
        site.counts["settled"] += fates[m] == Fate.IN_FLIGHT
        fates[m] = fate
