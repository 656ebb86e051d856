"""Runs the experiments of the gallery: simulations in a pool of processes, measurements one by one."""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

import numpy as np

from lab.calibration import disturbed
from lab.compare import Progress, silent
from lab.engines import ENGINES
from lab.engines.simulation import simulate
from lab.gallery.scenarios import Study
from lab.idle import IdleCost, idle_cost
from lab.metrics import Run
from lab.outcomes.checks import check
from lab.physics import Physics
from lab.scenario import Scenario
from lab.strategies import Strategy
from lab.trace import Trace

POOL_FROM = 24  # runs: fewer are done before a pool of processes has started
SIMULATED_TIMES = 3  # as many simulated replications as measured ones
IDLE_SECONDS, QUICK_IDLE_SECONDS = 2.0, 0.5
IDLE_REPLICATIONS, QUICK_REPLICATIONS = 3, 2
Idler = tuple[Strategy, float | None]  # and the seconds between its pings
Job = tuple[Scenario, int, Physics, int]


@dataclass
class Found:
    """What the experiments gave: runs by scenario, idle costs, what is wrong with any trace."""

    costs: Physics
    quick: bool = False
    runs: dict[str, list[Run]] = field(default_factory=dict)
    idle: list[IdleCost] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    @property
    def disturbed(self) -> tuple[int, int]:
        """How many measured runs were disturbed from outside, and how many there were."""
        measured = [t for some in self.runs.values() for r in some for t in r.traces]
        measured = [t for t in measured if t.manifest["engine"] == "loopback"]
        return sum(disturbed(t.manifest.get("background")) for t in measured), len(measured)

    def of(self, *names: str) -> list[Run]:
        """Return the runs of these scenarios, the engines of a strategy side by side."""
        some = [run for name in names for run in self.runs[name]]
        order = list(dict.fromkeys(run.strategy for run in some))
        return sorted(some, key=lambda run: order.index(run.strategy))

    def named(self, prefix: str) -> list[str]:
        """Return the names of the scenarios that begin so, in the order in which they were run."""
        return [name for name in self.runs if name.startswith(prefix)]


def run(
    studies: Sequence[Study],
    idlers: Sequence[Idler],
    engines: Sequence[str],
    costs: Physics,
    quick: bool = False,
    progress: Progress = silent,
) -> Found:
    """Run all studies, and measure what `idlers` (and the seconds between their pings) cost.

    Every trace is checked. Raises `MeasurementError` if a measured run fails.
    """
    found = Found(costs, quick)
    scenarios = {study.scenario.name: _short(study.scenario, quick) for study in studies}
    found.runs = {name: [] for name in scenarios}
    if "simulation" in engines:
        _simulate(scenarios.values(), found, progress)
    if "loopback" in engines:
        measured = [study.scenario.name for study in studies if study.measured]
        _measure([scenarios[name] for name in dict.fromkeys(measured)], found, progress)
    _idle(idlers, engines, found, progress)
    for name, runs in found.runs.items():
        found.violations += [
            f"{name}, {one.strategy}, {one.engine}: {violation.text}"
            for one in runs
            for trace in one.traces
            for violation in check(trace)
        ]
    return found


def _short(scenario: Scenario, quick: bool) -> Scenario:
    if not quick:
        return scenario
    fewer = {"replications": min(scenario.replications, QUICK_REPLICATIONS)}
    return scenario.quick().model_copy(update=fewer)


def _simulate(scenarios: Iterable[Scenario], found: Found, progress: Progress) -> None:
    jobs: list[Job] = []
    places: list[Run] = []
    for scenario in scenarios:
        more = 1 if found.quick or scenario.faults else SIMULATED_TIMES
        times = more * scenario.replications
        for index, strategy in enumerate(scenario.strategies):
            one = Run(strategy.label, "simulation", [])
            found.runs[scenario.name].append(one)
            jobs += [(scenario, index, found.costs, k) for k in range(times)]
            places += [one] * times
    for done, (place, trace) in enumerate(zip(places, _all(jobs), strict=True)):
        place.traces.append(trace)
        progress("simulating", done + 1, len(jobs))


def _all(jobs: Sequence[Job]) -> Iterable[Trace]:
    """Simulate all jobs, in their order."""
    if len(jobs) < POOL_FROM:
        yield from map(simulated, jobs)
        return
    workers = min(os.cpu_count() or 1, 8)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        yield from pool.map(simulated, jobs, chunksize=8)


def simulated(job: Job) -> Trace:
    scenario, index, costs, replication = job
    return simulate(scenario, scenario.strategies[index], costs, replication)


def _measure(scenarios: Sequence[Scenario], found: Found, progress: Progress) -> None:
    """Measure in one session, each replication of everything in an order drawn anew."""
    from lab.engines.loopback import Session  # needs sockets, which simulation does not

    if not scenarios:
        return
    pairs = [(scenario, strategy) for scenario in scenarios for strategy in scenario.strategies]
    runs = [Run(strategy.label, "loopback", []) for _, strategy in pairs]
    for (scenario, _), one in zip(pairs, runs, strict=True):
        found.runs[scenario.name].append(one)
    order = np.random.default_rng(scenarios[0].workload.seed)
    todo = [
        (int(i), k)
        for k in range(max(scenario.replications for scenario in scenarios))
        for i in order.permutation(len(pairs))
        if k < pairs[i][0].replications
    ]
    with Session() as session:
        first, strategy = pairs[0]
        session.measure(first, strategy)  # imports and first uses are not counted
        for done, (i, k) in enumerate(todo):
            progress(f"measuring {pairs[i][1].label}", done, len(todo))
            runs[i].traces.append(session.measure(*pairs[i], k))
    progress("measured", len(todo), len(todo))


def _idle(
    idlers: Sequence[Idler],
    engines: Sequence[str],
    found: Found,
    progress: Progress,
) -> None:
    seconds = QUICK_IDLE_SECONDS if found.quick else IDLE_SECONDS
    times = QUICK_REPLICATIONS if found.quick else IDLE_REPLICATIONS
    for done, (strategy, pings) in enumerate(idlers):
        progress(f"idle: {strategy.label}", done, len(idlers))
        for engine in ENGINES:
            if engine in engines:
                cost = idle_cost(
                    strategy, seconds, engine, 1, times, found.costs, ping_interval=pings
                )
                found.idle.append(cost)
