"""Claim 13: a client that first checks, and pulls only if something is new, saves work."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from matplotlib.figure import Figure

from lab.claims.base import Amount, Bench, Claim, Finding, Findings, series
from lab.claims.judging import above, below, crossing, geometric, known
from lab.claims.readings import Comparison, compare, trace_amount
from lab.metrics import Interval, Run
from lab.plots.series import Panel, Series
from lab.plots.sweep import sweep
from lab.scenario import Scenario
from lab.strategies import PollThenPull, ShortPoll
from lab.trace import Trace
from lab.workload import Constant, Poisson, Workload

INTERVAL = 0.02  # seconds between polls
SIZE = 2_000  # bytes of a message: a small document
RATES = {5.0: 1.0, 50.0: 0.5, 400.0: 0.3}  # messages a second, and for how long: about 90, 35 and
# 4 % of the polls find nothing
QUICK_RATES = (5.0, 400.0)
PLAIN, CHECKING = ShortPoll(interval=INTERVAL), PollThenPull(interval=INTERVAL)
Pair = tuple[Run, Run]  # the plain poll and the one that checks first, on the same messages


def scenario(rate: float) -> Scenario:
    return Scenario(
        name="claim_13",
        question="Does it pay to ask first whether there is anything to pull?",
        workload=Workload(
            arrivals=Poisson(rate=rate), size=Constant(value=SIZE), duration=RATES[rate], seed=27
        ),
        strategies=[PLAIN, CHECKING],
        quick_duration=0.6 * RATES[rate],
    )


def empty_share(plain: Trace) -> float:
    """Return the percentage of plain polls that found nothing."""
    return 100 * plain.counters.empty_replies / plain.counters.requests


def _bytes(trace: Trace) -> float:
    """Return the bytes both ways."""
    return float(trace.counters.bytes_out + trace.counters.bytes_back)


def _cycles(trace: Trace) -> float:
    """Return how often the poller paused: once a poll, or once a check, with or without a pull."""
    counters = trace.counters
    if trace.manifest["strategy"] == CHECKING.label:
        return (counters.requests + counters.empty_replies) / 2  # others than empty come in twos
    return counters.requests


def to_cursor(plain: Trace, checking: Trace) -> float:
    """Compare the bytes for each cycle with those of the plain poll as it is, with a cursor."""
    return (_bytes(checking) / _cycles(checking)) / (_bytes(plain) / _cycles(plain))


def to_repeats(plain: Trace, checking: Trace) -> float:
    """Compare them with what the plain poll would take if it repeated its last answer.

    Computed: each of its empty answers would hold as many records as the full ones do on average.
    """
    pulls = plain.counters.requests - plain.counters.empty_replies
    if not pulls:
        return math.nan
    repeated = len(plain) * SIZE / pulls * plain.counters.empty_replies
    whole = (_bytes(plain) + repeated) / _cycles(plain)
    return (_bytes(checking) / _cycles(checking)) / whole


def cpu(plain: Trace, checking: Trace) -> float:
    """Compare the broker's CPU time for each cycle."""
    used = [t.counters.cpu_seconds["broker"] / _cycles(t) for t in (checking, plain)]
    return used[0] / used[1]


def requests(plain: Trace, checking: Trace) -> float:
    """Compare the requests for each cycle, of which a plain poll has one."""
    return checking.counters.requests / _cycles(checking)


CURSOR, REPEATS, CPU, REQUESTS = (
    "bytes, over a poll with a cursor",
    "bytes, over one that repeats its answer (computed)",
    "broker's CPU, over a poll with a cursor",
    "requests, over a poll with a cursor",
)
BYTES = "bytes"  # the panel of the first two
COMPARISONS: Mapping[str, Comparison] = {
    CURSOR: to_cursor,
    REPEATS: to_repeats,
    CPU: cpu,
    REQUESTS: requests,
}


def test(bench: Bench) -> Finding:
    rates = QUICK_RATES if bench.quick else RATES
    found = {rate: bench.run(scenario(rate)) for rate in rates}
    return judge({rate: (runs[PLAIN.label], runs[CHECKING.label]) for rate, runs in found.items()})


def judge(pairs: Mapping[float, Pair]) -> Finding:
    """Return the verdict on pairs of runs, by the rate of their messages."""
    shares = {rate: trace_amount(plain, empty_share) for rate, (plain, _) in pairs.items()}
    swept = {
        name: {shares[rate].mean: compare(*pair, how) for rate, pair in pairs.items()}
        for name, how in COMPARISONS.items()
    }
    found = {name: {x: geometric(v) for x, v in line.items()} for name, line in swept.items()}
    drawn = [
        Series(name.partition(", ")[2], sorted(found[name].items()), panel)
        for name, panel in ((CURSOR, BYTES), (REPEATS, BYTES), (CPU, CPU))
    ]
    finding = Finding("not measurable here", "", list(_amounts(found, shares)), drawn)
    cursor, repeats = found[CURSOR].values(), found[REPEATS].values()
    if all(below(value, 1) for value in cursor):
        reason = "it takes fewer bytes at every share of empty polls"
        return replace(finding, verdict="supported", reason=reason)
    if all(above(value, 1) for value in (*cursor, *repeats)):
        reason = "it takes more bytes at every share of empty polls, with a cursor or without"
        return replace(finding, verdict="refuted", reason=reason)
    if not any(below(value, 1) for value in (*cursor, *repeats)):
        return replace(finding, reason="intervals reach over 1: more replications would tell")
    where = {name: _where(swept[name]) for name in (CURSOR, REPEATS)}
    reason = (
        f"it saves bytes {where[CURSOR]} if an empty answer is small, as with a cursor, and"
        f" {where[REPEATS]} if a poll would repeat its last answer"
    )
    return replace(finding, verdict="depends", reason=reason)


def _where(line: Mapping[float, Sequence[float]]) -> str:
    """Say from which share of empty polls on it saves."""
    end = crossing(line)
    if known(end):
        return f"above {end.mean:.0f} % empty polls"
    saves = [share for share, values in line.items() if below(geometric(values), 1)]
    return f"from {min(saves):.0f} % empty polls on" if saves else "at no share of empty polls"


def _amounts(
    found: Mapping[str, Mapping[float, Interval]], shares: Mapping[float, Interval]
) -> Iterator[Amount]:
    """Yield the bytes where most polls are empty and where few are, and then everything."""
    ends = min(shares), max(shares)
    told = [(name, rate) for name in (CURSOR, REPEATS) for rate in ends]
    told += [(name, rate) for name in found for rate in shares if (name, rate) not in told]
    for name, rate in told:
        yield Amount(f"{name}, {rate:g} messages/s", found[name][shares[rate].mean], "times")
    for rate, share in shares.items():
        yield Amount(f"polls that find nothing, {rate:g} messages/s", share, "%")


def draw(findings: Findings) -> Figure:
    """Draw bytes and the broker's CPU for each cycle over the share of empty polls."""
    empty, same = "polls that find nothing (%)", "no difference"
    panels = [
        Panel("", f"{what}, checking / plain", empty, name, level=1.0, says=same, logarithmic=False)
        for what, name in (("bytes for each poll", BYTES), ("broker's CPU for each poll", CPU))
    ]
    return sweep(series(findings), panels, "Does it pay to check before pulling?")


CLAIM = Claim(
    number=13,
    name="poll_first",
    text="A client that first checks whether there is anything new, and only then pulls, saves work.",
    chapter="Pull, the two styles: poll, then pull",
    experiment=(
        f"Poisson messages of {SIZE:,} bytes, {', '.join(f'{r:g}' for r in RATES)}/s; every"
        f" {INTERVAL * 1e3:g} ms a plain poll, or a conditional request (ETag, 304) and a pull if"
        " something is new; bytes both ways, requests, and the broker's CPU, for each poll. Compared"
        " with the plain poll, whose cursor keeps empty answers small, and with one that would repeat"
        " its last answer (computed from the same runs)."
    ),
    criterion=(
        "Supported if it takes fewer bytes than a plain poll at every share of empty polls; refuted if"
        " it takes more at every share, whatever an empty answer holds; otherwise it depends, and the"
        " break-even share is given."
    ),
    test=test,
    draw=draw,
)
