"""What a claim is, and how it is judged: the words in which the experiments of this folder talk.

A claim is written once and put to each engine in turn. Its criterion is fixed in words before
anything is run; its verdict is computed from what was run, and from nothing else.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any, Literal, NamedTuple, Protocol

from matplotlib.figure import Figure

from lab.metrics import Interval, Metrics, Run, plain, summarise
from lab.physics import Physics
from lab.plots.series import Series
from lab.scenario import Scenario
from lab.trace import Trace

Verdict = Literal["supported", "refuted", "depends", "not measurable here"]
ENGINES = ("simulation", "loopback")
FIRST = 3  # amounts in a short ledger


class Amount(NamedTuple):
    """A figure that decides: what it is, its mean with a 95 % interval, and its unit ("s", "B", "")."""

    name: str
    value: Interval
    unit: str = ""

    def to_json(self) -> dict[str, Any]:
        return plain(
            {"name": self.name, "unit": self.unit, "mean": self.value.mean}
            | {"low": self.value.low, "high": self.value.high}
        )


@dataclass(frozen=True)
class Finding:
    """What one engine says of a claim.

    `reason` is one sentence without a full stop; where the verdict is "depends" it names the condition
    and the crossover, where it is "not measurable here" why. `amounts` begin with those that decide: a
    short ledger shows the first `FIRST`. A figure is drawn from `series` or `runs`.
    """

    verdict: Verdict
    reason: str
    amounts: Sequence[Amount] = ()
    series: Sequence[Series] = ()
    runs: Sequence[Run] = ()

    def to_json(self) -> dict[str, Any]:
        amounts = [amount.to_json() for amount in self.amounts]
        return {"verdict": self.verdict, "reason": self.reason, "amounts": amounts}


def leading(amounts: Sequence[Amount], *names: str) -> list[Amount]:
    """Return the amounts with those of these names first. Raises `KeyError` if one is not there."""
    known = {amount.name: amount for amount in amounts}
    return [*(known.pop(name) for name in names), *known.values()]


class Bench(Protocol):
    """An engine on which claims run their scenarios.

    It makes the scenarios short itself if it is `quick`; a claim may leave out points of a sweep then.
    """

    @property
    def engine(self) -> str: ...

    @property
    def quick(self) -> bool: ...

    @property
    def costs(self) -> Physics | None:
        """What the simulation charges; None where real connections are measured."""
        ...

    def run(self, scenario: Scenario) -> dict[str, Run]:
        """Return the runs of all strategies, by label, each with all replications and checked.

        A scenario that was run before is not run again.
        """
        ...


Findings = Mapping[str, Finding]  # by engine


def series(findings: Findings) -> dict[str, Sequence[Series]]:
    """Return the series of all findings by engine, as `lab.plots` draws them."""
    return {engine: finding.series for engine, finding in findings.items()}


@dataclass(frozen=True)
class Claim:
    """A claim about push and pull, in our words, and the experiment that tests it.

    `chapter` says where the source chapter makes it; `experiment` what is run and which metric counts;
    `criterion` when it is supported, refuted, or depends. `name` is that of its figure's file.
    """

    number: int
    name: str
    text: str
    chapter: str
    experiment: str
    criterion: str
    test: Callable[[Bench], Finding]
    draw: Callable[[Findings], Figure]


Metric = Callable[[Metrics], float]
OfTrace = Callable[[Trace], float]  # what `Metrics` do not hold


def latency(quantile: str) -> Metric:
    """Return the metric that is this latency: mean, p50, p90, p99 or max, in seconds."""
    return lambda metrics: metrics.latency[quantile]


def amount(run: Run, metric: Metric) -> Interval:
    """Return the mean of a metric over the replications of a run, with its interval."""
    return Interval.over(metric(summarise(trace)) for trace in run.traces)


def ratios(run: Run, other: Run, metric: Metric) -> list[float]:
    """Return a metric of `run` over that of `other` in each replication; NaN where one is not positive."""
    return trace_ratios(run, other, lambda trace: metric(summarise(trace)))


def trace_ratios(run: Run, other: Run, of: OfTrace) -> list[float]:
    """Return what `ratios` does of something that is computed from a whole trace."""
    pairs = [(of(a), of(b)) for a, b in zip(run.traces, other.traces, strict=True)]
    return [a / b if a > 0 and b > 0 else math.nan for a, b in pairs]


def trace_amount(run: Run, of: OfTrace) -> Interval:
    """Return the mean over the replications of something that is computed from a whole trace."""
    return Interval.over(of(trace) for trace in run.traces)


def delivery_cpu(metrics: Metrics) -> float:
    """Return the CPU seconds of broker and consumers for each message; the source's are left out."""
    return sum(used for side, used in metrics.cpu_by_side.items() if side != "source")


def geometric(values: Iterable[float]) -> Interval:
    """Return the geometric mean of values of independent replications, its interval in the logarithm.

    NaN unless every value is positive.
    """
    known = list(values)
    if not all(value > 0 for value in known):
        return Interval()
    found = Interval.over(math.log(value) for value in known)
    return Interval(*(math.exp(value) for value in (found.mean, found.low, found.high)))


def ratio(run: Run, other: Run, metric: Metric) -> Interval:
    """Return by what factor a metric of `run` exceeds that of `other`: a geometric mean.

    Replications are compared in pairs, since both runs had the same messages; the interval is
    Student's in the logarithm. NaN if the metric is not positive in every replication.
    """
    return geometric(ratios(run, other, metric))


def crossing(sweep: Mapping[float, Sequence[float]], level: float = 1.0) -> Interval:
    """Return where a ratio crosses `level`: at which x of a sweep, which has a list of ratios for each x.

    Each replication is interpolated by itself, linearly in both logarithms, at its first crossing. NaN
    if one of them does not cross within the sweep.
    """
    xs = sorted(sweep)
    lines = zip(*(sweep[x] for x in xs), strict=True)
    return geometric(_first_crossing(xs, line, level) for line in lines)


def _first_crossing(xs: Sequence[float], line: Sequence[float], level: float) -> float:
    above = [math.log(y / level) if y > 0 else math.nan for y in line]
    for (x0, y0), (x1, y1) in pairwise(zip(map(math.log, xs), above, strict=True)):
        if y0 * y1 <= 0 and y0 != y1:
            return math.exp(x0 + (x1 - x0) * y0 / (y0 - y1))
    return math.nan


def bracket(sweep: Mapping[float, Sequence[float]], level: float = 1.0) -> tuple[float, float]:
    """Return the two x between which a ratio crosses `level` for certain: as far as intervals can tell.

    The whole intervals at, and beyond, one of them lie on one side, those at and beyond the other on
    the other side. NaN where there is none.
    """
    sides = [(x, _side(geometric(sweep[x]), level)) for x in sorted(sweep)]
    first, last = sides[0][1], sides[-1][1]
    if first * last >= 0:
        return math.nan, math.nan
    left = [x for x, _ in takewhile(lambda place: place[1] == first, sides)]
    right = [x for x, _ in takewhile(lambda place: place[1] == last, reversed(sides))]
    return left[-1], right[-1]


def _side(interval: Interval, level: float) -> int:
    return int(above(interval, level)) - int(below(interval, level))


def above(interval: Interval, limit: float) -> bool:
    """Say whether the whole interval lies above `limit`."""
    return interval.low > limit


def below(interval: Interval, limit: float) -> bool:
    """Say whether the whole interval lies below `limit`."""
    return interval.high < limit


def clears(interval: Interval, limit: float) -> bool | None:
    """Say whether an interval lies above `limit` (true), below it (false), or across it (None)."""
    if above(interval, limit):
        return True
    return False if below(interval, limit) else None


def weigh(holds: Iterable[bool | None]) -> Verdict:
    """Return the verdict of a criterion that should hold in every one of several cases.

    Supported if it holds in all, refuted if it fails in all, not measurable here if nothing can be said
    of any (None); in every other case it depends.
    """
    known = list(holds)
    if all(held is None for held in known):
        return "not measurable here"
    if all(held is True for held in known):
        return "supported"
    return "refuted" if all(held is False for held in known) else "depends"
