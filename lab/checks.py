"""The delivery checker: what must hold in every trace, simulated or measured.

Each check is a plain function from a trace to what it found; `CHECKS` lists them all. They take
n log n time and tell at most `MOST` violations, those of the lowest message numbers first.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab.faults import BrokerRestart, ConsumerCrash
from lab.guarantees import Allowance, allowance
from lab.roles import Retention
from lab.scenario import Scenario, pace, recorded
from lab.strategies import Strategy
from lab.strategies.short_poll import Pull
from lab.trace import PATH, STAMPS, Fate, Trace

MOST = 20
SLOW = 0.1  # seconds that any machine may take to do something at once
KNOWN_FATES = {int(fate): fate.name.lower() for fate in Fate}
Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]


class Violation(NamedTuple):
    """What is wrong, with which message and for which consumer; None where it is the whole run."""

    kind: str
    message: int | None
    consumer: int | None
    text: str


class Finding(NamedTuple):
    """All violations of one kind: how many, and the first of them (at most `MOST`)."""

    total: int
    first: list[Violation]


def check(trace: Trace) -> list[Violation]:
    """Return what is wrong with `trace`: nothing, if the list is empty.

    Of more than `MOST` violations the first of every kind are told, and a last one, of kind
    "more", tells how many there are. The manifest says what to expect: `messages` and `consumers`
    (what was offered), `cut_off` (rows may be in flight), `ordered` (work is done in the order of
    creation) and `expect` ("once" forbids duplicates). What it does not say is not checked.
    """
    found = [finding for test in CHECKS for finding in test(trace) if finding.total]
    total = sum(finding.total for finding in found)
    others = sorted((v for finding in found for v in finding.first[1:]), key=_place)
    told = [finding.first[0] for finding in found]
    told = sorted(told + others[: MOST - len(told)], key=_place)
    if total > len(told):
        told.append(Violation("more", None, None, f"{total:,} violations in all"))
    return told


def _place(violation: Violation) -> tuple[int, int]:
    return violation.message or 0, violation.consumer or 0


def _conservation(trace: Trace) -> Iterator[Finding]:
    """Every message has exactly one row for each consumer, and there are no others."""
    message, consumer = trace.message.astype(np.int64), trace.consumer.astype(np.int64)
    width = int(consumer.max(initial=0)) - int(consumer.min(initial=0)) + 1
    again = _repeated(message * width + consumer)
    yield _find(trace, "conservation", again, _say("a second row, a second fate"))
    messages, consumers = trace.manifest.get("messages"), trace.manifest.get("consumers")
    if messages is None or consumers is None:
        return
    foreign = (message < 0) | (message >= messages) | (consumer < 0) | (consumer >= consumers)
    text = f"a row, though only {messages:,} messages for {consumers:,} consumers were offered"
    yield _find(trace, "conservation", foreign, _say(text))
    keys = np.sort((message * consumers + consumer)[~foreign])
    yield _missing(keys[np.diff(keys, prepend=-1) > 0], messages, consumers)


def _repeated(keys: NDArray[np.int64]) -> Rows:
    """Return the rows whose key is that of a row before them."""
    if np.all(np.diff(np.sort(keys)) > 0):
        return np.empty(0, np.intp)
    order = np.argsort(keys, kind="stable")
    return order[1:][np.diff(keys[order]) == 0]


def _missing(keys: NDArray[np.int64], messages: int, consumers: int) -> Finding:
    """Find the pairs that have no row, given the sorted keys of those that have one."""
    total = messages * consumers - len(keys)
    if total <= 0:
        return Finding(0, [])
    gaps = np.flatnonzero(keys != np.arange(len(keys)))
    first = int(gaps[0]) if len(gaps) else len(keys)
    text = f"no row, no fate; {total:,} of {messages * consumers:,} rows are missing"
    return Finding(total, [Violation("conservation", *divmod(first, consumers), text)])


def _fates(trace: Trace) -> Iterator[Finding]:
    """Every fate is a known one, and none is in flight unless the run was cut off."""
    known = np.isin(trace.fate, list(KNOWN_FATES))
    yield _find(trace, "fate", ~known, lambda row: f"no such fate: {int(trace.fate[row])}")
    if not trace.manifest.get("cut_off"):
        text = "still in flight at the end of a run that was not cut off"
        yield _find(trace, "fate", trace.fate == Fate.IN_FLIGHT, lambda row: text)


def _deliveries(trace: Trace) -> Iterator[Finding]:
    """A message was received, worked on and counted if, and only if, it was delivered."""
    delivered = trace.fate == Fate.DELIVERED
    for stamp in ("received", "done"):
        missing = delivered & np.isnan(getattr(trace, stamp))
        yield _find(trace, "delivered", missing, _say(f"delivered, yet never {stamp}"))
    yield _find(
        trace, "delivered", delivered & (trace.attempts < 1), _say("delivered in 0 attempts")
    )
    yield _find(
        trace,
        "delivered",
        ~delivered & ~np.isnan(trace.done),
        lambda row: f"done at {trace.done[row]:.9f} s, yet its fate is {_fate(trace, row)}",
    )


def _stamps(trace: Trace) -> Iterator[Finding]:
    """Every message was created, and stamps do not decrease along its path."""
    unknown = ~np.isfinite(trace.created)
    for name in STAMPS[1:]:
        unknown |= np.isinf(getattr(trace, name))
    yield _find(trace, "stamps", unknown, _say("never created, or a stamp that is infinite"))
    before = trace.created
    for name in PATH[1:]:
        at = getattr(trace, name)
        yield _find(trace, "stamps", at < before, _backwards(trace, name, before))
        before = np.where(np.isnan(at), before, at)


def _work(trace: Trace) -> Iterator[Finding]:
    """Work was done at least once on what was delivered, and no more often than it was sent."""
    delivered = trace.fate == Fate.DELIVERED
    never = delivered & (trace.completions < 1)
    yield _find(trace, "delivered", never, _say("delivered, yet its work was never done"))
    more = (trace.completions > trace.attempts) & (trace.attempts > 0)
    if not trace.manifest.get("brokerless"):
        yield _find(trace, "effort", more, _say("worked on more often than it was sent"))


def _promise(trace: Trace) -> Iterator[Finding]:
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
        yield _find(trace, "duplicate", again > 0, _say(text))
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
            yield _find(trace, which.name.lower(), fate == which, _say(text))
    if not allowed.reordered:
        yield from _overtaking(trace)
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
        yield _find(trace, "lost", lost, _say(text))
    elif had.sum() > allowed.lost:
        text = f"lost by a broker that had it; {had.sum():,} are, {_at_most(allowed.lost)} may be"
        yield _find(trace, "lost", had, _say(text))


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
    yield _find(trace, "skipped", wrong, _say(text))


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
        yield _find(trace, "hasty", early, _say(text))
    if kept and scenario.producer.acks != "retry":  # repetitions fill the log, too
        newest = np.sort(trace.at_broker[trace.consumer == 0])
        newest = newest[~np.isnan(newest)][-kept:]
        early = (trace.fate == Fate.EXPIRED) & (trace.at_broker >= newest.min(initial=np.inf))
        text = f"expired, though it is one of the last {kept} records"
        yield _find(trace, "hasty", early, _say(text))
    waits = getattr(strategy, "max_wait", 0.0)
    if waits and getattr(strategy, "min_records", 1) == 1 and not scenario.faults:
        held = trace.left_broker - trace.at_broker > max(SLOW, waits / 2)
        free = trace.at_broker > _busy_until(trace)
        text = f"held for more than {max(SLOW, waits / 2):g} s, though its consumer was waiting"
        yield _find(trace, "held", held & free, _say(text))


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


def _duplicates(trace: Trace) -> Iterator[Finding]:
    """No message is delivered twice where the manifest expects each of them once."""
    if trace.manifest.get("expect") == "once":
        again = (trace.attempts > 1) & (trace.fate == Fate.DELIVERED)
        yield _find(trace, "duplicate", again, lambda row: f"delivered {trace.attempts[row]} times")


def _order(trace: Trace) -> Iterator[Finding]:
    """Each consumer is done with its messages in the order of creation, if the manifest says so."""
    if trace.manifest.get("ordered") and recorded(trace.manifest) is None:
        yield from _overtaking(trace)


def _overtaking(trace: Trace) -> Iterator[Finding]:
    rows = np.flatnonzero((trace.fate == Fate.DELIVERED) & ~np.isnan(trace.done))
    rows = rows[np.lexsort((trace.message[rows], trace.consumer[rows]))]
    starts = np.flatnonzero(np.diff(trace.consumer[rows])) + 1
    late = [mine[_overtakes(trace.done[mine])] for mine in np.split(rows, starts)]
    yield _find(trace, "order", np.concatenate(late), lambda row: _overtaken(trace, row))


def _overtakes(done: NDArray[np.float64]) -> Mask:
    """Return which messages were done before one that is ahead of them."""
    return done < np.maximum.accumulate(done)


def _overtaken(trace: Trace, row: int) -> str:
    ahead = (trace.consumer == trace.consumer[row]) & (trace.message < trace.message[row])
    ahead &= trace.done > trace.done[row]
    return f"done at {trace.done[row]:.9f} s, before message {trace.message[ahead].min()}"


CHECKS: tuple[Callable[[Trace], Iterator[Finding]], ...] = (
    _conservation,
    _fates,
    _deliveries,
    _stamps,
    _duplicates,
    _order,
    _work,
    _promise,
)


def _find(trace: Trace, kind: str, wrong: Mask | Rows, text: Callable[[int], str]) -> Finding:
    """Tell the first of the rows that are `wrong`, which is a mask or row numbers."""
    rows = np.flatnonzero(wrong) if wrong.dtype == np.bool_ else wrong
    lowest = rows[np.argsort(trace.message[rows], kind="stable")[:MOST]]
    first = [
        Violation(kind, int(trace.message[row]), int(trace.consumer[row]), text(int(row)))
        for row in lowest
    ]
    return Finding(len(rows), first)


def _say(text: str) -> Callable[[int], str]:
    return lambda row: text


def _backwards(trace: Trace, name: str, before: NDArray[np.float64]) -> Callable[[int], str]:
    at = getattr(trace, name)
    return lambda row: f"{name} at {at[row]:.9f} s, after an earlier stamp of {before[row]:.9f} s"


def _fate(trace: Trace, row: int) -> str:
    value = int(trace.fate[row])
    return KNOWN_FATES.get(value, str(value))
