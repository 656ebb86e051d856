"""One session of validation: calibration and held-out runs interleaved, then the predictions.

The machine drifts within minutes, so both belong together. Rounds of all held-out points, in an
order drawn anew, with the calibration's segments spread over them; at the end, runs that failed
the background gate (`calibration.disturbed`, fixed beforehand) are repeated. Of a held-out run the
calmest try is kept; calibration takes all tries and sorts them itself.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab.calibration import Sample, disturbed, learning, plan, runs
from lab.compare import Progress, empty_system, silent, unbatched
from lab.engines.simulation import simulate
from lab.files import whole_file
from lab.machine import lost
from lab.physics import Calibrated, Physics
from lab.theory import theory
from lab.trace import Trace
from lab.validation import show
from lab.validation.document import Findings, find
from lab.validation.observed import Observation, Point
from lab.validation.plan import held_out
from lab.workload import Constant, Poisson, Workload

REPLICATES, QUICK_REPLICATES = 6, 2
REPEATS = 2  # more tries for a disturbed run
LIKELY = 12  # simulated by the ensemble, a point
DPI = 120
ORDER = 11  # seed of the order of runs


@dataclass(frozen=True)
class Validation:
    """What a session found, the runs behind it, and the calibration that it made."""

    findings: Findings
    observations: list[Observation]
    calibration: dict[str, Any]

    def save(self, folder: Path) -> None:
        """Write `report.md`, `results.json`, `calibration.json` and the figures into `folder`."""
        from lab.validation.figures import figures  # matplotlib: only if needed

        costs = learning.calibrated(self.calibration)
        learning.save(self.findings.to_json(), folder / "results.json")
        learning.save(self.calibration, folder / "calibration.json")
        names = []
        curves = _theory(self.observations, costs)
        for name, figure in figures(self.observations, self.findings.rows, curves):
            with whole_file(folder / f"{name}.png") as file:
                figure.savefig(file, format="png", dpi=DPI)
            names.append(name)
        text = show.markdown(self.findings)
        text += "".join(f"\n![{name.replace('_', ' ')}]({name}.png)\n" for name in names)
        with whole_file(folder / "report.md") as file:
            file.write(text.encode())


def validate(
    quick: bool = False, replicates: int | None = None, progress: Progress = silent
) -> Validation:
    """Measure, calibrate, predict and judge. Takes about 20 minutes, in the quick form one."""
    repeats = replicates or (QUICK_REPLICATES if quick else REPLICATES)
    origin = learning.origin(quick, progress)
    points = [*_calibrated(quick), *held_out(quick)]
    measured, rejected = _measure(points, plan.segments(quick), repeats, progress)
    samples = list(_samples(points, measured))
    direct = learning.Direct(learning.socket_buffer(), learning.safe_append())
    data = learning.learn(samples, direct, origin, quick, progress)
    costs = learning.calibrated(data)
    observations = [
        _observe(point, measured[i], costs, progress, (i, len(points)))
        for i, point in enumerate(points)
    ]
    session = f"{len(points)} points, {repeats} replicates, {rejected} disturbed runs repeated"
    manifest = {**origin, "session": session}
    return Validation(find(observations, manifest), observations, data)


def _calibrated(quick: bool) -> list[Point]:
    """Return the points of the calibration, which are fitted."""
    return [Point(scenario, _setting(scenario), fitted=True) for scenario in plan.scenarios(quick)]


def _setting(scenario: Any) -> str:
    size = scenario.workload.size.mean
    said = f"{scenario.workload.arrivals.mean_rate:,.0f}/s"
    return said if size == 100 else f"{said}, {size / 1000:g} kB"


Runs = dict[int, dict[int, list[Trace]]]  # all tries, by point and replicate


def _measure(
    points: list[Point], segments: int, repeats: int, progress: Progress
) -> tuple[Runs, int]:
    """Measure all points; returns the tries at each run, and how many were measured again."""
    from lab.engines.loopback import Session  # needs sockets, which judging does not

    todo = list(_rounds(points, segments, repeats))
    found: Runs = {i: {} for i in range(len(points))}
    with ExitStack() as stack:
        sessions = {
            pinned: stack.enter_context(Session(pinned=pinned))
            for pinned in sorted({p.pinned for p in points})
        }

        def run(jobs: Iterable[tuple[int, int]], steps: int) -> None:
            for done, (i, k) in enumerate(jobs):
                point = points[i]
                progress(f"measuring {point.strategy.label}, {point.setting}", done, steps)
                trace = sessions[point.pinned].measure(point.scenario, point.strategy, k)
                found[i].setdefault(k, []).append(trace)

        for pinned, session in sessions.items():  # imports and first uses are not counted
            first = next(p for p in points if p.pinned is pinned)
            session.measure(first.scenario, first.strategy)
        run(todo, len(todo))
        again = 0
        for _ in range(REPEATS):
            bad = [
                (i, k)
                for i, some in found.items()
                for k, tries in some.items()
                if all(disturbed(trace.manifest.get("background")) for trace in tries)
            ]
            again += len(bad)
            run(bad, len(bad))
    progress("measured", len(todo), len(todo))
    return found, again


def _rounds(points: list[Point], segments: int, repeats: int) -> Iterator[tuple[int, int]]:
    """Yield point and replicate of every run, in the order of measuring."""
    order = np.random.default_rng(ORDER)
    for k in range(repeats):
        chosen = [(i, k) for i, p in enumerate(points) if not p.fitted]
        first, last = (k * segments // repeats, (k + 1) * segments // repeats)
        chosen += [(i, s) for i, p in enumerate(points) if p.fitted for s in range(first, last)]
        for j in order.permutation(len(chosen)).tolist():
            yield chosen[j]


def _calmest(tries: list[Trace]) -> Trace:
    return min(tries, key=lambda trace: lost(trace.manifest.get("background")))


def _samples(points: list[Point], measured: Runs) -> Iterator[Sample]:
    for i, point in enumerate(points):
        if point.fitted:
            for k, tries in measured[i].items():
                for trace in tries:
                    yield runs.sample(point.scenario, k, trace)


def _observe(
    point: Point, measured: dict[int, list[Trace]], costs: Calibrated, progress: Progress, at: Any
) -> Observation:
    progress(f"predicting {point.strategy.label}, {point.setting}", *at)

    def model(physics: Physics, replication: int) -> Trace:
        return simulate(point.scenario, point.strategy, physics, replication)

    replications = sorted(measured)
    kept = [_calmest(measured[k]) for k in replications]
    likely = [costs.ensemble[m % len(costs.ensemble)] for m in range(LIKELY)]
    return Observation(
        point,
        replications,
        kept,
        [model(costs.physics.steady(), k) for k in replications],
        [model(p, replications[m % len(replications)]) for m, p in enumerate(likely)],
        sum(disturbed(trace.manifest.get("background")) for trace in kept),
    )


def _theory(
    observations: list[Observation], costs: Calibrated
) -> dict[str, list[tuple[float, float]]]:
    """Return what theory says of the mean latency, by label and rate, where it says anything."""
    found: dict[str, list[tuple[float, float]]] = {}
    for observation in observations:
        scenario, strategy = observation.point.scenario, observation.point.strategy
        if scenario.workload != _plain(scenario.workload):
            continue
        alone = unbatched(scenario, strategy)
        transit, round_trip = empty_system(*alone, costs.physics.steady())
        prediction = theory(scenario, strategy, transit, round_trip)
        if prediction and "mean" in prediction.latency:
            rate = scenario.workload.arrivals.mean_rate
            found.setdefault(strategy.label, []).append((rate, prediction.latency["mean"]))
    return {label: sorted(curve) for label, curve in found.items()}


def _plain(workload: Workload) -> Workload:
    """Return the workload as it would be with small messages for one consumer without work."""
    changes = {
        "arrivals": Poisson(rate=workload.arrivals.mean_rate),
        "size": Constant(value=100),
        "work": Constant(value=0),
        "consumers": 1,
    }
    return workload.model_copy(update=changes)
