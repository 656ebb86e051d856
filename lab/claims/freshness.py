"""Claim 1: push is more real-time than pull."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from lab.claims.base import (
    Amount,
    Bench,
    Claim,
    Finding,
    Findings,
    amount,
    bracket,
    clears,
    crossing,
    latency,
    ratio,
    ratios,
    series,
    weigh,
)
from lab.metrics import Run
from lab.plots import sweep
from lab.plots.series import Panel, Series
from lab.scenario import Scenario
from lab.strategies import LongPoll, ShortPoll, Strategy, Webhook, WebSocketPush
from lab.workload import Poisson, Workload

RATE = 100.0  # messages a second
INTERVALS = (0.0001, 0.001, 0.01, 0.05)  # seconds between polls
QUICK_INTERVALS = (0.0001, 0.01)
PUSHES = (WebSocketPush(), Webhook())
LIMIT = 1.1  # a median less than a tenth longer is not called less real-time
MEDIAN = latency("p50")
Pair = tuple[str, str]  # a pull and a push


def scenario(intervals: tuple[float, ...]) -> Scenario:
    polls = [ShortPoll(interval=interval) for interval in intervals]
    strategies: list[Strategy] = [*PUSHES, LongPoll(), *polls]
    workload = Workload(arrivals=Poisson(rate=RATE), duration=1.5, seed=101)
    return Scenario(workload=workload, strategies=strategies, quick_duration=0.6)


def test(bench: Bench) -> Finding:
    intervals = QUICK_INTERVALS if bench.quick else INTERVALS
    return judge(bench.run(scenario(intervals)), intervals)


def judge(runs: dict[str, Run], intervals: tuple[float, ...]) -> Finding:
    """Compare the median latency of every pull with that of every push."""
    polls = {interval: runs[ShortPoll(interval=interval).label] for interval in intervals}
    pulls = [runs[LongPoll().label], *polls.values()]
    pushes = [runs[push.label] for push in PUSHES]
    factors = {
        (pull.strategy, push.strategy): ratio(pull, push, MEDIAN)
        for pull in pulls
        for push in pushes
    }
    slower = {pair: clears(factor, LIMIT) for pair, factor in factors.items()}
    against = {interval: ratios(run, pushes[-1], MEDIAN) for interval, run in polls.items()}
    amounts = [
        Amount("interval at which a poll is as fresh as a webhook", crossing(against), "s"),
        *(Amount(f"median latency, {a} over {b}", f) for (a, b), f in factors.items()),
        *(Amount(f"median latency, {r.strategy}", amount(r, MEDIAN), "s") for r in runs.values()),
    ]
    return Finding(weigh(slower.values()), _reason(slower, against), amounts, _series(runs, polls))


def _reason(slower: Mapping[Pair, bool | None], against: Mapping[float, Sequence[float]]) -> str:
    """Say which pulls are less fresh than which pushes, and up to which interval polls are not."""
    told = [_told(slower, push.label) for push in PUSHES]
    low, high = bracket(against, LIMIT)
    if not math.isnan(low):
        told.append(
            f"against a webhook, polling loses freshness from an interval between"
            f" {low * 1e3:g} and {high * 1e3:g} ms on"
        )
    return "; ".join(told)


def _told(slower: Mapping[Pair, bool | None], push: str) -> str:
    mine = {pull: held for (pull, other), held in slower.items() if other == push}
    fresh = [pull for pull, held in mine.items() if held is False]
    unclear = [pull for pull, held in mine.items() if held is None]
    text = f"{sum(h is True for h in mine.values())} of {len(mine)} pulls are slower than {push}"
    if fresh:
        text += f", not {', '.join(fresh)}"
    return f"{text}; no difference is measurable for {', '.join(unclear)}" if unclear else text


def _series(runs: Mapping[str, Run], polls: Mapping[float, Run]) -> list[Series]:
    """Return medians over the interval: those of what does not poll are level."""
    xs = sorted(polls)
    level = [
        Series(label, [(x, amount(runs[label], MEDIAN)) for x in xs])
        for label in (*(push.label for push in PUSHES), LongPoll().label)
    ]
    return [*level, Series("ShortPoll", [(x, amount(polls[x], MEDIAN)) for x in xs])]


def draw(findings: Findings) -> Figure:
    title = f"How fresh is a message, if one comes every {1 / RATE * 1e3:g} ms?"
    panel = Panel("", "median latency (ms)", "interval between polls (s)", scale=1e3)
    return sweep(series(findings), [panel], title)


CLAIM = Claim(
    1,
    "freshness",
    "Push is more real-time than pull.",
    "Push, advantages: real time; pull, disadvantages: less real-time",
    f"{RATE:g} messages a second (Poisson) of 100 bytes and no work, by WebSocket, by webhook, by long"
    " poll and by polls of several intervals; the median latency.",
    f"Supported if the median latency of every pull is more than {LIMIT:g} times that of every push (the"
    " whole interval); refuted if that of none is; it depends if that of some is.",
    test,
    draw,
)
