"""Three briefs for which a student designs a delivery: what is to be delivered, and what is demanded.

A brief fixes the workload, what goes wrong, and criteria with limits. The design is the strategy and
the rest of the scenario. Each criterion is a figure of one run; the worst run must keep the limit.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from lab.compare import compare
from lab.faults import AnyFault, HalfOpen, LinkDown, LostResponse, SlowConsumer
from lab.metrics import Run, summarise
from lab.scenario import Scenario
from lab.show import ENGINES, number
from lab.strategies import HttpIngest, Strategy, Webhook
from lab.trace import Fate, Trace
from lab.workload import Constant, Periodic, Poisson, Workload

Kind = Literal["loss", "latency", "cost"]
SIMULATED, MEASURED = 3, 1  # runs of each strategy
SLOW = 0  # the consumer of the price feed that is slow


class Criterion(NamedTuple):
    """A demand: `figure` of each run must be at most `limit`, in `unit`."""

    kind: Kind
    name: str
    unit: str
    limit: float
    figure: Callable[[Trace], float]


class Verdict(NamedTuple):
    """A criterion and the worst figure of the runs; NaN, where nothing is known, does not meet it."""

    criterion: Criterion
    worst: float

    @property
    def met(self) -> bool:
        return self.worst <= self.criterion.limit

    def __str__(self) -> str:
        name, unit = self.criterion.name, self.criterion.unit
        found = f"{number(self.worst)} {unit}, allowed {number(self.criterion.limit)}"
        return f"{'met    ' if self.met else 'NOT MET'} {name}: {found}"


@dataclass(frozen=True)
class Brief:
    """What is to be designed for; `terms` says what is wrong with a strategy, "" if nothing is."""

    name: str
    story: str
    workload: Workload
    faults: Sequence[AnyFault]
    criteria: Sequence[Criterion]
    terms: Callable[[Strategy], str] = lambda strategy: ""

    def scenario(self, *strategies: Strategy, **settings: Any) -> Scenario:
        """Return the brief's scenario with these strategies; `settings` are other fields of it."""
        fixed: dict[str, Any] = {
            "name": self.name,
            "question": self.story,
            "workload": self.workload,
            "faults": list(self.faults),
        }
        return Scenario(strategies=list(strategies), **settings | fixed)

    def simulate(self, scenario: Any) -> list[Run]:
        """Simulate every strategy of the scenario; `...` has none."""
        return self._run(scenario, "simulation", SIMULATED)

    def measure(self, scenario: Any) -> list[Run]:
        """Measure every strategy of the scenario on real connections; `...` has none."""
        return self._run(scenario, "loopback", MEASURED)

    def _run(self, scenario: Any, engine: str, replications: int) -> list[Run]:
        if not isinstance(scenario, Scenario):
            print("There is no scenario yet.")
            return []
        few = scenario.model_copy(update={"replications": replications})
        runs = compare(few, engines=[engine]).runs
        for run in runs:
            print("\n".join(self.told(run)))
        return runs

    def judge(self, run: Run) -> list[Verdict]:
        """Return for each criterion the worst figure over the replications of `run`."""
        return [Verdict(c, _worst([c.figure(t) for t in run.traces])) for c in self.criteria]

    def told(self, run: Run) -> Iterator[str]:
        """Yield lines that say how `run` does."""
        yield f"{run.strategy}, {ENGINES[run.engine]}"
        for verdict in self.judge(run):
            yield f"  {verdict}"


def _worst(figures: Sequence[float]) -> float:
    return math.nan if not figures or np.isnan(figures).any() else max(figures)


def _undelivered(trace: Trace) -> float:
    return float(np.count_nonzero(trace.fate != Fate.DELIVERED))


def _again(trace: Trace) -> float:
    return float(np.count_nonzero(trace.completions > 1))


def _p99(trace: Trace) -> float:
    return summarise(trace).latency["p99"]


def _longest(trace: Trace) -> float:
    return summarise(trace).latency["max"]


def _bytes(trace: Trace) -> float:
    return summarise(trace).bytes_per_message


def _requests(trace: Trace) -> float:
    return summarise(trace).requests_per_message


def _undelivered_to_others(trace: Trace) -> float:
    return float(np.count_nonzero((trace.fate != Fate.DELIVERED) & (trace.consumer != SLOW)))


def _p99_of_others(trace: Trace) -> float:
    return _quantile(trace.latency[trace.consumer != SLOW], 0.99)


def _oldest_of_slow(trace: Trace) -> float:
    return _quantile(trace.latency[trace.consumer == SLOW], 1.0)


def _quantile(latency: Any, share: float) -> float:
    known = latency[~np.isnan(latency)]
    return float(np.quantile(known, share)) if len(known) else math.nan


def _partner(strategy: Strategy) -> str:
    """Return what is wrong with the terms of the partner who takes the invoices."""
    if not isinstance(strategy, Webhook | HttpIngest):
        return "the partner takes HTTP requests only: Webhook or HttpIngest"
    if strategy.rate_limit != 80 or strategy.burst != 20:
        return "the partner's limit is rate_limit=80, burst=20"
    return "" if strategy.batch_size == 1 else "the partner takes one invoice in a request"


SENSORS = Brief(
    "sensors",
    "Readings of 200 bytes come from a harvester in the field, 50 a second, over a mobile network that"
    " drops out. Every byte on the air is paid for. Nobody waits for a reading, but each must be in the"
    " store, and none of them twice.",
    Workload(arrivals=Poisson(rate=50), size=Constant(value=200), work=0.002, duration=4, seed=13),
    (
        LinkDown(at=1, duration=0.5),
        LostResponse(at=2.2),
        HalfOpen(at=2.8, duration=0.4),
        LostResponse(at=3.6),
    ),
    (
        Criterion("loss", "readings that are not in the store", "readings", 0, _undelivered),
        Criterion("loss", "readings worked on twice", "readings", 0, _again),
        Criterion("latency", "p99 of the latency", "s", 2.5, _p99),
        Criterion("cost", "bytes on the air for each reading", "bytes", 340, _bytes),
    ),
)

PRICES = Brief(
    "prices",
    "A price feed has 100 consumers and ten prices a second. An old price is worth nothing. One of the"
    " consumers is slow for a while: it may miss prices, but it must not work on old ones, and the"
    " others must not notice.",
    Workload(
        arrivals=Periodic(rate=10),
        size=Constant(value=120),
        work=0.0005,
        consumers=100,
        duration=3,
        seed=13,
    ),
    (SlowConsumer(at=0.5, duration=2, consumer=SLOW, times=1, work=0.3),),
    (
        Criterion("loss", "prices the 99 others missed", "prices", 0, _undelivered_to_others),
        Criterion("latency", "p99 of the latency of the 99 others", "s", 0.15, _p99_of_others),
        Criterion("latency", "oldest price the slow one worked on", "s", 0.75, _oldest_of_slow),
        Criterion("cost", "requests for each price and consumer", "requests", 0.2, _requests),
    ),
)

INVOICES = Brief(
    "invoices",
    "At night 200 invoices are made in two seconds and sent to a partner, who takes HTTP requests, 80 a"
    " second and 20 at once at most, one invoice in each. An answer gets lost, then the partner cannot"
    " be reached, and then its database is slow. An invoice that is sent twice must not be booked twice.",
    Workload(
        arrivals=Periodic(rate=100), size=Constant(value=2000), work=0.002, duration=2, seed=13
    ),
    (
        LostResponse(at=0.2),
        LinkDown(at=0.5, duration=1.8),
        SlowConsumer(at=2, duration=1.5, times=1, work=0.3),
    ),
    (
        Criterion("loss", "invoices not booked", "invoices", 0, _undelivered),
        Criterion("loss", "invoices booked twice", "invoices", 0, _again),
        Criterion("latency", "until the last one is booked", "s", 10, _longest),
        Criterion("cost", "requests for each invoice", "requests", 2, _requests),
    ),
    _partner,
)

BRIEFS = {brief.name: brief for brief in (SENSORS, PRICES, INVOICES)}
