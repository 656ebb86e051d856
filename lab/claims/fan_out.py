"""Claim 11: consumers can be added easily with pull, and one does not disturb another."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from lab.claims.base import Amount, Bench, Claim, Finding, Findings, Verdict, series
from lab.claims.judging import above, below, crossing, geometric, known
from lab.claims.readings import readings, trace_amount, trace_ratios
from lab.faults import SlowConsumer
from lab.metrics import Interval, Run
from lab.plots.series import Panel, Series
from lab.plots.sweep import sweep
from lab.scenario import Scenario
from lab.strategies import LongPoll, Strategy, WebSocketPush
from lab.trace import Trace
from lab.workload import Poisson, Workload

RATE = 150.0  # messages a second, each of which goes to every consumer
NUMBERS = (1, 2, 4, 8)  # consumers
QUICK_NUMBERS = (1, 8)
PULL, PUSH = LongPoll(max_wait=0.2), WebSocketPush()
BLOCKING = WebSocketPush(acks=True, credits=10, buffer=10, overflow="block")
CROWD: list[Strategy] = [PULL, PUSH]
ISOLATION: list[Strategy] = [PULL, PUSH, BLOCKING]
SLOW = SlowConsumer(at=0.3, duration=0.4, consumer=3, work=0.05)
HARM = 1.5  # times as long a median latency: the others notice
Rises = dict[float, list[float]]  # by the number of consumers, for each replication
LATENCY, CPU = "latency", "cpu"  # the panels of the figure


def crowd(consumers: int) -> Scenario:
    """Return the experiment with that many consumers, none of which is slow."""
    workload = Workload(arrivals=Poisson(rate=RATE), consumers=consumers, duration=0.6, seed=11)
    return Scenario(name="claim_11", workload=workload, strategies=CROWD, quick_duration=0.3)


def isolation() -> Scenario:
    """Return the experiment in which one of four consumers needs 50 ms a message for a while."""
    workload = Workload(arrivals=Poisson(rate=RATE), consumers=4, duration=0.7, seed=11)
    return Scenario(
        name="claim_11_slow",
        workload=workload,
        strategies=ISOLATION,
        faults=[SLOW],
        quick_duration=0.7,
    )


def first_latency(trace: Trace) -> float:
    """Return the median latency of the first consumer, in seconds."""
    return float(np.nanmedian(trace.latency[trace.consumer == 0]))


def broker_cores(trace: Trace) -> float:
    return trace.counters.cpu_seconds["broker"] / trace.counters.elapsed


def harm(trace: Trace) -> float:
    """Return how much longer the others' median latency is while one consumer is slow."""
    others = trace.consumer != SLOW.consumer
    meanwhile = (trace.created >= SLOW.at) & (trace.created < SLOW.until)
    before = float(np.nanmedian(trace.latency[others & (trace.created < SLOW.at)]))
    return float(np.nanmedian(trace.latency[others & meanwhile])) / before


def test(bench: Bench) -> Finding:
    numbers = QUICK_NUMBERS if bench.quick else NUMBERS
    crowds = {number: bench.run(crowd(number)) for number in numbers}
    return judge(crowds, bench.run(isolation()))


def judge(crowds: Mapping[int, Mapping[str, Run]], slow: Mapping[str, Run]) -> Finding:
    """Return the verdict on runs by label, for each number of consumers and with a slow one."""
    harms = {s.label: geometric(readings(slow[s.label], harm)) for s in ISOLATION}
    rises = {s.label: _rises(crowds, s.label) for s in CROWD}
    amounts = list(_amounts(harms, rises, crowds))
    drawn = [*_series(crowds, LATENCY), *_series(crowds, CPU)]
    finding = Finding("not measurable here", "", amounts, drawn)
    alone, last = harms[PULL.label], geometric(rises[PULL.label][max(crowds)])
    if above(alone, HARM):
        reason = f"while one is slow, the others' latency is {alone.mean:.1f} times as long"
        return replace(finding, verdict="refuted", reason=reason)
    if not below(alone, HARM) or not (below(last, HARM) or above(last, HARM)):
        return replace(
            finding, reason="intervals reach over the limits: more replications would tell"
        )
    verdict: Verdict = "supported" if below(last, HARM) else "depends"
    return replace(finding, verdict=verdict, reason=_reason(harms, rises, crowds))


def _rises(crowds: Mapping[int, Mapping[str, Run]], label: str) -> Rises:
    """Return how much longer the first consumer's median latency is with others, by replication."""
    alone = crowds[min(crowds)][label]
    return {
        number: trace_ratios(runs[label], alone, first_latency) for number, runs in crowds.items()
    }


def _reason(
    harms: Mapping[str, Interval],
    rises: Mapping[str, Rises],
    crowds: Mapping[int, Mapping[str, Run]],
) -> str:
    most = max(crowds)
    pulled, pushed = (geometric(rises[s.label][most]) for s in CROWD)
    where = crossing(rises[PULL.label], HARM)
    told = f", more than {HARM:g} from {where.mean:.0f} consumers on" if known(where) else ""
    return (
        f"a slow consumer does not disturb the others ({harms[PULL.label].mean:.2f} times their"
        f" latency; with push that blocks when a buffer is full {harms[BLOCKING.label].mean:.1f});"
        f" of {most} consumers the first waits {pulled.mean:.1f} times as long as alone{told}; with"
        f" push {pushed.mean:.1f} times"
    )


def _amounts(
    harms: Mapping[str, Interval],
    rises: Mapping[str, Rises],
    crowds: Mapping[int, Mapping[str, Run]],
) -> Iterator[Amount]:
    most = max(crowds)
    yield Amount(f"one slow: others' median latency, {PULL.label}", harms[PULL.label], "times")
    for label, rise in rises.items():
        name = f"the first of {most}: median latency over alone, {label}"
        yield Amount(name, geometric(rise[most]), "times")
    where = crossing(rises[PULL.label], HARM)
    yield Amount(f"consumers at which that is {HARM:g} times, {PULL.label}", where)
    for strategy in ISOLATION[1:]:
        name = f"one slow: others' median latency, {strategy.label}"
        yield Amount(name, harms[strategy.label], "times")
    for number in (min(crowds), most):
        for label, run in crowds[number].items():
            name = f"broker's cores with {number} consumers, {label}"
            yield Amount(name, trace_amount(run, broker_cores), "cores")


def _series(crowds: Mapping[int, Mapping[str, Run]], panel: str) -> Iterator[Series]:
    reading = first_latency if panel == LATENCY else broker_cores
    for strategy in CROWD:
        points = [
            (float(n), trace_amount(runs[strategy.label], reading)) for n, runs in crowds.items()
        ]
        yield Series(strategy.label, points, panel)


def draw(findings: Findings) -> Figure:
    """Draw the first consumer's latency and the broker's load over the number of consumers."""
    number = "consumers"
    panels = [
        Panel("", "median latency of the first (ms)", number, LATENCY, 1e3, logarithmic=False),
        Panel("", "broker's core, busy (share)", number, CPU, logarithmic=False),
    ]
    return sweep(series(findings), panels, "What do more consumers cost the first, and the broker?")


CLAIM = Claim(
    number=11,
    name="fan_out",
    text="With pull, consumers can be added easily, and one does not disturb another.",
    chapter="Pull, advantages: scalability; Apache Kafka, the note on several consumers",
    experiment=(
        f"{RATE:g} messages a second (Poisson), each for every one of {NUMBERS[0]} to {NUMBERS[-1]}"
        " consumers, by long poll and by WebSocket: the first consumer's median latency and the"
        " broker's CPU (the consumers share a process of their own). Then four consumers, one of"
        f" which needs {SLOW.work * 1e3:g} ms for each message for {SLOW.duration:g} s: the others'"
        " median latency meanwhile, over that before."
    ),
    criterion=(
        f"Refuted if one slow consumer makes the others' latency more than {HARM:g} times as long;"
        f" supported if it does not and neither do {NUMBERS[-1]} consumers that of the first; it"
        " depends on their number if only that does."
    ),
    test=test,
    draw=draw,
)
