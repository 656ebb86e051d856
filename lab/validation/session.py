"""One session of validation: calibration and held-out runs interleaved, then the predictions.

The machine drifts within minutes, so both belong together. Rounds of all held-out points, in an
order drawn anew, with the calibration's segments spread over them; at the end of each, runs that
failed the background gate (`calibration.disturbed`, fixed beforehand) are repeated, and the calmest
try is kept.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab.calibration import disturbed, learning, plan, runs
from lab.compare import Progress, empty_system, silent, unbatched
from lab.engines.simulation import simulate
from lab.files import whole_file
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
CHANCES = 3  # with which each measured run is predicted
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
    """Measure, calibrate, predict and judge. Takes 20 to 45 minutes, in the quick form one."""
    repeats = replicates or (QUICK_REPLICATES if quick else REPLICATES)
    origin = learning.origin(quick, progress)
    points = [*_calibrated(quick), *held_out(quick)]
    measured, rejected = _measure(points, plan.segments(quick), repeats, progress)
    samples = [
        runs.sample(points[i].scenario, k, trace)
        for (i, k), trace in sorted(measured.items())
        if points[i].fitted
    ]
    direct = learning.Direct(learning.socket_buffer(), learning.safe_append())
    data = learning.learn(samples, direct, origin, quick, progress)
    costs = learning.calibrated(data)
    observations = [
        _observe(point, _replicates(measured, i), costs, progress, (i, len(points)))
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


def _measure(
    points: list[Point], segments: int, repeats: int, progress: Progress
) -> tuple[dict[runs.Job, Trace], int]:
    """Measure all points; returns the calmest try at each run, and how many were repeated."""
    from lab.engines.loopback import Session  # needs sockets, which judging does not

    with ExitStack() as stack:
        sessions = {
            pinned: stack.enter_context(Session(pinned=pinned))
            for pinned in sorted({p.pinned for p in points})
        }

        def run(i: int, k: int) -> Trace:
            point = points[i]
            return sessions[point.pinned].measure(point.scenario, point.strategy, k)

        for pinned in sessions:  # imports and first uses are not counted
            run(next(i for i, p in enumerate(points) if p.pinned is pinned), 0)
        titles = [f"{point.strategy.label}, {point.setting}" for point in points]
        return runs.calmest(_rounds(points, segments, repeats), run, titles, REPEATS, progress)


def _rounds(points: list[Point], segments: int, repeats: int) -> list[list[runs.Job]]:
    """Return point and replicate of every run, in the order of measuring."""
    order = np.random.default_rng(ORDER)
    rounds = []
    for k in range(repeats):
        chosen = [(i, k) for i, p in enumerate(points) if not p.fitted]
        first, last = (k * segments // repeats, (k + 1) * segments // repeats)
        chosen += [(i, s) for i, p in enumerate(points) if p.fitted for s in range(first, last)]
        rounds.append([chosen[j] for j in order.permutation(len(chosen)).tolist()])
    return rounds


def _replicates(measured: dict[runs.Job, Trace], point: int) -> dict[int, Trace]:
    return {k: trace for (i, k), trace in sorted(measured.items()) if i == point}


def _observe(
    point: Point, measured: dict[int, Trace], costs: Calibrated, progress: Progress, at: Any
) -> Observation:
    progress(f"predicting {point.strategy.label}, {point.setting}", *at)

    def model(physics: Physics, replication: int, chance: int = 0) -> Trace:
        return simulate(point.scenario, point.strategy, physics, replication, chance)

    replications = list(measured)
    likely = [costs.ensemble[m % len(costs.ensemble)] for m in range(LIKELY)]
    return Observation(
        point,
        replications,
        list(measured.values()),
        [model(costs.physics.steady(), k, c) for k in replications for c in range(CHANCES)],
        [model(p, replications[m % len(replications)]) for m, p in enumerate(likely)],
        sum(disturbed(trace.manifest.get("background")) for trace in measured.values()),
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
