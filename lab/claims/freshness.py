"""Claim 1: push is more real-time than pull."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from lab.claims.base import Amount, Bench, Claim, Finding, Findings, leading, series
from lab.claims.judging import bracket, clears, crossing, geometric, weigh
from lab.claims.rates import (
    BUSY,
    HOOK,
    INTERVAL,
    LONG,
    PULLS,
    PUSHES,
    SHORT,
    SOCKET,
    Runs,
    crossings,
    factors,
    lines,
    swept,
)
from lab.claims.readings import amount, latency, ratio, ratios
from lab.metrics import Run
from lab.plots import sweep
from lab.plots.series import Panel, Series
from lab.scenario import Scenario
from lab.show import number
from lab.strategies import ShortPoll
from lab.workload import Poisson, Workload

RATE = 100.0  # messages a second where the interval is swept
INTERVALS = (0.0001, 0.001, 0.01)  # seconds between polls
QUICK_INTERVALS = (0.0001, 0.01)
LIMIT = 1.1  # a median less than a tenth longer is not called less real-time
MEDIAN = latency("p50")
POLL = ShortPoll().name  # of the line that sweeps the interval


def scenario(intervals: Sequence[float]) -> Scenario:
    polls = [ShortPoll(interval=interval) for interval in intervals]
    workload = Workload(arrivals=Poisson(rate=RATE), duration=0.8, seed=101)
    ways = [SOCKET, HOOK, LONG, *polls]
    return Scenario(workload=workload, strategies=ways, quick_duration=0.4)


def test(bench: Bench) -> Finding:
    intervals = QUICK_INTERVALS if bench.quick else INTERVALS
    return judge(bench.run(scenario(intervals)), intervals, swept(bench))


def judge(runs: Mapping[str, Run], intervals: Sequence[float], rates: Runs) -> Finding:
    """Compare the median latency of every pull with that of every push: at each interval, and when busy."""
    polls = {interval: runs[ShortPoll(interval=interval).label] for interval in intervals}
    pulls = [runs[LONG.label], *polls.values()]
    calm = {
        f"{pull.strategy} over {push.label} at {RATE:g}/s": ratio(pull, runs[push.label], MEDIAN)
        for pull in pulls
        for push in PUSHES
    }
    busy = {
        f"{pull.label} over {push.label} at {BUSY:g}/s": geometric(
            factors(rates, pull, push, MEDIAN)[BUSY]
        )
        for pull in PULLS
        for push in PUSHES
    }
    against = {interval: ratios(run, runs[HOOK.label], MEDIAN) for interval, run in polls.items()}
    overtaken = crossings(rates, SHORT, HOOK, MEDIAN, "is fresher than", smooth=False)
    amounts = [
        Amount(
            "interval up to which a poll is as fresh as a webhook", crossing(against, LIMIT), "s"
        ),
        overtaken.amount,
        *(Amount(f"median latency, {pair}", factor) for pair, factor in (calm | busy).items()),
        *(Amount(f"median latency, {r.strategy}", amount(r, MEDIAN), "s") for r in runs.values()),
    ]
    slower = {pair: clears(factor, LIMIT) for pair, factor in (calm | busy).items()}
    reason = f"{_told(slower)}; {_interval(against)}; {overtaken.text}"
    drawn = [*_series(runs, polls), *lines(rates, [SOCKET, HOOK, LONG], MEDIAN, "rate")]
    drawn += [line._replace(name=POLL) for line in lines(rates, [SHORT], MEDIAN, "rate")]
    first = [f"median latency, {LONG.label} over {push.label} at {RATE:g}/s" for push in PUSHES]
    amounts = leading(amounts, *first, overtaken.amount.name)
    return Finding(weigh(slower.values()), reason, amounts, drawn)


def _told(slower: Mapping[str, bool | None]) -> str:
    """Say in how many cases a pull is slower than a push, and in which it is not, or may not be."""
    text = f"a pull is slower in {sum(h is True for h in slower.values())} of {len(slower)} cases"
    for held, words in ((False, "not slower"), (None, "no measurable difference")):
        if cases := [case for case, value in slower.items() if value is held]:
            text += f"; {words}: {_listed(cases)}"
    return text


def _listed(cases: Sequence[str]) -> str:
    """Return cases in one line, those that differ in the rate only as one."""
    rates: dict[str, list[str]] = {}
    for case in cases:
        pair, _, rate = case.partition(" at ")
        rates.setdefault(pair, []).append(rate)
    return ", ".join(f"{pair} at {' and '.join(some)}" for pair, some in rates.items())


def _interval(against: Mapping[float, Sequence[float]]) -> str:
    """Say up to which interval a poll is as fresh as a webhook."""
    low, high = bracket(against, LIMIT)
    if not math.isnan(low):
        return f"a poll every {low * 1e3:g} ms is as fresh as a webhook, one every {high * 1e3:g} ms not"
    least = min(against)
    factor = geometric(against[least])
    return (
        f"a poll every {least * 1e3:g} ms takes {number(factor.mean, 2)} times as long as a webhook"
    )


def _series(runs: Mapping[str, Run], polls: Mapping[float, Run]) -> list[Series]:
    """Return medians over the interval: those of what does not poll are level."""
    level = [
        Series(way.label, [(x, amount(runs[way.label], MEDIAN)) for x in sorted(polls)], "interval")
        for way in (SOCKET, HOOK, LONG)
    ]
    points = [(interval, amount(polls[interval], MEDIAN)) for interval in sorted(polls)]
    return [*level, Series(POLL, points, "interval")]


def draw(findings: Findings) -> Figure:
    value = "median latency (ms)"
    swept = "seconds between polls"
    panels = [
        Panel(f"{RATE:g} messages per second", value, swept, "interval", 1e3),
        Panel(f"A poll every {INTERVAL * 1e3:g} ms", value, "messages per second", "rate", 1e3),
    ]
    return sweep(series(findings), panels, "How fresh is a message?")


CLAIM = Claim(
    number=1,
    name="freshness",
    text="Push is more real-time than pull.",
    chapter="Push, advantages: real time; pull, disadvantages: less real-time",
    experiment=(
        f"{RATE:g} messages a second (Poisson) of 100 bytes and no work, by WebSocket, by webhook, by long poll"
        f" and by polls of several intervals; and the sweep of rates of claim 2, up to {BUSY:g} a second. What"
        " counts is the median latency."
    ),
    criterion=(
        f"Supported if the median latency of every pull is more than {LIMIT:g} times that of every push (the"
        f" whole interval), at {RATE:g} and at {BUSY:g} messages a second; refuted if in none of these cases;"
        " otherwise it depends on the interval, the rate and the way of pushing."
    ),
    test=test,
    draw=draw,
)
