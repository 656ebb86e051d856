"""One scenario, three answers: theory, simulation and measurement, side by side."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lab import machine, report
from lab.engines.simulation import simulate
from lab.metrics import LATENCIES, Interval, Result, Run, summarise_run
from lab.outcomes import checks
from lab.outcomes.aftermath import aftermath
from lab.outcomes.fates import accounts
from lab.physics import Calibrated, Physics, reference
from lab.scenario import Scenario
from lab.strategies import Strategy
from lab.theory import theory
from lab.workload import Periodic, Workload

SLOWEST, FASTEST = 0.3, 50.0  # messages a second of a system that is called empty, at first
APART = 3.0
ENGINES = ("theory", "simulation", "loopback")
Progress = Callable[[str, int, int], None]  # what is done, steps done, steps in all


def silent(what: str, done: int, steps: int) -> None:
    """Show no progress."""


@dataclass(frozen=True)
class Comparison:
    """The results of a scenario, the traces behind them, and what is to be said about them."""

    scenario: Scenario
    results: list[Result]
    runs: list[Run]
    notes: list[str]
    violations: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the results as plain data, times in seconds, unknowns None."""
        return {
            "scenario": self.scenario.name,
            "results": [result.to_json() for result in self.results],
            "aftermath": [row.to_json() for row in aftermath(self.scenario, self.runs)],
            "accounts": [row.to_json() for row in accounts(self.scenario, self.runs)],
            "notes": self.notes,
            "violations": self.violations,
        }

    def save(self, folder: Path) -> None:
        """Write the report, its figures, `results.json`, the scenario and all traces."""
        for run in self.runs:
            for replication, trace in enumerate(run.traces):
                name = f"{_slug(run.strategy)}.{run.engine}.{replication}.npz"
                trace.save(folder / "traces" / name)
        payload = self.to_json() | {"definition": self.scenario.model_dump(mode="json")}
        title = self.scenario.name.replace("_", " ")
        notes = [*self.notes, *self.violations]
        asked, grids = self.scenario.question, report.grids(self.scenario, self.runs)
        report.write(folder, title, asked, self.results, self.runs, notes, payload, grids)


def compare(
    scenario: Scenario,
    costs: Calibrated | Physics | None = None,
    engines: Sequence[str] = ENGINES,
    progress: Progress = silent,
    port: int = 0,
) -> Comparison:
    """Answer `scenario` by each of `engines`. `costs` are the simulation's, by default the reference.

    Every trace is checked. Raises `MeasurementError` if a measured run fails.
    """
    if "loopback" in engines:
        from lab.engines.loopback.processes import guard  # needs sockets, which simulation does not

        guard()
    notes = [*scenario.warnings(), *(f"what goes wrong: {fault}" for fault in scenario.faults)]
    if not isinstance(costs, Calibrated):
        costs = Calibrated(costs, {}) if costs else reference()
    if "simulation" in engines:
        notes.append(origin(costs.manifest))
        notes += machine.differences(costs.manifest) if costs.manifest else []
    runs: list[Run] = []
    if "simulation" in engines:
        runs += _simulated(scenario, costs.physics, progress)
    if "loopback" in engines:
        runs += _measured(scenario, progress, port)
        notes += disturbance(runs)
    if scenario.speed_up > 1 and "loopback" in engines:
        notes.append(_sped_up(scenario.speed_up))
    foretold = _foretold(scenario, costs.physics) if "theory" in engines else []
    results = [*foretold, *(summarise_run(run) for run in runs)]
    order = [s.label for s in scenario.strategies]
    results.sort(key=lambda r: (order.index(r.strategy), ENGINES.index(r.engine)))
    notes += [f"theory, {p.strategy}: {p.warnings[0]}" for p in foretold]
    plain_results = [_without_notes(r) if r.engine == "theory" else r for r in results]
    return Comparison(scenario, plain_results, runs, notes, list(_violations(runs)))


def _simulated(scenario: Scenario, costs: Physics, progress: Progress) -> list[Run]:
    runs = [Run(s.label, "simulation", []) for s in scenario.strategies]
    steps = len(runs) * scenario.replications
    for replication in range(scenario.replications):
        for strategy, run in zip(scenario.strategies, runs, strict=True):
            done = sum(len(r.traces) for r in runs)
            progress(f"simulating {strategy.label}", done, steps)
            run.traces.append(simulate(scenario, strategy, costs, replication))
    progress("simulated", steps, steps)
    return runs


def _measured(scenario: Scenario, progress: Progress, port: int) -> list[Run]:
    """Measure all strategies in one session, in an order drawn anew for each replication."""
    from lab.engines.loopback import Session  # needs sockets, which simulation does not

    runs = [Run(s.label, "loopback", []) for s in scenario.strategies]
    steps = len(runs) * scenario.replications
    order = np.random.default_rng(scenario.workload.seed)
    with Session(port) as session:
        for replication in range(scenario.replications):
            for i in order.permutation(len(runs)):
                strategy = scenario.strategies[i]
                done = sum(len(r.traces) for r in runs)
                progress(f"measuring {strategy.label}", done, steps)
                runs[i].traces.append(session.measure(scenario, strategy, replication))
    progress("measured", steps, steps)
    return runs


def disturbance(runs: Sequence[Run]) -> Iterator[str]:
    """Say how many measured runs other work on the machine disturbed, if it did any."""
    found = [
        machine.disturbed(trace.manifest.get("background"))
        for run in runs
        if run.engine == "loopback"
        for trace in run.traces
    ]
    if any(found):
        yield (
            f"{sum(found)} of {len(found)} measured runs were disturbed by other work on this machine:"
            " they may be slower than on a quiet one"
        )


def _foretold(scenario: Scenario, costs: Physics) -> list[Result]:
    """Return a row of theory for each strategy that has a closed form under this workload.

    Closed forms know nothing of faults.
    """
    results: list[Result] = []
    if scenario.faults or scenario.poison:
        return results
    for strategy in scenario.strategies:
        transit, round_trip = empty_system(*unbatched(scenario, strategy), costs)
        prediction = theory(scenario, strategy, transit, round_trip)
        if prediction is None:
            continue
        results.append(
            Result(
                strategy.label,
                "theory",
                latency={k: Interval(v) for k, v in prediction.latency.items() if k in LATENCIES},
                requests_per_message=Interval(prediction.requests_per_message),
                empty_replies=Interval(prediction.empty_replies),
                warnings=(prediction.form,),
            )
        )
    return results


def unbatched(scenario: Scenario, strategy: Strategy) -> tuple[Scenario, Strategy]:
    """Return `strategy` with batches of one, so that a message waits for no other, and its scenario.

    What batches wait is for the closed forms to say; the time of the empty system must not hold it.
    """
    alone = {"batch_size": 1, "linger": 0.0, "min_records": 1}
    known = {name: one for name, one in alone.items() if name in type(strategy).model_fields}
    lone = strategy.model_copy(update=known)
    return scenario.model_copy(update={"strategies": [lone]}), lone


def empty_system(scenario: Scenario, strategy: Strategy, costs: Physics) -> tuple[float, float]:
    """Return transit time and round trip, in seconds, of a lone message in an empty system.

    Both are simulated: messages of no work, evenly spaced and as far apart as the workload's own
    on average (but never closer than `APART` times what one of them takes), without noise. The
    round trip is known only of strategies that acknowledge.
    """
    load = scenario.workload.arrivals.mean_rate
    rate = min(max(load, SLOWEST), FASTEST)
    transit, round_trip = _alone(scenario, strategy, costs, rate)
    closer = min(load, 1 / (APART * max(transit, round_trip, 1e-9)))
    if closer > rate:  # loops that sleep for a shorter time are less cold
        return _alone(scenario, strategy, costs, closer)
    return transit, round_trip


def _alone(
    scenario: Scenario, strategy: Strategy, costs: Physics, rate: float
) -> tuple[float, float]:
    """Return medians of transit time and round trip of messages `rate` a second, evenly spaced."""
    lone = Workload(arrivals=Periodic(rate=rate), duration=20 / rate, size=scenario.workload.size)
    single = scenario.model_copy(update={"workload": lone})
    trace = simulate(single, strategy, costs.quiet())
    interval = getattr(strategy, "interval", 0.0)
    waits = trace.parts()["broker residence"] if interval else 0.0
    transit = float(np.median(trace.latency - waits))
    answered = trace.acked - trace.left_broker - interval
    known = answered[~np.isnan(answered)]
    return transit, float(np.median(known)) if len(known) else 0.0


def _violations(runs: list[Run]) -> Iterator[str]:
    for run in runs:
        for replication, trace in enumerate(run.traces):
            for violation in checks.check(trace):
                where = f"{run.strategy}, {run.engine}, replication {replication}"
                what = "" if violation.message is None else f" message {violation.message}:"
                yield f"{where}:{what} {violation.text}"


def _without_notes(result: Result) -> Result:
    return Result(**{**vars(result), "warnings": ()})


def origin(manifest: dict[str, Any]) -> str:
    """Say where the costs of a simulation come from, by the manifest of their calibration."""
    if not manifest:
        return "simulated with costs that were not measured"
    made = f"{manifest.get('machine', 'a machine not named')}, {manifest.get('date', 'undated')}"
    return f"simulated with costs measured on: {made}"


def _sped_up(times: float) -> str:
    return (
        f"measured {times:,g} times as fast as simulated: messages come, and consumers poll, that"
        " much more often, so latencies that come from waiting are that much smaller"
    )


def _slug(label: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in label).strip("_")
