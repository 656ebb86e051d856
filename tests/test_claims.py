"""Claims: each criterion gives each verdict, on runs with known figures; what the verdicts rest on."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from builders import trace
from claims_data import noisy, run

from lab.claims import (
    CLAIMS,
    connections,
    costs,
    efficiency,
    freshness,
    missed,
    overload,
    rare,
    rates,
    speed,
)
from lab.claims import rate_limit as limits
from lab.claims.base import Finding
from lab.claims.judging import bracket, clears, crossing, geometric, weigh
from lab.claims.readings import ratio
from lab.idle import IdleCost
from lab.metrics import Interval, Run
from lab.strategies import ShortPoll, Strategy
from lab.trace import Fate

Figures = Mapping[Strategy, Mapping[str, Any]]
EVEN = (0.99, 1.0, 1.01)


def runs(figures: Figures) -> dict[str, Run]:
    return {way.label: run(way.label, **figure) for way, figure in figures.items()}


def swept(pull: Mapping[str, Any], push: Mapping[str, Any]) -> rates.Runs:
    """Return the sweep in which all pulls have the same figures, and all pushes, at every rate."""
    ways = dict.fromkeys(rates.PULLS, pull) | dict.fromkeys(rates.PUSHES, push)
    return {rate: runs(ways) for rate in rates.RATES}


def test_claims_are_numbered_and_named_once() -> None:
    numbers, names = [c.number for c in CLAIMS], [c.name for c in CLAIMS]
    assert numbers == sorted(set(numbers))
    assert len(set(names)) == len(names)
    for claim in CLAIMS:
        for text in (claim.text, claim.chapter, claim.experiment, claim.criterion):
            assert len(text) > 20, claim.name


def fresh(pull: float, push: float, spread: Any = EVEN, first: float | None = None) -> Finding:
    """Judge claim 1 where pulls have that latency; `first` is that of the most frequent poll."""
    polls = [ShortPoll(interval=i) for i in freshness.INTERVALS]
    figures = {way: {"latency": push} for way in rates.PUSHES}
    figures |= {way: {"latency": pull, "spread": spread} for way in (rates.LONG, *polls)}
    if first:
        figures[polls[0]] = {"latency": first}
    busy = swept({"latency": pull, "spread": spread}, {"latency": push})
    return freshness.judge(runs(figures), freshness.INTERVALS, busy)


def test_freshness() -> None:
    assert fresh(pull=0.002, push=0.001).verdict == "supported"
    assert fresh(pull=0.001, push=0.001).verdict == "refuted"
    assert fresh(pull=0.002, push=0.001, spread=noisy()).verdict == "not measurable here"
    mixed = fresh(pull=0.002, push=0.001, first=0.001)
    assert mixed.verdict == "depends"
    assert "a poll every 0.1 ms is as fresh as a webhook, one every 1 ms not" in mixed.reason


def dear(pull: float, push: float, spread: Any = EVEN, pull_bytes: float | None = None) -> Finding:
    asked = {"requests": 100 * pull, "traffic": 1000 * (pull_bytes or pull), "spread": spread}
    return costs.judge(swept(asked, {"requests": 100 * push, "traffic": 1000 * push}))


def test_costs() -> None:
    assert dear(pull=2, push=1).verdict == "supported"
    assert dear(pull=1, push=2).verdict == "refuted"
    assert dear(pull=2, push=1, pull_bytes=0.5).verdict == "depends"
    assert dear(pull=2, push=1, spread=noisy()).verdict == "not measurable here"


def test_the_rate_above_which_a_poll_is_cheaper_is_found() -> None:
    sweep = {
        rate: runs(
            {key: {"requests": 1000} for key in rates.PUSHES}
            | {key: {} for key in rates.PULLS}
            | {rates.SHORT: {"requests": 1000 * 100 / rate}}
        )
        for rate in rates.RATES
    }
    found = costs.judge(sweep).amounts[0]
    assert "fewer requests than Webhook" in found.name
    assert found.value.mean == pytest.approx(100, rel=0.02)
    assert found.value.low <= 100 <= found.value.high * 1.01


@pytest.mark.parametrize(
    ("slow", "burst", "verdict"),
    [(2.0, 2.0, "supported"), (1.0, 1.0, "refuted"), (2.0, 1.0, "depends")],
)
def test_speed(slow: float, burst: float, verdict: str) -> None:
    calm = runs({speed.SOCKET: {}, **{key: {"latency": 0.001 * slow} for key in speed.HTTP}})
    rush = {"latency": 0.1, "gap": 1e-6}
    http = dict.fromkeys(speed.HTTP, rush | {"latency": 0.1 * burst})
    assert speed.judge(calm, runs({speed.SOCKET: rush, **http})).verdict == verdict


def test_speed_that_cannot_be_told() -> None:
    calm = runs({speed.SOCKET: {}, **{key: {"spread": noisy()} for key in speed.HTTP}})
    assert speed.judge(calm, calm).verdict != "supported"
    assert "not measurably different" in speed.judge(calm, calm).reason


@pytest.mark.parametrize(("made", "verdict"), [(1, "refuted"), (100, "supported")])
def test_connections(made: int, verdict: str) -> None:
    some = runs({speed.KEPT: {"connections": made}, speed.NEW: {"connections": 100}})
    assert connections.judge(some, counted=True).verdict == verdict
    assert connections.judge(some, counted=False).verdict == "not measurable here"


def idle_for(request: float, ping: float, sure: bool = True) -> Finding:
    """Judge claim 5 where a request costs that many times a frame, and a ping so many."""
    half = ping * (0.05 if sure else 0.999)
    one_ping = Interval(ping, ping - half, ping + half)
    pinged = IdleCost(
        "",
        "",
        1,
        1,
        cpu=rare.times(one_ping, 0.001 / rare.PING),
        bytes=rare.times(one_ping, 100 / rare.PING),
    )
    frame = {"cpu": 0.1, "traffic": 10_000}
    dearer = {"cpu": 0.1 * request, "traffic": 10_000 * request}
    return rare.judge(runs({rare.SOCKET: frame, rare.REQUEST: dearer}), pinged)


def test_rare() -> None:
    some = idle_for(request=11, ping=1)
    assert some.verdict == "supported"
    for even in some.amounts[:2]:
        assert even.value.mean == pytest.approx(200, rel=0.02)  # ten pings, one every 20 s
        assert even.value.low < 190 and even.value.high > 210
    assert idle_for(request=2, ping=0.001).verdict == "refuted"
    assert idle_for(request=11, ping=0.1, sure=False).verdict == "not measurable here"
    assert idle_for(request=0.5, ping=1).verdict == "not measurable here"


def work(pull: float, push: float, requests: float = 2, spread: Any = EVEN) -> Finding:
    pulling = {"cpu": pull, "requests": 100 * requests, "traffic": 2e4, "spread": spread}
    sweep = swept(pulling, {"cpu": push})
    return efficiency.judge(sweep, run(efficiency.BATCHED.label, cpu=push))


def test_efficiency() -> None:
    assert work(pull=0.2, push=0.1).verdict == "supported"
    assert work(pull=0.1, push=0.2).verdict == "depends"
    assert work(pull=0.2, push=0.1, spread=noisy()).verdict == "not measurable here"
    rare = swept({"cpu": 0.01, "requests": 1, "traffic": 10}, {})
    busy = swept({"cpu": 0.2, "requests": 200, "traffic": 2e4}, {})[rates.BUSY]
    one_rate = {**rare, rates.BUSY: busy}
    assert efficiency.judge(one_rate, run(efficiency.BATCHED.label)).verdict == "supported"
    same = efficiency.judge(swept({}, {}), run(efficiency.BATCHED.label))
    assert same.verdict == "refuted"


def absent(losing: tuple[Strategy, ...]) -> Finding:
    """Judge claim 7 where those ways lose what came while the consumer was away, and no others do."""

    def of(fault: Any, ways: tuple[Strategy, ...]) -> dict[str, Run]:
        created = np.arange(100) * 0.01
        away = (created >= fault.at) & (created < fault.until)
        gone = {"fate": np.where(away, Fate.LOST, Fate.DELIVERED)}
        return {way.label: run(way.label, **(gone if way in losing else {})) for way in ways}

    everyone = (*missed.PUSHES, *missed.PULLS)
    found = {
        "was cut off": of(missed.CUT, everyone),
        "came late": of(missed.LATE, missed.LATECOMERS),
    }
    return missed.judge(found)


def test_missed() -> None:
    assert absent(missed.PUSHES).verdict == "supported"
    assert absent(()).verdict == "refuted"
    some = absent(missed.FORGETFUL)
    assert some.verdict == "depends"
    assert "gone with WebSocketPush and ServerSentEvents(replay=False)" in some.reason
    assert "of the pulls, it is gone with" in absent(missed.PULLS).reason


def flooded(waiting: Mapping[Strategy, int], losing: tuple[Strategy, ...] = ()) -> Finding:
    """Judge claim 8 where at most so many messages wait in front of the consumer."""
    figures = {}
    for way in (*overload.PUSHES, *overload.PULLS):
        left = np.arange(100) * 0.01
        figures[way] = {"left_broker": left, "started": left + (waiting.get(way, 1) - 0.5) * 0.01}
        if way in losing:
            figures[way] |= {"fate": np.where(np.arange(100) < 10, Fate.DROPPED, Fate.DELIVERED)}
    return overload.judge(runs(figures))


def test_overload() -> None:
    pushes, pulls = overload.PUSHES, overload.PULLS
    assert flooded(dict.fromkeys(pushes, 60)).verdict == "supported"
    assert flooded({}, losing=pushes).verdict == "supported"
    assert flooded({}).verdict == "depends"  # nobody is overwhelmed: so much holds of the pull
    assert flooded(dict.fromkeys(pulls, 60)).verdict == "refuted"
    assert flooded(dict.fromkeys(pushes[:2], 60)).verdict == "depends"


def test_what_is_in_front_of_a_consumer_is_counted() -> None:
    left = np.arange(10) * 0.1
    late = trace(left, left_broker=left, started=np.maximum(left, 0.55))
    assert overload.in_front(late) == 6


def limited(free: float, kept: float) -> Finding:
    """Judge claim 9 where messages are taken in at so many a second without and with a limit."""
    figures = {limits.FREE: {"started": np.arange(100) / free}}
    figures |= {way: {"started": np.arange(100) / kept} for way in limits.LIMITED}
    return limits.judge(runs(figures))


def test_rate_limit() -> None:
    allowed = limits.ALLOWED
    assert limited(free=400, kept=allowed).verdict == "supported"
    assert limited(free=400, kept=400).verdict == "depends"
    assert limited(free=allowed, kept=400).verdict == "refuted"


def test_what_is_taken_in_within_a_window_is_counted() -> None:
    assert limits.taken_in(trace(started=[0, 0.01, 0.5, 0.55, 0.6, 0.69, 1], created=[0] * 7)) == 4


def test_crossings() -> None:
    falling = {x: [2 * by * 10 / x for by in EVEN] for x in (1.0, 10.0, 100.0)}
    found = crossing(falling)
    assert found.low < 20 < found.high
    assert found.mean == pytest.approx(20, rel=1e-3)
    assert bracket(falling) == (10, 100)
    assert math.isnan(crossing({1.0: [2, 2], 10.0: [3, 3]}).mean)
    assert math.isnan(crossing({1.0: [2, 2], 10.0: [0.5, 3]}).mean), "only one of them crosses"
    assert all(map(math.isnan, bracket({1.0: [2, 2.1], 10.0: [3, 3.1]})))
    unsure = {1.0: [2, 2.1], 5.0: [0.2, 5], 10.0: [0.5, 0.51]}
    assert bracket(unsure) == (1, 10)


def test_verdicts_of_several_cases() -> None:
    assert weigh([True, True]) == "supported"
    assert weigh([False, False]) == "refuted"
    assert weigh([True, False]) == weigh([True, None]) == weigh([False, None]) == "depends"
    assert weigh([None, None]) == weigh([]) == "not measurable here"
    assert clears(Interval(2, 1.2, 3), 1.1) is True
    assert clears(Interval(1, 0.9, 1.05), 1.1) is False
    assert clears(Interval(1.2, 1.0, 1.4), 1.1) is None
    assert clears(Interval(), 1.1) is None, "what is unknown decides nothing"


def test_ratios_are_paired_and_geometric() -> None:
    slower = run("a", 0.002, (0.5, 1, 2))
    found = ratio(slower, run("b", 0.001, (0.5, 1, 2)), lambda m: m.latency["p50"])
    assert (found.mean, found.low, found.high) == pytest.approx((2, 2, 2))
    assert geometric([1, 4]).mean == pytest.approx(2)
    assert math.isnan(geometric([1, 0]).mean)
