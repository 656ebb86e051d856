"""What makes measured runs differ from one another, and what helps: replicates under several conditions.

    python benchmarks/noise.py [--quick]

The same few runs are measured again and again, all conditions by turns in one session:

* as the lab measures: sides pinned to cores, two seconds a run;
* not pinned;
* a quarter as long;
* with a process of the lowest priority on each core that never lets it sleep.

A replicate's error is that with which the median of the others tells it (leave one out), for p50,
p90 and p99 of latency; the table has the medians over replicates and runs. Of the lab's own runs it
also shows what is left without those that the background gate rejects, and once each run is
brought to the typical speed, which its CPU time per message tells.
Takes about eight minutes, two with --quick.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import numpy as np
from figures import new_console
from rich.table import Table

from lab import LongPoll, Poisson, Scenario, ShortPoll, Trace, Webhook, WebSocketPush, Workload
from lab.calibration import disturbed
from lab.calibration.figures import SPEEDS
from lab.engines.loopback import Session
from lab.engines.loopback.settings import cores
from lab.strategies import Strategy

RUNS: tuple[tuple[Strategy, float], ...] = (
    (WebSocketPush(), 100),
    (WebSocketPush(), 1000),
    (WebSocketPush(), 3000),
    (Webhook(), 200),
    (LongPoll(), 300),
    (ShortPoll(interval=0.02), 200),
)
QUANTILES = (0.5, 0.9, 0.99)
SPINNER = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while os.getppid() == int(sys.argv[2]):
    for _ in range(100_000): pass
"""


class Condition(NamedTuple):
    name: str
    seconds: float = 2.0
    pinned: bool = True
    awake: bool = False


CONDITIONS = (
    Condition("as the lab measures"),
    Condition("not pinned", pinned=False),
    Condition("a quarter as long", seconds=0.5),
    Condition("cores never asleep", awake=True),
)


@contextmanager
def spinners() -> Iterator[list[int]]:
    """Start a process on each core that spins when nothing else runs, stopped to begin with."""
    command = [sys.executable, "-c", SPINNER]
    me = str(os.getpid())
    started = [subprocess.Popen([*command, str(core), me]) for core in cores()]
    try:
        for process in started:
            process.send_signal(signal.SIGSTOP)
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()


def measure(repetitions: int, say: Callable[[str], None]) -> dict[tuple[int, str], list[Trace]]:
    """Return the traces by run and condition."""
    found: dict[tuple[int, str], list[Trace]] = {}
    order = np.random.default_rng(1)
    jobs = [(i, condition) for i in range(len(RUNS)) for condition in CONDITIONS]
    with ExitStack() as stack:
        sessions = {p: stack.enter_context(Session(pinned=p)) for p in (True, False)}
        awake = stack.enter_context(spinners())
        for repetition in range(repetitions):
            say(f"repetition {repetition + 1} of {repetitions}")
            for j in order.permutation(len(jobs)):
                i, condition = jobs[j]
                strategy, rate = RUNS[i]
                workload = Workload(
                    arrivals=Poisson(rate=rate), duration=condition.seconds, seed=20 + i
                )
                scenario = Scenario(workload=workload, strategies=[strategy])
                for pid in awake:
                    os.kill(pid, signal.SIGCONT if condition.awake else signal.SIGSTOP)
                trace = sessions[condition.pinned].measure(scenario, strategy, repetition)
                found.setdefault((i, condition.name), []).append(trace)
    return found


def leave_one_out(replicates: Sequence[float]) -> float:
    values = np.asarray(replicates)
    others = [np.median(np.delete(values, k)) for k in range(len(values))]
    return float(np.median(np.abs(values / others - 1)))


def errors(groups: list[list[Trace]], same_speed: bool = False) -> list[float]:
    """Return the median leave-one-out error at each quantile, over groups of replicates."""
    result = []
    for quantile in QUANTILES:
        found = []
        for traces in groups:
            used = [sum(t.counters.cpu_seconds.values()) / len(t) for t in traces]
            speed = np.array(used) / np.median(used) if same_speed else np.ones(len(traces))
            values = [float(np.quantile(t.latency, quantile)) for t in traces]
            found.append(leave_one_out(np.array(values) * speed ** -SPEEDS["p50"]))
        result.append(float(np.median(found)))
    return result


def table(found: dict[tuple[int, str], list[Trace]]) -> Table:
    grid = Table("condition", "runs", "disturbed", "p50", "p90", "p99")

    def row(name: str, groups: list[list[Trace]], same_speed: bool = False) -> None:
        groups = [traces for traces in groups if len(traces) > 2]
        every = [t for traces in groups for t in traces]
        bad = sum(disturbed(t.manifest["background"]) for t in every)
        cells = [f"{error:.1%}" for error in errors(groups, same_speed)] if groups else ["-"] * 3
        grid.add_row(name, str(len(every)), str(bad), *cells)

    for condition in CONDITIONS:
        groups = [found[i, condition.name] for i in range(len(RUNS))]
        row(condition.name, groups)
        if condition == CONDITIONS[0]:
            calm = [[t for t in g if not disturbed(t.manifest["background"])] for g in groups]
            row("  without disturbed runs", calm)
            row("  and at the typical speed", calm, same_speed=True)
    return grid


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="three repetitions, not ten")
    quick = parser.parse_args().quick
    console = new_console()
    found = measure(3 if quick else 10, lambda text: print(text, file=sys.stderr))
    console.print(table(found))


if __name__ == "__main__":
    main()
