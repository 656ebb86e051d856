"""Prediction: simulated runs with the costs of a calibration, and with others as likely given it.

Each value is the median over runs with the calibration's own costs, at the machine's typical speed.
Each interval is the central 95 % over runs with the costs of its ensemble, each with messages,
noise and speed of its own: it holds both the chance of a run and what calibration left uncertain.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from lab.compare import Progress, empty_system, silent
from lab.engines.simulation import simulate
from lab.metrics import Metrics, summarise
from lab.physics import Calibrated, Physics, reference
from lab.prediction.forecast import (
    NOTHING,
    QUANTILES,
    Estimate,
    Forecast,
    Outlook,
    Resource,
    Saturation,
    estimate,
)
from lab.prediction.limits import of_scenario, of_strategy
from lab.prediction.saturation import Load, first_guess, limiting, saturate, used_seconds
from lab.scenario import Scenario
from lab.strategies import Strategy
from lab.trace import Trace

CENTRAL = 5  # runs with the calibration's own costs
LIKELY = 20  # runs with those of its ensemble
SEARCHES = 3  # for the load that saturates, with the calibration's own costs
LIKELY_SEARCHES = 5  # with those of its ensemble
STEPS = CENTRAL + LIKELY + SEARCHES + LIKELY_SEARCHES
MOST = 4_000  # deliveries, or polls, of one run: about
UNKNOWN = Saturation(NOTHING, Estimate(), Estimate())


def predict(
    scenario: Scenario,
    costs: Calibrated | Physics | None = None,
    progress: Progress = silent,
    limits: bool = True,
) -> Forecast:
    """Predict every strategy of `scenario` on the machine with `costs`, by default the reference.

    Long scenarios are simulated in part, about `MOST` messages a run. Without `limits` the load that
    saturates, which takes most of the time, is not searched for: then no caveat can say that it is
    near.
    """
    if not isinstance(costs, Calibrated):
        costs = Calibrated(costs, {}) if costs else reference()
    steps, outlooks = STEPS * len(scenario.strategies), []
    for number, strategy in enumerate(scenario.strategies):

        def step(done: int, name: str = strategy.label, before: int = STEPS * number) -> None:
            progress(f"predicting {name}", before + done, steps)

        outlooks.append(_outlook(scenario, strategy, costs, step, limits))
    progress("predicted", steps, steps)
    caveats = of_scenario(scenario, costs, datetime.now().astimezone())
    return Forecast(scenario, outlooks, costs.manifest, caveats)


@dataclass(frozen=True)
class Seen:
    """What is kept of a run; `core_seconds` is what a message takes of the busiest core."""

    metrics: Metrics
    latency: dict[str, float]
    busy: dict[Resource, float]
    core_seconds: float


class Rehearsal:
    """Simulated runs of one strategy: `central` with the calibration's own costs, and `likely`."""

    def __init__(
        self,
        scenario: Scenario,
        strategy: Strategy,
        costs: Calibrated,
        step: Callable[[int], None],
    ) -> None:
        self.scenario = shortened(scenario, strategy)
        self.strategy = strategy
        self.physics = costs.physics.steady()
        self.others = costs.ensemble or (costs.physics,)
        self.step = step
        self.central = [self._run(self.physics, i) for i in range(CENTRAL)]
        self.likely = [self._run(self._other(i), i) for i in range(CENTRAL, CENTRAL + LIKELY)]

    def _other(self, index: int) -> Physics:
        return self.others[index % len(self.others)]

    def _run(self, physics: Physics, replication: int) -> Seen:
        self.step(replication)
        trace = simulate(self.scenario, self.strategy, physics, replication)
        used, elapsed = used_seconds(trace, physics), trace.counters.elapsed or math.inf
        busy = {resource: seconds / elapsed for resource, seconds in used.items()}
        most = max(seconds for resource, seconds in used.items() if resource.kind == "core")
        messages = max(1, len(trace) // trace.manifest["consumers"])
        return Seen(summarise(trace), _quantiles(trace), busy, most / messages)

    def estimate(self, figure: Callable[[Seen], float]) -> Estimate:
        """Return what `figure` is expected to be in a run."""
        return estimate([figure(run) for run in self.central], [figure(run) for run in self.likely])

    def saturation(self) -> Saturation:
        """Search for the load that saturates, with the central costs and some of the others.

        It is that of a calm system: what a fault loses is no sign that too much was offered.
        """
        core_seconds = float(np.median([run.core_seconds for run in self.central]))
        calm = self.scenario.model_copy(update={"faults": [], "poison": []})
        guess = first_guess(calm, self.strategy, core_seconds)
        physics = [self.physics] * SEARCHES + [self._other(i) for i in range(LIKELY_SEARCHES)]
        found = list(self._searches(calm, physics, guess))
        first, rates = found[0], [load.throughput if load else math.nan for load in found]
        if first is None:
            return UNKNOWN
        resource = limiting(first, self.strategy, self.physics)
        rate = estimate(rates[:SEARCHES], rates[SEARCHES:])
        if resource.kind == "waiting":
            load = self.scenario.workload.arrivals.mean_rate
            used = Estimate(load / rate.value, load / rate.high, load / rate.low)
        else:
            used = self.estimate(lambda run: run.busy.get(resource, math.nan))
        return Saturation(resource, rate, used)

    def _searches(
        self, scenario: Scenario, costs: list[Physics], guess: float
    ) -> Iterator[Load | None]:
        """Search with each of `costs`, from `guess` and then from a little above what was found."""
        transit, _ = empty_system(scenario, self.strategy, self.physics)
        transit = 0.0 if math.isnan(transit) else transit  # too slow for the scenario's drain
        for index, physics in enumerate(costs):
            self.step(CENTRAL + LIKELY + index)
            found = saturate(scenario, self.strategy, physics, guess, transit, index)
            if found:
                guess = 1.08 * found.throughput
            yield found


def _outlook(
    scenario: Scenario,
    strategy: Strategy,
    costs: Calibrated,
    step: Callable[[int], None],
    limits: bool,
) -> Outlook:
    runs = Rehearsal(scenario, strategy, costs, step)
    saturation = runs.saturation() if limits else UNKNOWN
    caveats = of_strategy(scenario, saturation)
    if runs.scenario.workload.duration < scenario.workload.duration:
        caveats.append(_in_part(runs.scenario.workload.duration, scenario.workload.duration))
    return Outlook(
        strategy.label,
        {name: runs.estimate(_latency(name)) for name in QUANTILES},
        runs.estimate(lambda run: run.metrics.requests_per_message),
        runs.estimate(lambda run: run.metrics.bytes_per_message),
        {side: runs.estimate(_cpu(side)) for side in runs.central[0].metrics.cpu_by_side},
        saturation,
        caveats,
    )


def _latency(name: str) -> Callable[[Seen], float]:
    return lambda run: run.latency[name]


def _cpu(side: str) -> Callable[[Seen], float]:
    return lambda run: run.metrics.cpu_by_side[side]


def shortened(scenario: Scenario, strategy: Strategy) -> Scenario:
    """Return `scenario`, so short that a run of `strategy` has about `MOST` messages and polls."""
    workload = scenario.workload
    pause = getattr(strategy, "interval", getattr(strategy, "max_wait", math.inf))
    events = workload.consumers * max(workload.arrivals.mean_rate, 1 / pause)
    if events * workload.duration <= MOST:
        return scenario
    return scenario.model_copy(update={"quick_duration": MOST / events}).quick()


def _in_part(simulated: float, whole: float) -> str:
    return f"simulated for {simulated:.3g} s of {whole:g} s: the longer a run, the less it varies"


def _quantiles(trace: Trace) -> dict[str, float]:
    latency = trace.latency[trace.counted]
    known = latency[~np.isnan(latency)]
    if not len(known):
        return dict.fromkeys(QUANTILES, math.nan)
    values = np.quantile(known, list(QUANTILES.values())).tolist()
    return dict(zip(QUANTILES, values, strict=True))
