"""What a claim is, and how it is judged: the words in which the experiments of this folder talk.

A claim is written once and put to each engine in turn. Its criterion is fixed in words before
anything is run; its verdict is computed from what was run, and from nothing else.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from matplotlib.figure import Figure

from lab.metrics import Interval, Metrics, Run, plain, summarise
from lab.scenario import Scenario

Verdict = Literal["supported", "refuted", "depends", "not measurable here"]
ENGINES = ("simulation", "loopback")


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

    `reason` is one sentence; where the verdict is "depends" it names the condition and the crossover,
    where it is "not measurable here" why. `runs` are those that a figure can be drawn from.
    """

    verdict: Verdict
    reason: str
    amounts: Sequence[Amount] = ()
    runs: Sequence[Run] = ()

    def to_json(self) -> dict[str, Any]:
        amounts = [amount.to_json() for amount in self.amounts]
        return {"verdict": self.verdict, "reason": self.reason, "amounts": amounts}


class Bench(Protocol):
    """An engine on which claims run their scenarios. `quick` asks for short runs."""

    engine: str
    quick: bool

    def run(self, scenario: Scenario) -> dict[str, Run]:
        """Return the runs of all strategies, by label, each with all replications and checked."""
        ...


Findings = Mapping[str, Finding]  # by engine


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


def latency(quantile: str) -> Metric:
    """Return the metric that is this latency: mean, p50, p90, p99 or max, in seconds."""
    return lambda metrics: metrics.latency[quantile]


def amount(run: Run, metric: Metric) -> Interval:
    """Return the mean of a metric over the replications of a run, with its interval."""
    return Interval.over(metric(summarise(trace)) for trace in run.traces)


def ratio(run: Run, other: Run, metric: Metric) -> Interval:
    """Return by what factor a metric of `run` exceeds that of `other`: a geometric mean.

    Replications are compared in pairs, since both runs had the same messages; the interval is
    Student's in the logarithm. NaN if the metric is not positive in every replication.
    """
    pairs = [
        (metric(summarise(a)), metric(summarise(b)))
        for a, b in zip(run.traces, other.traces, strict=True)
    ]
    if any(not (a > 0 and b > 0) for a, b in pairs):
        return Interval()
    found = Interval.over(math.log(a / b) for a, b in pairs)
    return Interval(*(math.exp(value) for value in (found.mean, found.low, found.high)))


def above(interval: Interval, limit: float) -> bool:
    """Say whether the whole interval lies above `limit`."""
    return interval.low > limit


def below(interval: Interval, limit: float) -> bool:
    """Say whether the whole interval lies below `limit`."""
    return interval.high < limit
