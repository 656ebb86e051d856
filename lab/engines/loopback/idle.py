"""A measured run in which nothing is delivered: connections are open, and consumers poll in vain."""

import subprocess
from pathlib import Path
from typing import NamedTuple

from lab.engines import common
from lab.engines.loopback.job import Job
from lab.engines.loopback.merge import merge
from lab.engines.loopback.processes import Processes
from lab.engines.loopback.run import Run, sleep_until
from lab.engines.loopback.session import Session
from lab.scenario import Scenario
from lab.strategies import Strategy
from lab.trace import Counters

PAGE = 1024  # bytes: the unit of VmRSS and of ps


class Idle(NamedTuple):
    """What an idle run counted, the bytes that streams read, and resident bytes at its end."""

    counters: Counters
    heard: int
    memory: int


class IdleRun(Run):
    """A run that lasts for its duration, whatever happens; its sides are left alone meanwhile."""

    memory = 0

    def wait(self, start: float) -> None:
        sleep_until(start + self.duration)
        self.status()
        self.memory = resident(self.sides, self.names)


def idle(
    session: Session, scenario: Scenario, strategy: Strategy, ping_interval: float | None = None
) -> Idle:
    """Run `strategy` for the duration of the scenario, whose messages are few or none.

    With `ping_interval` consumers send a WebSocket ping every so many seconds. Raises
    `MeasurementError` if a side fails.
    """
    workload = scenario.workload
    layout = common.layout(scenario, strategy)
    session.start(layout.sides)
    job = Job(
        strategy,
        layout,
        workload.draw(),
        workload.consumers,
        scenario.retention.limits(),
        session.port,
        ping_interval=ping_interval,
    )
    run = IdleRun(session, job, workload.duration, 0.0)
    try:
        outcome = run.run()
    except BaseException:
        session.close()  # what state the sides are in is not known
        raise
    heard = sum(result["heard"] for result in outcome.results.values())
    return Idle(merge(job, outcome, {}).counters, heard, run.memory)


def resident(sides: Processes, names: list[str]) -> int:
    """Return the resident bytes of the processes of these sides together."""
    return sum(_resident(sides.sides[name].process.pid) for name in names)


def _resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        lines = (line.split() for line in status.read_text().splitlines())
        return next(int(words[1]) * PAGE for words in lines if words[:1] == ["VmRSS:"])
    told = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True
    )
    return int(told.stdout) * PAGE
