"""The start of a measured run: all sides know it before any of them begins."""

import os
import signal
import threading
import time
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from lab import LongPoll, Periodic, Scenario, Workload
from lab.engines.loopback import Session, run
from lab.outcomes.checks import check


class Sluggish:
    """Sides that take their time to answer."""

    def __init__(self, takes: float) -> None:
        self.takes = takes
        self.told: list[tuple[str, float]] = []

    def tell(self, names: Iterable[str], command: str, argument: Any = None) -> None:
        self.told.append((command, argument))

    def answer(self, name: str) -> None:
        time.sleep(self.takes)


def test_the_start_is_put_off_until_all_know_it_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "HEAD_START", 0.01)
    sides = Sluggish(0.02)
    job: Any = SimpleNamespace(layout=SimpleNamespace(sides=["source", "broker"]))
    start = run.Run(sides, job, 1.0, 1.0).agree()  # type: ignore[arg-type]
    assert time.monotonic() < start
    assert len(sides.told) > 1 and sides.told[-1] == ("clock", start)


class Paused(Session):
    """A session whose broker is stopped for a while when it should be told to go."""

    def tell(self, sides: Iterable[str], command: str, argument: Any = None) -> None:
        if command == "go":
            broker = self.sides["broker"].process.pid
            os.kill(broker, signal.SIGSTOP)
            threading.Timer(0.4, os.kill, (broker, signal.SIGCONT)).start()
        super().tell(sides, command, argument)


def test_a_side_that_is_told_late_stamps_by_the_clock_of_the_others() -> None:
    workload = Workload(arrivals=Periodic(rate=50), duration=1)
    scenario = Scenario(workload=workload, strategies=[LongPoll()])
    with Paused() as session:
        trace = session.measure(scenario, scenario.strategies[0])
    assert [v for v in check(trace) if "earlier stamp" in v.text] == []
    assert (trace.at_broker - trace.sent).max() > 0.1  # it was late, and that is told
