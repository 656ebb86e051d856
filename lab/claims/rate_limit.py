"""Claim 9: the target of an HTTP push can protect itself with a rate limit."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from lab.claims.base import Amount, Bench, Claim, Finding, Findings, leading, series
from lab.claims.judging import clears, weigh
from lab.claims.readings import amount, latency, requests, trace_amount, undelivered
from lab.metrics import Metrics, Run
from lab.plots.bars import bars
from lab.plots.series import Panel, Series
from lab.scenario import Scenario
from lab.strategies import HttpIngest, Strategy, Webhook
from lab.trace import Trace
from lab.workload import Constant, OnOff, Workload

OFFERED, ALLOWED = 400.0, 150.0  # messages a second
BURST = 10  # messages at once, beyond the allowed rate
WINDOW = 0.2  # seconds in which the messages taken in are counted
MOST = ALLOWED * WINDOW + BURST + 1  # what a token bucket lets in within a window at most
LOST = 0.01  # a share of messages above which it counts as losing some

FREE = Webhook(concurrency=10)
LIMITED: tuple[Strategy, ...] = (
    Webhook(rate_limit=ALLOWED, burst=BURST),
    Webhook(rate_limit=ALLOWED, burst=BURST, concurrency=10),
    Webhook(rate_limit=ALLOWED, burst=BURST, buffer=30),
    HttpIngest(rate_limit=ALLOWED, burst=BURST, batch_size=10, linger=0.05),
)
scenario = Scenario(
    workload=Workload(
        arrivals=OnOff(rate=OFFERED, on=Constant(value=0.3), off=Constant(value=1)),
        duration=0.4,
        seed=109,
    ),
    strategies=[FREE, *LIMITED],
)


def taken_in(trace: Trace) -> float:
    """Return the most messages that the target took in within any `WINDOW` seconds."""
    times = np.sort(trace.started[~np.isnan(trace.started)])
    ends = np.searchsorted(times, times + WINDOW)
    return float((ends - np.arange(len(times))).max(initial=0))


def cpu(metrics: Metrics) -> float:
    return metrics.cpu_by_side["target"]


def test(bench: Bench) -> Finding:
    return judge(bench.run(scenario))


def judge(runs: Mapping[str, Run]) -> Finding:
    """See whether a limit keeps what the target takes in within bounds, and what that costs."""
    most = {way: trace_amount(run, taken_in) for way, run in runs.items()}
    share = {way: trace_amount(run, undelivered) for way, run in runs.items()}
    asked = {way: amount(run, requests) for way, run in runs.items()}
    limited = [way.label for way in LIMITED]
    flooded = min(map(taken_in, runs[FREE.label].traces)) > MOST
    within = [max(map(taken_in, runs[way].traces)) <= MOST for way in limited]
    losing = [way for way in limited if clears(share[way], LOST)]
    busiest = max(limited, key=lambda way: asked[way].mean)
    reason = (
        f"without a limit {most[FREE.label].mean:.0f} messages are taken in within {WINDOW:g} s, with one"
        f" at most {max(most[way].mean for way in limited):.0f} of the {MOST:g} that it allows;"
        f" the refused wait at the source, or are lost there ({' and '.join(losing) or 'none here'}), and"
        f" the target answers up to {asked[busiest].mean:.2g} requests for each message"
        f" ({busiest})"
    )
    name = f"most taken in within {WINDOW:g} s, {{}}".format
    amounts = [
        *(Amount(name(way), i) for way, i in most.items()),
        *(Amount(f"share lost, {way}", found) for way, found in share.items()),
        *(Amount(f"requests per message, {way}", found) for way, found in asked.items()),
        *(
            Amount(f"CPU of the target per message, {w}", amount(r, cpu), "s")
            for w, r in runs.items()
        ),
        *(Amount(f"p99 latency, {w}", amount(r, latency("p99")), "s") for w, r in runs.items()),
    ]
    many = LIMITED[1].label
    amounts = leading(amounts, name(FREE.label), name(many), f"requests per message, {many}")
    drawn = [
        Series(way, [(0, found)], panel)
        for panel, of in (("most", most), ("lost", share), ("requests", asked))
        for way, found in of.items()
    ]
    return Finding(weigh([flooded, *within]), reason, amounts, drawn)


def draw(findings: Findings) -> Figure:
    value = f"messages within {WINDOW:g} s"
    panels = [
        Panel("Most taken in", value, "", "most", 1, MOST, "allowed", logarithmic=False),
        Panel("Lost", "share of messages (%)", "", "lost", 100, logarithmic=False),
        Panel("Requests", "for each message", "", "requests", logarithmic=False),
    ]
    return bars(series(findings), panels, "Does a rate limit protect the target of a push?")


CLAIM = Claim(
    number=9,
    name="rate_limit",
    text="The target of an HTTP push can protect itself with a rate limit.",
    chapter="Push, implementations: HTTP POST/PUT",
    experiment=(
        f"{OFFERED:g} messages a second for 0.3 s, each a POST, to a target that allows {ALLOWED:g} a second"
        f" and {BURST} at once, and answers the others with 429 and Retry-After; sources that send one request"
        " at a time, ten at once, one at a time but with room for no more than 30 that wait, or batches. Beside"
        " them no limit. Lost messages, requests and the target's CPU time are the price."
    ),
    criterion=(
        f"Supported if without a limit more than {MOST:g} messages are taken in within {WINDOW:g} s in every run,"
        " and with one never more, whatever the source does; it depends if only some of these hold, and is"
        " refuted if none does."
    ),
    test=test,
    draw=draw,
)
