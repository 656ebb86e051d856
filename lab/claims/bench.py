"""The two benches on which claims are tested: simulation with calibrated costs, and loopback.

Each runs every replication of every strategy on the same messages, checks each trace, and remembers
what it ran, so that claims which share an experiment share its runs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from lab.calibration import disturbed
from lab.engines.common import MeasurementError
from lab.engines.simulation import simulate
from lab.metrics import Run
from lab.outcomes.checks import check
from lab.physics import Physics
from lab.scenario import Scenario
from lab.show import ENGINES
from lab.strategies import Strategy
from lab.trace import Trace

Told = Callable[[str], None]  # what is being done
RunOne = Callable[[Scenario, Strategy, int], Trace]  # the last is the replication


def untold(what: str) -> None:
    """Show no progress."""


class Memory:
    """A bench: it runs scenarios by `run_one` and keeps what came of them.

    `violations` tells what the checker found wrong, `failures` which runs could not be completed and
    were done again; `disturbed` counts the measured runs, of `runs` in all, that other work on the
    machine disturbed. A run that fails twice raises `MeasurementError`.
    """

    def __init__(
        self, engine: str, run_one: RunOne, quick: bool = False, told: Told = untold
    ) -> None:
        self.engine = engine
        self.quick = quick
        self.costs: Physics | None = None
        self.violations: list[str] = []
        self.failures: list[str] = []
        self.runs = 0
        self.disturbed = 0
        self._run_one = run_one
        self._told = told
        self._known: dict[str, Run] = {}

    def run(self, scenario: Scenario) -> dict[str, Run]:
        """Return the runs of all strategies, by label; in an order drawn anew for each replication."""
        chosen = scenario.quick() if self.quick else scenario
        keys = {strategy.label: _key(chosen, strategy) for strategy in chosen.strategies}
        new = [s for s in chosen.strategies if keys[s.label] not in self._known]
        found = {s.label: Run(s.label, self.engine, []) for s in new}
        order = np.random.default_rng(chosen.workload.seed)
        for replication in range(chosen.replications):
            for i in order.permutation(len(new)):
                found[new[i].label].traces.append(self._one(chosen, new[i], replication))
        self._known |= {keys[label]: run for label, run in found.items()}
        return {label: self._known[key] for label, key in keys.items()}

    def _one(self, scenario: Scenario, strategy: Strategy, replication: int) -> Trace:
        self._told(f"{ENGINES[self.engine]} {strategy.label}")
        try:
            trace = self._run_one(scenario, strategy, replication)
        except MeasurementError as error:
            self.failures.append(f"{strategy.label}: {error}")
            trace = self._run_one(scenario, strategy, replication)
        self.runs += 1
        self.disturbed += disturbed(trace.manifest.get("background"))
        where = f"{strategy.label}, {self.engine}, replication {replication}"
        for violation in check(trace):
            what = "" if violation.message is None else f" message {violation.message}:"
            self.violations.append(f"{where}:{what} {violation.text}")
        return trace


def _key(scenario: Scenario, strategy: Strategy) -> str:
    """Return what two equal experiments with one strategy have in common, and no others."""
    alone = scenario.model_copy(update={"strategies": [strategy], "name": "", "question": ""})
    return alone.model_dump_json()


def simulation(costs: Physics, quick: bool = False, told: Told = untold) -> Memory:
    """Return the bench that simulates with `costs`."""

    def run_one(scenario: Scenario, strategy: Strategy, replication: int) -> Trace:
        return simulate(scenario, strategy, costs, replication)

    bench = Memory("simulation", run_one, quick, told)
    bench.costs = costs
    return bench


@contextmanager
def loopback(quick: bool = False, told: Told = untold) -> Iterator[Memory]:
    """Give the bench that measures real connections, in one session for all its runs."""
    from lab.engines.loopback import Session  # needs sockets, which simulation does not

    with Session() as session:
        yield Memory("loopback", session.measure, quick, told)


@contextmanager
def opened(
    engine: str, costs: Physics, quick: bool = False, told: Told = untold
) -> Iterator[Memory]:
    """Give the bench of that engine."""
    if engine == "simulation":
        yield simulation(costs, quick, told)
        return
    with loopback(quick, told) as bench:
        yield bench
