"""What became of messages, judged by the promise of their strategy under the faults of the run."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lab.faults import BrokerRestart, ConsumerCrash
from lab.outcomes.findings import Finding, find, overtaking, say
from lab.outcomes.guarantees import Allowance, allowance
from lab.roles import Retention
from lab.scenario import Scenario, pace, recorded
from lab.strategies import Strategy
from lab.strategies.short_poll import Pull
from lab.trace import Fate, Trace

SLOW = 0.1  # seconds that any machine may take to do something at once


def promise(trace: Trace) -> Iterator[Finding]:
    """Nothing happened to messages that the strategy's promise excludes under the run's faults."""
    known = recorded(trace.manifest)
    if known is None:
        return
    scenario, strategy = known
    allowed = allowance(scenario, strategy)
    if allowed is None:
        return
    fate = trace.fate
    times = trace.completions.astype(np.int64)
    yield from _losses(trace, scenario, allowed)
    again = np.maximum(times - 1, 0)
    if again.sum() > allowed.again:
        text = f"done again; {again.sum():,} times in all, and {_at_most(allowed.again)} may be"
        yield find(trace, "duplicate", again > 0, say(text))
    bounds = scenario.retention.limits() != Retention()
    bounded = getattr(strategy, "buffer", None) is not None
    for which, may, text in (
        (Fate.EXPIRED, bounds, "expired, though the log keeps everything"),
        (Fate.DROPPED, bounded, "dropped, though no buffer is bounded"),
        (Fate.DEAD_LETTERED, allowed.given_up, "given up, though nothing makes attempts fail"),
        (Fate.NEVER_ACCEPTED, allowed.unaccepted, "never accepted, though the way was free"),
        (Fate.INDETERMINATE, allowed.unaccepted, "never answered, though the way was free"),
    ):
        if not may:
            yield find(trace, which.name.lower(), fate == which, say(text))
    if not allowed.reordered:
        yield from overtaking(trace)
    yield from _skips(trace, scenario, strategy)
    yield from _hasty(trace, scenario, strategy)


def _losses(trace: Trace, scenario: Scenario, allowed: Allowance) -> Iterator[Finding]:
    """No more is lost than may be, in all and of what the broker had that was there in the end."""
    restarts = [fault for fault in scenario.faults if isinstance(fault, BrokerRestart)]
    times = pace(scenario, trace.manifest)
    began = max((fault.until / times for fault in restarts), default=-np.inf)
    began = max(began, trace.manifest.get("log_began_at", began))
    lost = trace.fate == Fate.LOST
    had = lost & (trace.at_broker > began)
    in_all = allowed.lost + allowed.forgotten
    if lost.sum() > in_all:
        text = f"lost; {lost.sum():,} are, and {_at_most(in_all)} may be"
        yield find(trace, "lost", lost, say(text))
    elif had.sum() > allowed.lost:
        text = f"lost by a broker that had it; {had.sum():,} are, {_at_most(allowed.lost)} may be"
        yield find(trace, "lost", had, say(text))


def _skips(trace: Trace, scenario: Scenario, strategy: Strategy) -> Iterator[Finding]:
    """Nothing was skipped but what was before the place where the consumer chose to begin."""
    skipped = trace.fate == Fate.SKIPPED
    text = "skipped, though the consumer was to begin at the earliest"
    wrong = skipped
    if isinstance(strategy, Pull) and strategy.from_time is not None:
        wrong = skipped & (trace.at_broker >= strategy.from_time / pace(scenario, trace.manifest))
        text = f"skipped, though it came no earlier than {strategy.from_time:g} s"
    elif isinstance(strategy, Pull) and strategy.from_offset is not None:
        logs = 1 + sum(isinstance(fault, BrokerRestart) for fault in scenario.faults)
        count = np.bincount(
            trace.consumer[skipped], minlength=int(trace.consumer.max(initial=0)) + 1
        )
        wrong = skipped & (count > strategy.from_offset * logs)[trace.consumer]
        text = f"skipped; more are than have an offset below {strategy.from_offset:,}"
    elif getattr(strategy, "begin", "earliest") == "latest":
        wrong = skipped & (trace.at_broker > _began_by(trace, scenario))
        text = "skipped, though it came after the consumer had begun"
    yield find(trace, "skipped", wrong, say(text))


def _began_by(trace: Trace, scenario: Scenario) -> NDArray[np.float64]:
    """Return when each row's consumer had begun for the last time; infinite if nothing tells."""
    bound = np.full(len(trace), np.inf)
    for consumer in np.unique(trace.consumer):
        mine = trace.consumer == consumer
        first = trace.received[mine & ~np.isnan(trace.received)].min(initial=np.inf)
        ends = [f.until for f in scenario.faults if isinstance(f, ConsumerCrash)]
        if first > max(ends, default=0.0) / pace(scenario, trace.manifest):
            bound[mine] = first
    return bound


def _hasty(trace: Trace, scenario: Scenario, strategy: Strategy) -> Iterator[Finding]:
    """Nothing was given up or expired too early, or held back from who waited for it."""
    attempts, kept = getattr(strategy, "attempts", 0), scenario.retention.count
    if attempts and not scenario.poison:
        early = (trace.fate == Fate.DEAD_LETTERED) & (trace.attempts < attempts)
        text = f"given up after fewer than {attempts} attempts"
        yield find(trace, "hasty", early, say(text))
    if kept and scenario.producer.acks != "retry":  # repetitions fill the log, too
        newest = np.sort(trace.at_broker[trace.consumer == 0])
        newest = newest[~np.isnan(newest)][-kept:]
        early = (trace.fate == Fate.EXPIRED) & (trace.at_broker >= newest.min(initial=np.inf))
        text = f"expired, though it is one of the last {kept} records"
        yield find(trace, "hasty", early, say(text))
    waits = getattr(strategy, "max_wait", 0.0)
    if waits and getattr(strategy, "min_records", 1) == 1 and not scenario.faults:
        held = trace.left_broker - trace.at_broker > max(SLOW, waits / 2)
        free = trace.at_broker > _busy_until(trace)
        text = f"held for more than {max(SLOW, waits / 2):g} s, though its consumer was waiting"
        yield find(trace, "held", held & free, say(text))


def _busy_until(trace: Trace) -> NDArray[np.float64]:
    """Return when the work on all messages before each row's was done, plus a little."""
    busy = np.full(len(trace), -np.inf)
    for consumer in np.unique(trace.consumer):
        mine = np.flatnonzero(trace.consumer == consumer)
        done = np.where(np.isnan(trace.done[mine]), -np.inf, trace.done[mine])
        busy[mine[1:]] = np.maximum.accumulate(done)[:-1] + SLOW / 2
    return busy


def _at_most(count: float) -> str:
    return "none" if count == 0 else f"at most {count:,.0f}"
