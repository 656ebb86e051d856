"""The delivery checker: what must hold in every trace, simulated or measured.

Each check is a plain function from a trace to what it found; `CHECKS` lists them all. They take
n log n time and tell at most `MOST` violations, those of the lowest message numbers first.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from lab.outcomes.findings import MOST, Finding, Rows, Violation, find, overtaking, say
from lab.outcomes.promises import promise
from lab.scenario import recorded
from lab.trace import PATH, STAMPS, Fate, Trace

KNOWN_FATES = {int(fate): fate.name.lower() for fate in Fate}


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
    yield find(trace, "conservation", again, say("a second row, a second fate"))
    messages, consumers = trace.manifest.get("messages"), trace.manifest.get("consumers")
    if messages is None or consumers is None:
        return
    foreign = (message < 0) | (message >= messages) | (consumer < 0) | (consumer >= consumers)
    text = f"a row, though only {messages:,} messages for {consumers:,} consumers were offered"
    yield find(trace, "conservation", foreign, say(text))
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
    yield find(trace, "fate", ~known, lambda row: f"no such fate: {int(trace.fate[row])}")
    if not trace.manifest.get("cut_off"):
        text = "still in flight at the end of a run that was not cut off"
        yield find(trace, "fate", trace.fate == Fate.IN_FLIGHT, lambda row: text)


def _deliveries(trace: Trace) -> Iterator[Finding]:
    """A message was received, worked on and counted if, and only if, it was delivered."""
    delivered = trace.fate == Fate.DELIVERED
    for stamp in ("received", "done"):
        missing = delivered & np.isnan(getattr(trace, stamp))
        yield find(trace, "delivered", missing, say(f"delivered, yet never {stamp}"))
    yield find(trace, "delivered", delivered & (trace.attempts < 1), say("delivered in 0 attempts"))
    yield find(
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
    yield find(trace, "stamps", unknown, say("never created, or a stamp that is infinite"))
    before = trace.created
    for name in PATH[1:]:
        at = getattr(trace, name)
        yield find(trace, "stamps", at < before, _backwards(trace, name, before))
        before = np.where(np.isnan(at), before, at)


def _work(trace: Trace) -> Iterator[Finding]:
    """Work was done at least once on what was delivered, and no more often than it was sent."""
    delivered = trace.fate == Fate.DELIVERED
    never = delivered & (trace.completions < 1)
    yield find(trace, "delivered", never, say("delivered, yet its work was never done"))
    more = (trace.completions > trace.attempts) & (trace.attempts > 0)
    if not trace.manifest.get("brokerless"):
        yield find(trace, "effort", more, say("worked on more often than it was sent"))


def _duplicates(trace: Trace) -> Iterator[Finding]:
    """No message is delivered twice where the manifest expects each of them once."""
    if trace.manifest.get("expect") == "once":
        again = (trace.attempts > 1) & (trace.fate == Fate.DELIVERED)
        yield find(trace, "duplicate", again, lambda row: f"delivered {trace.attempts[row]} times")


def _order(trace: Trace) -> Iterator[Finding]:
    """Each consumer is done with its messages in the order of creation, if the manifest says so."""
    if trace.manifest.get("ordered") and recorded(trace.manifest) is None:
        yield from overtaking(trace)


CHECKS: tuple[Callable[[Trace], Iterator[Finding]], ...] = (
    _conservation,
    _fates,
    _deliveries,
    _stamps,
    _duplicates,
    _order,
    _work,
    promise,
)


def _backwards(trace: Trace, name: str, before: NDArray[np.float64]) -> Callable[[int], str]:
    at = getattr(trace, name)
    return lambda row: f"{name} at {at[row]:.9f} s, after an earlier stamp of {before[row]:.9f} s"


def _fate(trace: Trace, row: int) -> str:
    value = int(trace.fate[row])
    return KNOWN_FATES.get(value, str(value))
