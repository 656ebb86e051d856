"""One measured run from its beginning to its end, as the session sees it."""

import time
from typing import Any, NamedTuple

from lab.engines import common
from lab.engines.common import HEAD_START
from lab.engines.loopback import background, settings
from lab.engines.loopback.job import INGEST, Job, Links, Ports, delivery
from lab.engines.loopback.processes import ANSWER_DEADLINE, Processes
from lab.strategies import Exchange, Stream

POLL = 0.02
REST = 0.01  # before the last command, to see what one costs when nothing else goes on


class Outcome(NamedTuple):
    """What each side counted, the background of the run (see `background.shares`), how it ended."""

    results: dict[str, dict[str, Any]]
    disturbed: dict[str, float] | None
    drained: common.Drained | None = None


class Run:
    """A run in which nothing goes wrong: it ends when everything is settled and acknowledged."""

    def __init__(self, sides: Processes, job: Job, duration: float, drain: float) -> None:
        self.sides = sides
        self.job = job
        self.duration = duration
        self.drain = drain
        self.names = job.layout.sides
        self.ports: dict[str, Ports] = {}

    def run(self) -> Outcome:
        """Do it. Raises `MeasurementError` if a side fails."""
        sides, names = self.sides, self.names
        for name in names:
            sides.send(name, self.job)
        for name in names:
            self.ports[name] = sides.answer(name)
        sides.tell(names, "connect", self.links())
        for name in names:
            sides.answer(name)
        if isinstance(self.job.strategy.wire, Stream):
            self._wait_for_subscribers()
        used = self._cores()
        start = self.agree()
        sides.tell(names, "go", start)
        before, begun = background.ticks(used), time.monotonic()
        mine = time.process_time()
        self.wait(start)
        time.sleep(REST)
        results = self._stop()
        elapsed, after = time.monotonic() - begun, background.ticks(used)
        own = sum(result["cpu_seconds"] for result in results.values())
        own += self.own_cpu(mine)
        disturbed = background.shares(before, after, own, elapsed, len(used))
        return Outcome(results, disturbed, self.drained(results))

    def agree(self) -> float:
        """Have all sides set their clocks to a start that is still to come, and return it.

        On a busy machine a side may be told late; its stamps must not be of another clock until then.
        """
        head = HEAD_START
        while True:
            start = time.monotonic() + head
            self.sides.tell(self.names, "clock", start)
            for name in self.names:
                self.sides.answer(name)
            if time.monotonic() < start:
                return start
            head *= 2

    def _cores(self) -> set[int]:
        """Return the cores that the run is on: those of its sides, or all if they are not pinned."""
        pinned = {settings.core_of(name) for name in self.names} if self.sides.pinned else {None}
        return {core for core in pinned if core is not None} or set(settings.cores())

    def _stop(self) -> dict[str, dict[str, Any]]:
        """Have all sides tell what they counted, and only then close their connections."""
        sides, names = self.sides, self.names
        sides.tell(names, "stop")
        results = {name: sides.answer(name) for name in names}
        sides.tell(names, "close")
        for name in names:
            sides.answer(name)
        for name, result in results.items():
            if result["errors"]:
                raise common.MeasurementError(f"{name}: {result['errors'][0]}")
        return results

    def links(self) -> Links:
        """Return where clients connect to."""
        job, place, ports = self.job, self.job.layout, self.ports
        wire = job.strategy.wire
        links = {}
        if "websocket" in ports[place.broker]:
            links[INGEST] = ports[place.broker]["websocket"]
        for consumer, target in enumerate(place.targets):
            if isinstance(wire, Stream):
                links[delivery(consumer)] = ports[place.broker][
                    "websocket" if wire.duplex else "http"
                ]
            elif isinstance(wire, Exchange):
                server = place.broker if wire.server == "broker" else target
                links[delivery(consumer)] = ports[server]["http"]
        return links

    def _wait_for_subscribers(self) -> None:
        """Wait until the broker knows all consumers, so that they miss no message."""
        deadline = time.monotonic() + ANSWER_DEADLINE
        while self.status()[0]["subscribed"] < self.job.consumers:
            if time.monotonic() > deadline:
                raise common.MeasurementError("broker: not every consumer subscribed")
            time.sleep(POLL)

    def status(self) -> tuple[dict[str, int], int, bool]:
        """Return the counts of all sides, how much they have yet to do, and if anything is wrong."""
        self.sides.tell(self.names, "status")
        told = [self.sides.answer(name) for name in self.names]
        counts, pending, errors = zip(*told, strict=True)
        total = {key: sum(count[key] for count in counts) for key in counts[0]}
        return total, sum(pending), any(errors)

    def wait(self, start: float) -> None:
        """Wait until everything is settled and acknowledged, at most `drain` after the end."""
        job = self.job
        last = float(job.messages.created[-1]) if len(job.messages) else 0.0
        sleep_until(start + min(self.duration, last) + POLL)  # the sides are left alone meanwhile
        rows = len(job.messages) * job.size.rows
        acks = rows if common.acknowledges(job.strategy) else 0
        while time.monotonic() < start + self.duration + self.drain:
            total, _, failed = self.status()
            settled = total["done"] + total["settled"] >= rows
            if failed or (settled and total["acked"] + total["settled"] >= acks):
                return
            time.sleep(POLL)

    def own_cpu(self, before: float) -> float:
        """Return the CPU seconds of the session itself that are part of the run."""
        return 0.0

    def drained(self, results: dict[str, dict[str, Any]]) -> common.Drained | None:
        """Return what is known of messages without a fate, if nothing is under way any more."""
        return None


def sleep_until(at: float) -> None:
    time.sleep(max(0.0, at - time.monotonic()))
