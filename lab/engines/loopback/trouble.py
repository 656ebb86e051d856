"""A measured run in which something goes wrong: processes are killed, connections break.

It ends when all faults are over and nobody has had anything to do for a while.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from lab.engines import common
from lab.engines.loopback.job import Before, Job, Links
from lab.engines.loopback.links import Proxies
from lab.engines.loopback.processes import Processes
from lab.engines.loopback.run import Outcome, Run, sleep_until
from lab.faults import BrokerRestart, ConsumerCrash, Fault, LinkFault

CHECK = 0.05  # seconds between two looks at whether all is done
STANDING_BY = 8  # processes at most that wait to take the place of one that is killed


class TroubledRun(Run):
    """A run with faults, or whose end is not reached when every message has arrived."""

    def __init__(
        self, sides: Processes, job: Job, duration: float, drain: float, acks: bool
    ) -> None:
        super().__init__(sides, job, duration, drain)
        assert job.trouble is not None
        self.trouble = job.trouble
        self.acks = acks
        self.faults = [f for f in self.trouble.faults if common.applies(f, job.strategy)]
        self.proxies = Proxies([f for f in self.faults if isinstance(f, LinkFault)])
        self.killed = dict.fromkeys(self.names, 0)
        self.lost_before = -float("inf")
        self.quiet = False
        self.start = 0.0

    def run(self) -> Outcome:
        victims = [self._victim(f) for f in sorted(self.faults, key=lambda f: f.at) if _kills(f)]
        try:
            self.sides.stand_by(victims[:STANDING_BY])
            outcome = super().run()
        finally:
            self.proxies.close()
            self.sides.dismiss()
        for error in self.trouble.errors():  # of sides that were killed since
            raise common.MeasurementError(error)
        return outcome

    def _victim(self, fault: Fault) -> str:
        """Return the side that a fault kills."""
        place = self.job.layout
        return place.targets[fault.consumer] if isinstance(fault, ConsumerCrash) else place.broker

    def links(self) -> Links:
        """Return where clients connect to: where links have faults, to a proxy."""
        if not self.proxies.running:
            self.direct = super().links()
            self.through = self.proxies.start(self.direct, self.job.strategy.wire)
        return self.through

    def wait(self, start: float) -> None:
        """Let things go wrong when they are to, and wait for the end."""
        self.start = start
        stops = common.schedule(self.faults, self._actions)
        over = max((fault.until for fault in self.trouble.faults), default=0.0)
        over = max(over, float(self.job.messages.created[-1]))
        for stop in stops:
            sleep_until(start + stop.at)
            stop.action()
        sleep_until(start + over)
        self.quiet = self._until_quiet(start + self.duration + self.drain)

    def _actions(self, fault: Fault) -> Iterator[tuple[float, Callable[[], None]]]:
        if isinstance(fault, LinkFault):
            yield fault.at, lambda: self.proxies.obey(fault, True)
            if fault.duration:
                yield fault.until, lambda: self.proxies.obey(fault, False)
        elif _kills(fault):
            side = self._victim(fault)
            yield fault.at, lambda: self._kill(side)
            yield fault.until, lambda: self._revive(side)

    def _kill(self, side: str) -> None:
        if self.sides.is_alive(side):
            self.sides.kill(side)

    def _revive(self, side: str) -> None:
        """Have another process go on in the place of the one that was killed."""
        sides = self.sides
        if sides.is_alive(side):
            return
        sides.replace(side)
        self.killed[side] += 1
        if side == self.job.layout.broker and not self.trouble.durable:
            self.lost_before = time.monotonic() - self.start
        before = Before(self.killed[side], self.start, self.ports[side], self.links())
        sides.send(side, replace(self.job, before=before))
        sides.answer(side)

    def _until_quiet(self, deadline: float) -> bool:
        """Wait until nothing has been pending for long enough; say if that was before `deadline`."""
        since, grace = None, common.grace(self.job.strategy)
        while time.monotonic() < deadline:
            _, pending, failed = self.status()
            now = time.monotonic()
            if failed:
                return False
            if pending:
                since = None
            elif since is None:
                since = now
            elif now - since >= grace:
                return True
            time.sleep(CHECK)
        return False

    def own_cpu(self, before: float) -> float:
        return time.process_time() - before

    def drained(self, results: Mapping[str, Mapping[str, Any]]) -> common.Drained | None:
        if not self.quiet:
            return None
        kept = results[self.job.layout.broker]["kept"]
        return common.Drained(kept, self.lost_before, self.acks)


def _kills(fault: Fault) -> bool:
    return isinstance(fault, ConsumerCrash | BrokerRestart)
