"""The sweep of rates that claims 1, 2 and 6 share: two pushes and two pulls at several loads."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lab.claims.base import Amount, Bench
from lab.claims.judging import bracket, crossing
from lab.claims.readings import Metric, amount, ratios
from lab.metrics import Interval, Run
from lab.plots.series import Series
from lab.scenario import Scenario
from lab.show import number
from lab.strategies import LongPoll, ShortPoll, Strategy, Webhook, WebSocketPush
from lab.workload import Poisson, Workload

RATES = (10.0, 80.0, 640.0, 4000.0)  # messages a second
BUSY = RATES[-1]
QUICK_RATES = (RATES[0], BUSY)
INTERVAL = 0.02  # seconds between polls
SOCKET, HOOK = WebSocketPush(), Webhook()
LONG, SHORT = LongPoll(), ShortPoll(interval=INTERVAL)
PUSHES: tuple[Strategy, ...] = (SOCKET, HOOK)
PULLS: tuple[Strategy, ...] = (LONG, SHORT)

Runs = Mapping[float, Mapping[str, Run]]  # by rate, by strategy


def scenario(rate: float) -> Scenario:
    workload = Workload(arrivals=Poisson(rate=rate), duration=0.6, seed=7)
    return Scenario(workload=workload, strategies=[*PUSHES, *PULLS], quick_duration=0.4)


def swept(bench: Bench) -> Runs:
    """Return the runs at each rate."""
    rates = QUICK_RATES if bench.quick else RATES
    return {rate: bench.run(scenario(rate)) for rate in rates}


def factors(runs: Runs, way: Strategy, other: Strategy, metric: Metric) -> dict[float, list[float]]:
    """Return at each rate the ratio of a metric of two strategies, in each replication."""
    return {r: ratios(some[way.label], some[other.label], metric) for r, some in runs.items()}


def lines(runs: Runs, ways: Sequence[Strategy], metric: Metric, panel: str) -> list[Series]:
    """Return a metric of each strategy over the rate, to be drawn."""
    return [
        Series(way.label, [(r, amount(some[way.label], metric)) for r, some in runs.items()], panel)
        for way in ways
    ]


class Crossed(NamedTuple):
    """From which rate on a pull is the cheaper one: an amount, and in words."""

    amount: Amount
    text: str


def crossings(
    runs: Runs, pull: Strategy, push: Strategy, metric: Metric, says: str, smooth: bool = True
) -> Crossed:
    """Return the rate above which a metric of `pull` is less than that of `push`.

    `says` is what that means, as "needs fewer bytes than". A ratio that is not `smooth`, as one of
    latencies near an overload, is not interpolated: the two rates of the sweep are told between which
    it crosses.
    """
    factor = factors(runs, pull, push, metric)
    low, high = bracket(factor)
    at = crossing(factor) if smooth else Interval(math.sqrt(low * high), low, high)
    pair = f"{pull.label} {says} {push.label}"
    if smooth and not math.isnan(at.low):
        text = f"{pair} above {number(at.mean, 2)}/s ({number(at.low, 2)} to {number(at.high, 2)})"
    elif not math.isnan(low):
        text = f"{pair} from somewhere between {low:g} and {high:g}/s on"
    else:
        text = f"the sweep does not tell from which rate on {pair}"
    return Crossed(Amount(f"rate above which {pair}", at, "/s"), text)
