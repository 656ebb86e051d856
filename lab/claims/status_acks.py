"""Claim 16: an acknowledgement by status code delivers every message at least once."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lab.claims.base import Amount, Bench, Claim, Finding, Findings, series
from lab.claims.judging import above
from lab.claims.readings import OfTrace, trace_amount
from lab.faults import ConsumerCrash, LostResponse
from lab.metrics import Run
from lab.plots.bars import bars
from lab.plots.series import Panel, Series
from lab.roles.retry import Retry
from lab.scenario import Scenario
from lab.strategies import Webhook
from lab.trace import Fate, Trace
from lab.workload import Constant, Poisson, Workload

RATE, WORK = 200.0, 0.0045  # messages a second, and seconds of work on each
OUTAGE = 0.3  # seconds
RETRIES: dict[str, Any] = {
    "retry_first": 0.02,
    "retry_limit": 0.1,
    "concurrency": 4,
    "timeout": 0.5,
}
PATIENT = Webhook(attempts=20, **RETRIES)
EARLY = Webhook(attempts=20, ack_on="receipt", **RETRIES)
HASTY = Webhook(attempts=3, **RETRIES)
NAMES = {
    PATIENT.label: "2xx after the work, 20 attempts",
    EARLY.label: "2xx on receipt, 20 attempts",
    HASTY.label: "2xx after the work, 3 attempts",
}
LOST, GIVEN_UP, AGAIN = "lost", "given up", "again"

SCENARIO = Scenario(
    name="claim_16",
    question="What does an acknowledgement by status code promise?",
    workload=Workload(
        arrivals=Poisson(rate=RATE), work=Constant(value=WORK), duration=1.0, seed=16
    ),
    strategies=[PATIENT, EARLY, HASTY],
    faults=[
        LostResponse(at=0.1),
        LostResponse(at=0.25),
        ConsumerCrash(at=0.4, duration=OUTAGE),
    ],
    quick_duration=0.8,
)


def lost(trace: Trace) -> float:
    """Return how many messages were lost to a fault."""
    return float((trace.fate == Fate.LOST).sum())


def given_up(trace: Trace) -> float:
    """Return on how many messages the sender spent all its attempts."""
    return float((trace.fate == Fate.DEAD_LETTERED).sum())


def again(trace: Trace) -> float:
    """Return how often work was done again."""
    return float(np.maximum(trace.completions.astype(np.int64) - 1, 0).sum())


READINGS: Mapping[str, OfTrace] = {LOST: lost, GIVEN_UP: given_up, AGAIN: again}
SAID = {LOST: "lost", GIVEN_UP: "given up", AGAIN: "done again"}


def test(bench: Bench) -> Finding:
    return judge(bench.run(SCENARIO))


def judge(runs: Mapping[str, Run]) -> Finding:
    """Return the verdict on the runs of `SCENARIO`, by label."""
    patient, early, hasty = (runs[s.label] for s in (PATIENT, EARLY, HASTY))
    finding = Finding("not measurable here", "", list(_amounts(runs)), list(_series(runs)))
    missed = sum(lost(trace) + given_up(trace) for trace in patient.traces)
    twice = sum(again(trace) for trace in patient.traces)
    if missed:
        reason = f"with 2xx after the work and patience {missed:.0f} messages were not delivered"
        return replace(finding, verdict="refuted", reason=reason)
    if not twice:
        return replace(finding, reason="no fault hit an acknowledgement under way")
    often = trace_amount(patient, again).mean
    told = f"with 2xx after the work nothing is lost and {often:.1f} are done again"
    early_loses, hasty_loses = (
        above(trace_amount(early, lost), 0),
        above(trace_amount(hasty, given_up), 0),
    )
    if not (early_loses or hasty_loses):
        reason = f"{told}; neither an early 2xx nor few attempts cost any"
        return replace(finding, verdict="supported", reason=reason)
    return replace(finding, verdict="depends", reason=f"{told}; {_condition(runs)}")


def _condition(runs: Mapping[str, Run]) -> str:
    early, hasty = (
        trace_amount(runs[EARLY.label], lost).mean,
        trace_amount(runs[HASTY.label], given_up).mean,
    )
    return (
        f"but a 2xx before the work loses what waits when the consumer crashes ({early:.1f} messages),"
        f" and a sender that stops after {patience(HASTY) * 1e3:.0f} ms at most gives up"
        f" {hasty:.1f} in an outage of {OUTAGE * 1e3:.0f} ms: {enough()} attempts would outlast it"
    )


def patience(strategy: Webhook) -> float:
    """Return for how long a sender tries, in seconds, if every attempt fails at once; no jitter."""
    pauses = Retry(strategy.retry_first, strategy.retry_limit, jitter=0.0)
    return sum(pauses.delay(failures) for failures in range(1, strategy.attempts))


def enough() -> int:
    """Return the least number of attempts whose pauses, shortest by jitter, outlast the outage."""
    shortest = Retry().jitter
    tried = (PATIENT.model_copy(update={"attempts": n}) for n in count(1))
    return next(s.attempts for s in tried if patience(s) * (1 - shortest) >= OUTAGE)


def _amounts(runs: Mapping[str, Run]) -> Iterator[Amount]:
    """Yield what each sender lost, gave up and repeated, what decides first."""
    order = [(PATIENT, LOST), (PATIENT, AGAIN), (EARLY, LOST), (HASTY, GIVEN_UP)]
    order += [(s, kind) for s in (PATIENT, EARLY, HASTY) for kind in READINGS]
    for strategy, kind in dict.fromkeys((s.label, kind) for s, kind in order):
        value = trace_amount(runs[strategy], READINGS[kind])
        yield Amount(f"{NAMES[strategy]}: {SAID[kind]}", value, "messages")


def _series(runs: Mapping[str, Run]) -> Iterator[Series]:
    for kind, reading in READINGS.items():
        for label, name in NAMES.items():
            yield Series(name, [(0.0, trace_amount(runs[label], reading))], kind)


def draw(findings: Findings) -> Figure:
    """Draw how many messages each sender lost, gave up and repeated."""
    panels = [
        Panel("", f"{said} (messages)", name=kind, logarithmic=False) for kind, said in SAID.items()
    ]
    return bars(series(findings), panels, "What does a 2xx promise, if the consumer crashes?")


CLAIM = Claim(
    number=16,
    name="status_acks",
    text="A receiver that acknowledges by status code gets every message at least once.",
    chapter="Push, HTTP POST and PUT, the example of a push subscription",
    experiment=(
        f"{RATE:g} messages a second (Poisson) of {WORK * 1e3:g} ms work by webhook, four at a time;"
        f" two answers are lost, and the consumer crashes for {OUTAGE * 1e3:g} ms. It answers 2xx"
        " after the work or on receipt, and the sender makes 20 attempts or 3; messages lost, given"
        " up and done again."
    ),
    criterion=(
        "Refuted if a message is lost or given up although the 2xx follows the work and the sender is"
        " patient; supported if none is, some are done again, and neither an early 2xx nor few"
        " attempts cost any; it depends on these two if they do."
    ),
    test=test,
    draw=draw,
)
