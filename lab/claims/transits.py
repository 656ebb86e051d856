"""Claim 12: a long poll is as quick as push: a message takes one transit, and never more than three."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from lab.claims.base import Amount, Bench, Claim, Finding, Findings, series
from lab.claims.judging import above, below, crossing, known
from lab.claims.readings import compare
from lab.faults import AddedLatency
from lab.metrics import Interval, Run
from lab.oracles.polling import long_poll
from lab.plots.series import Panel, Series
from lab.plots.sweep import sweep
from lab.scenario import Scenario
from lab.strategies import LongPoll, WebSocketPush
from lab.trace import Floats, Trace
from lab.workload import Poisson, Workload

DELAY = 0.005  # seconds each way between broker and consumer
RATES = {10.0: 1.6, 100.0: 0.5, 500.0: 0.25}  # messages a second, and for how long
QUICK_RATES = (10.0, 500.0)
MAX_WAIT = 0.2  # seconds; short, as a run ends only when nothing was asked for twice as long
CLOSE = 1.5  # transits on average up to which a long poll counts as quick as push
MOST = 3.0  # transits of the slowest messages
MOSTLY = 0.99  # of the messages: the machine may stall for a moment
SLACK = 1.2  # timers, CPU time and stalls may add so much to the bound
PUSHED, HELD = WebSocketPush(), LongPoll(max_wait=MAX_WAIT)
MEAN, TAIL = "mean", "99 % quantile"
Pair = tuple[Run, Run]  # push and long poll, on the same messages


def scenario(rate: float) -> Scenario:
    duration = RATES[rate]
    return Scenario(
        name="claim_12",
        question="How many transits does a message take?",
        workload=Workload(arrivals=Poisson(rate=rate), duration=duration, seed=12),
        strategies=[PUSHED, HELD],
        faults=[AddedLatency(at=0, duration=duration, delay=DELAY)],
        quick_duration=duration * 0.6,
    )


def delivery(trace: Trace) -> Floats:
    """Return the seconds from the broker's receipt of each message to the consumer's."""
    return trace.received - trace.at_broker


def transits(pushed: Trace, held: Trace) -> Floats:
    """Return how long each delivery of a long poll took, in median transits of push."""
    found: Floats = delivery(held) / np.median(delivery(pushed))
    return found


def average(pushed: Trace, held: Trace) -> float:
    return float(transits(pushed, held).mean())


def slowest(pushed: Trace, held: Trace) -> float:
    return float(np.quantile(transits(pushed, held), MOSTLY))


def test(bench: Bench) -> Finding:
    rates = QUICK_RATES if bench.quick else RATES
    found = {rate: bench.run(scenario(rate)) for rate in rates}
    return judge({rate: (runs[PUSHED.label], runs[HELD.label]) for rate, runs in found.items()})


def judge(pairs: Mapping[float, Pair]) -> Finding:
    """Return the verdict on pairs of runs, by the rate of their messages."""
    swept = {rate * DELAY: compare(*pair, average) for rate, pair in pairs.items()}
    means, worst = (
        {x: Interval.over(v) for x, v in swept.items()},
        _together(list(pairs.values())),
    )
    busy = crossing(swept, CLOSE)
    amounts = [
        *(Amount(f"mean, {x / DELAY:g} messages/s", v, "transits") for x, v in means.items()),
        Amount("99 % of all messages, at most", worst, "transits"),
        Amount(f"load at which the mean is {CLOSE:g} transits", busy, "messages a transit"),
    ]
    tails = {rate * DELAY: Interval.over(compare(*p, slowest)) for rate, p in pairs.items()}
    drawn = [Series(n, sorted(s.items()), n) for n, s in ((MEAN, means), (TAIL, tails))]
    finding = Finding("not measurable here", "", amounts, drawn)
    bounded = below(worst, SLACK * MOST)
    quick = [below(value, CLOSE) for value in means.values()]
    slow = [above(value, CLOSE) for value in means.values()]
    reason = _reason(list(means.values()), worst.mean, busy)
    if above(worst, SLACK * MOST) or all(slow):
        return replace(finding, verdict="refuted", reason=reason)
    if bounded and all(quick):
        return replace(finding, verdict="supported", reason=reason)
    if bounded and any(quick) and any(slow):
        return replace(finding, verdict="depends", reason=reason)
    return replace(finding, reason="intervals reach over the limits: more replications would tell")


def _reason(means: Sequence[Interval], worst: float, busy: Interval) -> str:
    said = (
        f"99 % of the messages take at most {worst:.1f} transits; the mean is {means[0].mean:.2f} while"
        f" messages are rare and {means[-1].mean:.2f} when they come fast, as those that come while the"
        " next request is under way wait for it"
    )
    more = f"; it is above {CLOSE:g} from {busy.mean:.2f} messages a transit on"
    return said + more if known(busy) else said


def _together(pairs: Sequence[Pair]) -> Interval:
    """Return the transits that 99 of 100 messages, at all rates together, do not exceed."""
    each = [
        [transits(*traces) for traces in zip(pushed.traces, held.traces, strict=True)]
        for pushed, held in pairs
    ]
    whole = (np.concatenate(values) for values in zip(*each, strict=True))
    return Interval.over(float(np.quantile(values, MOSTLY)) for values in whole)


def foretold(rate: float) -> float:
    """Return the mean transits by the closed form, in which a re-arm takes a transit each way."""
    return 1 + long_poll(rate, 2 * DELAY, MAX_WAIT).wait / DELAY


def draw(findings: Findings) -> Figure:
    """Draw transits, on average and of the slowest, over the messages that come in one transit."""
    rates = np.geomspace(min(RATES), max(RATES), 30).tolist()
    theory = Series(MEAN, [(rate * DELAY, Interval(foretold(rate))) for rate in rates], MEAN)
    load = "messages that come during one transit"
    panels = [
        Panel("", f"{MEAN} (transits)", load, MEAN, 1.0, CLOSE, "as quick as push", False),
        Panel("", f"{TAIL} (transits)", load, TAIL, 1.0, MOST, "three transits", False),
    ]
    title = "How many transits does a message take by long poll?"
    return sweep({**series(findings), "theory": [theory]}, panels, title)


CLAIM = Claim(
    number=12,
    name="transits",
    text=(
        "Long polling gives pull the latency of push: a message takes about one transit, and at most"
        " three."
    ),
    chapter="Pull, Apache Kafka, the note on long pulling; the bounds are those of RFC 6202",
    experiment=(
        f"Poisson messages, {', '.join(f'{rate:g}' for rate in RATES)}/s; broker and consumer are"
        f" {DELAY * 1e3:g} ms apart, each way; the time from the broker to the consumer, in median"
        " times of a WebSocket push of the same messages."
    ),
    criterion=(
        f"Supported if the mean is below {CLOSE:g} transits at every rate and 99 % of all messages"
        f" take less than {SLACK * MOST:g} ({MOST:g}, and a fifth for CPU time, timers and stalls); refuted"
        f" if more take longer, or if the mean is above {CLOSE:g} at every rate; otherwise it"
        " depends on the rate, and the load at which the mean crosses is given."
    ),
    test=test,
    draw=draw,
)
