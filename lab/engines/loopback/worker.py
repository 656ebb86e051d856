"""The consumer as an actor, and its worker: work is a wait, which does not use the CPU."""

from collections.abc import Iterable, Sequence
from typing import Any

from lab.engines import common
from lab.engines.loopback import columns
from lab.engines.loopback.actor import Actor, settle
from lab.engines.loopback.site import Site
from lab.faults import slowness
from lab.messages import DeadLettered, Deliver, Records, Role, Save, Work, Worked


class Consumer(Actor):
    """A consumer with one worker, which waits for each message's work without using the CPU."""

    site: Site

    def __init__(self, role: Role, site: Site, index: int) -> None:
        super().__init__(role, site)
        self.index = index
        self.worked = Worked(index)
        self.work = common.view(site.messages.work)
        self.per_batch = site.messages.per_batch
        self.received = site.views("received")[index]
        self.started = site.views("started")[index]
        self.done = site.views("done")[index]
        self.again = site.views("again")[index]
        self.fate = site.views("fate")[index]
        self.saved = site.views(columns.SAVED)[0]
        self.todo: Sequence[int] = ()
        self.next = 0
        self.failed: list[int] = []

    def take(self, message: Any) -> None:
        """Take a message that just arrived."""
        if type(message) is Deliver or type(message) is Records:
            now = self.site.now()
            for m in message.messages:
                if self.received[m] != self.received[m]:  # NaN
                    self.received[m] = now
        self.handle(message)

    def emit(self, outputs: Iterable[Any]) -> None:
        for output in outputs:
            kind = type(output)
            if kind is Work:
                self.todo, self.next = output.messages, 0
                self._work()
            elif kind is Save:
                self.saved[self.index] = columns.packed(output.offset, output.epoch)
            elif kind is DeadLettered:
                settle(self.site, self.fate, output)
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
            work = self.work[m] if self.next else self.work[m] + self.per_batch
            if self.site.slow:
                times, least = slowness(self.site.slow, self.index, now)
                work = max(times * work, least)
            if work > 0:
                self.site.loop.call_at(self.site.start + now + work, self._worked)
                return
            self._finish(m)
        worked = self.worked
        if self.failed:
            worked, self.failed = Worked(self.index, self.failed), []
        self.handle(worked)

    def _worked(self) -> None:
        self._finish(self.todo[self.next])
        self._work()

    def _finish(self, m: int) -> None:
        self.next += 1
        if m in self.site.poison:
            self.failed.append(m)
        elif self.done[m] != self.done[m]:
            self.done[m] = self.site.now()
            self.site.counts["done"] += 1
        else:
            self.again[m] += 1
