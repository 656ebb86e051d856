"""Ticks: geometric Brownian motion at Poisson times, the same from the same seed."""

import math
from itertools import islice, pairwise

import numpy as np
from scipy import stats

from lab.feed.ticks import YEAR, Tick, ticks

COUNT = 6000


def some(seed: int, **changes: float) -> list[Tick]:
    rng = np.random.default_rng(seed)
    return list(islice(ticks(rng, ("A", "B", "C"), **changes), COUNT))


def test_the_seed_decides_everything() -> None:
    assert some(1) == some(1)
    assert some(1) != some(2)


def test_numbers_count_and_times_are_a_poisson_process() -> None:
    found = some(3, rate=50.0, start=1000.0)
    assert [tick.sequence for tick in found] == list(range(COUNT))
    gaps = np.diff([1000.0, *(tick.time for tick in found)])
    assert stats.kstest(gaps, "expon", args=(0, 1 / 50)).pvalue > 0.001
    counts = [sum(tick.symbol == name for tick in found) for name in "ABC"]
    assert stats.chisquare(counts).pvalue > 0.001


def test_returns_are_those_of_geometric_brownian_motion() -> None:
    """At a tick every four days or so, rounding to 1/10,000 does not show."""
    drift, volatility = 0.3, 0.6
    found = some(4, rate=3 * 90 / YEAR, drift=drift, volatility=volatility)
    scores = []
    for name in "ABC":
        mine = [(tick.time, tick.price) for tick in found if tick.symbol == name and tick.price > 1]
        for (t0, p0), (t1, p1) in pairwise(mine):
            years = (t1 - t0) / YEAR
            mean = (drift - volatility**2 / 2) * years
            scores.append((math.log(p1 / p0) - mean) / (volatility * math.sqrt(years)))
    assert len(scores) > COUNT / 2
    assert stats.kstest(scores, "norm").pvalue > 0.001


def test_a_message_that_is_no_tick_is_none() -> None:
    tick = {"symbol": "A", "price": 1, "time": 2.5, "more": "is ignored"}
    assert Tick.read(7, tick) == Tick(7, "A", 1.0, 2.5)
    for wrong in (
        {},
        [],
        "x",
        tick | {"price": "1"},
        tick | {"price": True},
        tick | {"time": None},
    ):
        assert Tick.read(7, wrong) is None
    assert Tick.read(7, tick | {"price": math.inf}) is None
