"""The physics whose simulated runs come closest to measured ones, and how sure that is.

Least squares in the logarithms of figures, robust against single ones (pseudo-Huber), with a weak
pull to the starting values, at the machine's own speed, that holds what the runs do not tell;
Levenberg and Marquardt's method on a Jacobian of finite differences, which Broyden's method mends
between steps. Runs are compared at the machine's typical speed, both measured and simulated. The
ensemble comes from the Jacobian: how the solution moves when runs are drawn anew from those measured,
and when what the model misses has another sign.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab.calibration.figures import (
    CLOSE,
    FAR,
    FLOOR,
    SHORTEST,
    SPELLS,
    THROUGHPUT,
    WAKE_UPS,
    Figures,
    at_usual_speed,
    figures,
    is_time,
    kind,
    typical,
)
from lab.calibration.parameters import REACH, START, WORK, Fixed, matters, physics_of
from lab.calibration.runs import Sample
from lab.compare import Progress, silent
from lab.engines.simulation import simulate
from lab.physics import Physics
from lab.scenario import Scenario

WEIGHTS = {
    "p50": 1.0,
    "p90": 0.7,
    CLOSE: 0.7,
    FAR: 0.7,
    SPELLS: 0.7,
    "cpu": 1.4,
    WAKE_UPS: 0.5,
    THROUGHPUT: 3.0,
}
WHOLE = 2.0  # weight of the whole latency against that of a part
HOT = 0.1  # weight of latencies of a system that is overloaded: they only follow the backlog
SELDOM = 0.2  # wake-ups a message below which they are too few to tell
SMALL = 0.05  # of the median latency: parts shorter than this count less and less
OUTLIER = 0.15  # residuals beyond this count less and less
PULL = 0.1  # weight of the squared distance from the starting values
SPREAD = 1.5  # of the starting values, in their logarithm
STEP = 1.25  # times the value, for finite differences
LEAP = 0.8  # the most that a parameter moves at once, in its logarithm
DAMPING = (0.125, 1.0, 8.0)  # tried at once, times the damping that served last
FIRST = 0.01  # damping with a Jacobian just found
FAILURES = 3  # in a row to find a better place, after which the search ends
GOOD_ENOUGH = 0.001  # the share of the cost that one more step must win
SLOW = 0.06  # the same, or else the Jacobian is found anew
MEMBERS = 16
SEED = 7

Vector = NDArray[np.float64]


class Effort(NamedTuple):
    """How long to search: steps and Jacobians at most; messages to simulate, at most in a run and at
    least of a point.
    """

    steps: int
    jacobians: int
    most: int
    fewest: int


FULL, QUICK = Effort(10, 3, 600, 700), Effort(4, 1, 300, 150)


class Point(NamedTuple):
    """What is fitted together: runs alike, as one scenario with typical figures and their weights."""

    scenario: Scenario
    replications: tuple[int, ...]
    target: Figures
    weights: dict[str, float]


@dataclass(frozen=True)
class Fitted:
    """The values found, others as likely, and the median error of each kind of figure.

    `vague` says of each value which share of the deviation that it could have before any run is left.
    """

    values: dict[str, float]
    ensemble: list[dict[str, float]]
    vague: dict[str, float]
    errors: dict[str, float]


def points(samples: Sequence[Sample]) -> list[list[Sample]]:
    """Return the samples, those alike together, in the order of their seeds."""
    alike: dict[int, list[Sample]] = {}
    for sample in sorted(samples, key=lambda s: (s.scenario.workload.seed, s.replication)):
        alike.setdefault(sample.scenario.workload.seed, []).append(sample)
    return list(alike.values())


def _point(alike: list[Sample], effort: Effort) -> Point:
    scenario = alike[0].scenario
    target = typical([s.figures for s in alike], [s.calm for s in alike])
    weights = {name: _weight(scenario, target, name) for name in target}
    workload = scenario.workload
    rate = workload.arrivals.mean_rate
    expected = rate * (workload.duration - workload.warm_up)
    overloaded = _overloaded(scenario, target)
    if expected > effort.most and not overloaded:
        shorter = {"duration": workload.warm_up + effort.most / rate}
        scenario = scenario.model_copy(update={"workload": workload.model_copy(update=shorter)})
    repeats = math.ceil(effort.fewest / expected)
    return Point(
        scenario,
        tuple(dict.fromkeys(s.replication for s in alike))[:repeats],
        target,
        {name: weight for name, weight in weights.items() if weight},
    )


def _weight(scenario: Scenario, target: Figures, name: str) -> float:
    weight = WEIGHTS.get(kind(name), 0.0)
    waits = hasattr(scenario.strategies[0], "interval")
    latency = name.startswith("latency")
    if target[name] < SHORTEST or (waits and (latency or name.startswith("broker residence"))):
        return 0.0  # too short to tell, or set by the poll interval
    if kind(name) == WAKE_UPS and target[name] < SELDOM:
        return 0.0
    if name == THROUGHPUT and not _overloaded(scenario, target):
        return 0.0  # it is that of the arrivals
    if is_time(name) and _hot(scenario, target):
        return weight * HOT
    return weight * WHOLE if latency else weight


def _hot(scenario: Scenario, target: Figures) -> bool:
    busy = sum(v for k, v in target.items() if kind(k) == "cpu" and not k.startswith("broker"))
    return busy * target[THROUGHPUT] > 0.8 or _overloaded(scenario, target)


def _overloaded(scenario: Scenario, target: Figures) -> bool:
    """Say whether messages were delivered more slowly than they came, by more than chance."""
    rate = scenario.workload.arrivals.mean_rate
    chance = (rate * scenario.workload.duration) ** -0.5  # by which the number of arrivals varies
    return target[THROUGHPUT] < (0.9 - chance) * rate


def simulated(point: Point, physics: Physics) -> Figures:
    """Return the medians of the figures of runs simulated at the typical speed, as targets are."""
    strategy, steady = point.scenario.strategies[0], physics.steady()
    traces = [simulate(point.scenario, strategy, steady, k) for k in point.replications]
    runs = [at_usual_speed(figures(trace), trace.manifest["pace"]) for trace in traces]
    return {name: float(np.median([run[name] for run in runs])) for name in runs[0]}


def _differences(point: Point, some: Figures, others: Figures) -> Vector:
    """Return the weighted logarithms of the ratios of a point's figures."""
    floors = {name: _floor(point, name) for name in point.weights}
    return np.array(
        [
            weight * math.log((some[name] + floors[name]) / (others[name] + floors[name]))
            for name, weight in point.weights.items()
        ]
    )


def _floor(point: Point, name: str) -> float:
    """Return what is added to both sides of a ratio, so that little matters little."""
    part = is_time(name) and not name.startswith("latency")
    return SMALL * point.target["latency p50"] if part else FLOOR


_points: list[Point] = []  # in a worker process: what there is to simulate


def _start(some: list[Point]) -> None:
    _points[:] = some


def _task(task: tuple[int, Physics]) -> Figures:
    return simulated(_points[task[0]], task[1])


def _trust(residuals: Vector) -> Vector:
    """Return what each residual counts, as a share: outliers little."""
    return 1 / np.sqrt(1 + (residuals / OUTLIER) ** 2)


class Search:
    """Finds the parameters that repeat `alike`. `workers` simulate, `each` hears of every step."""

    def __init__(
        self,
        alike: list[list[Sample]],
        points: list[Point],
        fixed: Fixed,
        workers: ProcessPoolExecutor,
    ):
        self.alike = alike
        self.points = points
        self.fixed = fixed
        self.workers = workers
        self.names = list(START)
        self.start = np.log(list(START.values()))
        self.ends = np.cumsum([len(p.weights) for p in self.points])

    def values(self, at: Vector) -> dict[str, float]:
        found = np.exp(at).tolist()
        return {name: float(f"{v:.4g}") for name, v in zip(self.names, found, strict=True)}

    def residuals(self, wanted: list[tuple[Vector, list[int]]]) -> list[dict[int, Vector]]:
        """Return the residuals, by point, of each of some places at each of some points."""
        tasks = [
            (i, physics_of(dict(zip(self.names, np.exp(at).tolist(), strict=True)), self.fixed))
            for at, some in wanted
            for i in some
        ]
        found = iter(self.workers.map(_task, tasks, chunksize=4))
        return [{i: self._residuals(i, next(found)) for i in some} for _, some in wanted]

    def _residuals(self, i: int, run: Figures) -> Vector:
        point = self.points[i]
        return _differences(point, run, point.target)

    def everywhere(self, places: list[Vector]) -> list[Vector]:
        every = list(range(len(self.points)))
        found = self.residuals([(at, every) for at in places])
        return [np.concatenate([some[i] for i in every]) for some in found]

    def jacobian(self, at: Vector, here: Vector) -> Vector:
        wanted = []
        for j, name in enumerate(self.names):
            moved = at.copy()
            moved[j] += math.log(STEP)
            some = [i for i, p in enumerate(self.points) if matters(name, p.scenario)]
            wanted.append((moved, some))
        result = np.zeros((len(here), len(at)))
        for j, found in enumerate(self.residuals(wanted)):
            for i, there in found.items():
                rows = slice(self.ends[i] - len(there), self.ends[i])
                result[rows, j] = (there - here[rows]) / (STEP - 1)
        return result

    def cost(self, residuals: Vector, at: Vector) -> float:
        robust = 2 * OUTLIER**2 * (np.sqrt(1 + (residuals / OUTLIER) ** 2) - 1)
        return float(robust.sum() + PULL * (((at - self.start) / SPREAD) ** 2).sum())

    def normal(self, jacobian: Vector, residuals: Vector, at: Vector) -> tuple[Vector, Vector]:
        """Return the matrix and the gradient of the normal equations."""
        weights = _trust(residuals)
        pull = PULL / SPREAD**2
        matrix = jacobian.T @ (weights[:, None] * jacobian) + pull * np.eye(len(at))
        return matrix, jacobian.T @ (weights * residuals) + pull * (at - self.start)

    def run(self, effort: Effort, each: Callable[[int], None]) -> tuple[Vector, Vector, Vector]:
        """Return where the search ended, with residuals and Jacobian.

        A Jacobian takes as long as many steps. So it is mended after each (Broyden's method), and
        found anew only when that goes on slowly.
        """
        self.keep_pace()
        at, damping, failures, fresh = self.start.copy(), FIRST, 0, True
        here = self.everywhere([at])[0]
        cost, jacobian, jacobians = self.cost(here, at), self.jacobian(at, here), 1
        for step in range(effort.steps):
            each(step)
            matrix, gradient = self.normal(jacobian, here, at)
            tried = [damping * factor for factor in DAMPING]
            places = [self._moved(at, matrix, gradient, each_damping) for each_damping in tried]
            found = self.everywhere(places)
            costs = [self.cost(r, place) for r, place in zip(found, places, strict=True)]
            best = int(np.argmin(costs))
            won = 1 - costs[best] / cost
            if won >= GOOD_ENOUGH:
                move, change = places[best] - at, found[best] - here
                jacobian = jacobian + np.outer(change - jacobian @ move, move) / (move @ move)
                at, here, cost, failures, fresh = places[best], found[best], costs[best], 0, False
                damping = max(tried[best], 1e-4)
            if won < SLOW and not fresh and jacobians < effort.jacobians:
                jacobian, jacobians, fresh = self.jacobian(at, here), jacobians + 1, True
                damping, failures = FIRST, 0
            elif won < GOOD_ENOUGH:
                failures += 1
                if failures == FAILURES:
                    break
                damping *= DAMPING[-1] / DAMPING[0]  # much shorter ways
        return at, here, jacobian

    def keep_pace(self) -> None:
        """Have the search start at the machine's own speed, or the pull would be to that of another.

        All work takes longer by the median ratio of CPU seconds, measured to simulated.
        """
        kinds = [kind(name) for point in self.points for name in point.weights]
        weights = [weight for point in self.points for weight in point.weights.values()]
        missing = -self.everywhere([self.start])[0] / weights
        self.start[WORK] += np.median(missing[np.array(kinds) == "cpu"])

    def _moved(self, at: Vector, matrix: Vector, gradient: Vector, damping: float) -> Vector:
        move = -np.linalg.solve(matrix + damping * np.diag(np.diag(matrix)), gradient)
        reach = math.log(REACH)
        return np.clip(at + np.clip(move, -LEAP, LEAP), self.start - reach, self.start + reach)

    def ensemble(self, at: Vector, here: Vector, jacobian: Vector) -> list[dict[str, float]]:
        """Return `MEMBERS` other places as likely: runs redrawn, misfits with a sign redrawn."""
        rng = np.random.default_rng(SEED)
        matrix, _ = self.normal(jacobian, here, at)
        weights = _trust(here)
        members = []
        for _ in range(MEMBERS):
            change = np.concatenate([self._redrawn(i, rng) for i in range(len(self.points))])
            signs = np.repeat(rng.normal(size=len(self.points)), np.diff(self.ends, prepend=0))
            move = -np.linalg.solve(matrix, jacobian.T @ (weights * (change + signs * here)))
            members.append(self.values(at + np.clip(move, -LEAP, LEAP)))
        return members

    def vague(self, at: Vector, here: Vector, jacobian: Vector) -> dict[str, float]:
        """Return each value's posterior standard deviation as a share of that of the prior, the pull."""
        matrix, _ = self.normal(jacobian, here, at)
        left = np.sqrt(PULL / SPREAD**2 * np.diag(np.linalg.inv(matrix)))
        return dict(zip(self.names, left.tolist(), strict=True))

    def _redrawn(self, i: int, rng: np.random.Generator) -> Vector:
        """Return how a point's residuals change if other ones of its runs had been drawn."""
        alike, point = self.alike[i], self.points[i]
        chosen = rng.integers(len(alike), size=len(alike))
        drawn = typical([s.figures for s in alike], [s.calm for s in alike], chosen)
        return _differences(point, point.target, drawn)

    def errors(self, here: Vector) -> dict[str, float]:
        """Return the median error, as a share, of each figure over all points."""
        found: dict[str, list[float]] = {}
        rows = iter(here.tolist())
        for point in self.points:
            for name, weight in point.weights.items():
                found.setdefault(name, []).append(abs(math.expm1(next(rows) / weight)))
        return {name: round(float(np.median(some)), 4) for name, some in sorted(found.items())}


def fit(
    samples: Sequence[Sample],
    fixed: Fixed = Fixed(),  # noqa: B008
    effort: Effort = FULL,
    progress: Progress = silent,
    workers: int = 2,
) -> Fitted:
    """Return the parameters that repeat `samples` best. The same arguments give the same result."""
    alike = points(samples)
    some = [_point(each, effort) for each in alike]
    steps = effort.steps
    progress("fitting", 0, steps)  # the first Jacobian comes before the first step
    spawn = get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, initializer=_start, initargs=(some,)) as pool:
        search = Search(alike, some, fixed, pool)
        ended = search.run(effort, lambda step: progress("fitting", step, steps))
    progress("fitted", steps, steps)
    at, here, _ = ended
    return Fitted(
        search.values(at), search.ensemble(*ended), search.vague(*ended), search.errors(here)
    )
