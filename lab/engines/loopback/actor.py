"""Actors: a role on asyncio. They give it the time, send what it answers, and stamp the trace."""

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from lab.engines import common
from lab.formats import BadRequest
from lab.messages import (
    DeadLettered,
    Deliver,
    Dropped,
    Expired,
    Message,
    Publish,
    Records,
    Role,
    Status,
    Subscribe,
    Work,
    Worked,
)
from lab.trace import Fate
from lab.workload import Messages

FATES = {Dropped: Fate.DROPPED, Expired: Fate.EXPIRED, DeadLettered: Fate.DEAD_LETTERED}
STAMPS = ("left_broker", "received", "started", "done", "acked")


class Site:
    """One process of a run: its clock, its part of the trace, its counters."""

    def __init__(self, messages: Messages, consumers: int) -> None:
        n = len(messages)
        self.messages = messages
        self.loop = asyncio.get_running_loop()
        self.ledger = common.Ledger()
        self.start = math.inf  # CLOCK_MONOTONIC of the start of the run
        self.columns: dict[str, np.ndarray] = {
            "sent": np.full((1, n), np.nan),
            "at_broker": np.full((1, n), np.nan),
            **{name: np.full((consumers, n), np.nan) for name in STAMPS},
            "attempts": np.zeros((consumers, n), np.int16),
            "fate": np.zeros((consumers, n), np.int8),
        }
        self.counters = dict.fromkeys(
            ("requests", "empty_replies", "bytes_in", "bytes_out", "bytes_back"), 0
        )
        self.counts = dict.fromkeys(("subscribed", "done", "settled", "acked"), 0)
        self.tasks: set[asyncio.Task[None]] = set()
        self.errors: list[str] = []
        self.loop.set_exception_handler(self._broke)

    def now(self) -> float:
        """Return seconds from the start of the run."""
        return time.monotonic() - self.start

    def views(self, name: str) -> list[Any]:
        return [common.view(row) for row in self.columns[name]]

    def check(self, consumer: int, messages: Sequence[int] = ()) -> None:
        """Refuse what came from the network for a consumer, or of messages, that are not there."""
        if consumer >= len(self.columns["done"]):
            raise BadRequest(400, f"consumer: there is no {consumer}")
        if len(messages) and max(messages) >= len(self.messages):
            raise BadRequest(400, f"id: there is no message {max(messages)}")

    def run(self, coroutine: Any) -> asyncio.Task[None]:
        """Run a coroutine as a task of this site; what it raises is reported with the run."""
        task = self.loop.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _broke(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Report with the run what a timer's callback raises; for the rest do as usual."""
        if "handle" in context:
            self.errors.append(repr(context.get("exception")))
        else:
            loop.default_exception_handler(context)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            self.errors.append(repr(task.exception()))


class Actor:
    """Drives `role`. Subclasses say what is stamped; `send` puts a message on its wire."""

    def __init__(self, role: Role, site: Site) -> None:
        self.role = role
        self.site = site
        self.timer: asyncio.TimerHandle | None = None
        self.planned = math.inf
        self.send: Callable[[Any], None] = _unconnected

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

    def handle(self, message: Message) -> None:
        """Let the role have a message and send what it answers."""
        outputs = self.role.receive(message, self.site.now())
        if outputs:
            self.emit(outputs)
        if self.role.wake_at != self.planned:
            self.plan()

    def emit(self, outputs: Iterable[Any]) -> None:
        raise NotImplementedError


def _unconnected(message: Any) -> None:
    raise RuntimeError(f"no connection for {message!r}")


class Source(Actor):
    """The producer."""

    def __init__(self, role: Role, site: Site) -> None:
        super().__init__(role, site)
        self.sent = site.views("sent")[0]

    def emit(self, outputs: Iterable[Any]) -> None:
        for output in outputs:
            now = self.site.now()
            for m in output.messages:
                self.sent[m] = now
            self.send(output)


class Broker(Actor):
    """The broker, or the sender inside a source."""

    def __init__(self, role: Role, site: Site, tracked: bool) -> None:
        super().__init__(role, site)
        self.tracked = tracked
        self.at_broker = site.views("at_broker")[0]
        self.left = site.views("left_broker")
        self.acked = site.views("acked")
        self.attempts = site.views("attempts")
        self.fate = site.views("fate")

    def subscribe(self, message: Subscribe) -> None:
        """Take on a consumer that opened a stream."""
        self.handle(message)
        self.site.counts["subscribed"] += 1

    def take(self, message: Any) -> None:
        """Take a message that just arrived."""
        now = self.site.now()
        if type(message) is Publish:
            for m in message.messages:
                self.at_broker[m] = now
        else:
            messages = self.site.ledger.acknowledged(message)
            for m in messages:
                self.acked[message.consumer][m] = now
            self.site.counts["acked"] += len(messages)
        self.handle(message)

    def emit(self, outputs: Iterable[Any]) -> None:
        for output in outputs:
            kind = type(output)
            if kind in FATES:
                self._settle(output, FATES[kind])
                continue
            if kind is Deliver or kind is Records:
                self._leaves(output)
            elif kind is Status:
                self.site.counters["empty_replies"] += not output.changed
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

    def _settle(self, output: Any, fate: Fate) -> None:
        fates = self.fate[output.consumer]
        for m in output.messages:
            self.site.counts["settled"] += fates[m] == Fate.IN_FLIGHT
            fates[m] = fate


class Consumer(Actor):
    """A consumer with one worker, which waits for each message's work without using the CPU."""

    def __init__(self, role: Role, site: Site, index: int) -> None:
        super().__init__(role, site)
        self.index = index
        self.worked = Worked(index)
        self.work = common.view(site.messages.work)
        self.received = site.views("received")[index]
        self.started = site.views("started")[index]
        self.done = site.views("done")[index]
        self.todo: Sequence[int] = ()
        self.next = 0
        self.readable = asyncio.Event()  # set while the role accepts more
        self.readable.set()

    def take(self, message: Any) -> None:
        """Take a message that just arrived."""
        if type(message) is Deliver or type(message) is Records:
            now = self.site.now()
            for m in message.messages:
                if self.received[m] != self.received[m]:  # NaN
                    self.received[m] = now
        self.handle(message)

    def handle(self, message: Message) -> None:
        super().handle(message)
        if self.role.accepting:
            self.readable.set()
        else:
            self.readable.clear()

    def emit(self, outputs: Iterable[Any]) -> None:
        for output in outputs:
            if type(output) is Work:
                self.todo, self.next = output.messages, 0
                self._work()
            else:
                self.send(output)

    def _work(self) -> None:
        """Start on the next message, and go on until one needs time or all are done."""
        todo, started = self.todo, self.started
        while self.next < len(todo):
            m = todo[self.next]
            now = self.site.now()
            if started[m] != started[m]:
                started[m] = now
            work = self.work[m]
            if work > 0:
                self.site.loop.call_at(self.site.start + now + work, self._worked)
                return
            self._finish(m)
        self.handle(self.worked)

    def _worked(self) -> None:
        self._finish(self.todo[self.next])
        self._work()

    def _finish(self, m: int) -> None:
        self.next += 1
        if self.done[m] != self.done[m]:
            self.done[m] = self.site.now()
            self.site.counts["done"] += 1
