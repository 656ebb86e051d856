"""How consumers fall behind and catch up: lag over time, recovery after a fault, harm to others.

Lag is how many messages are created and not yet done by one consumer. A consumer has recovered from
a fault when its lag is back at what it was before it.
"""

import math
from typing import NamedTuple

import numpy as np

from lab.faults import Fault
from lab.trace import Fate, Floats, Trace

USUAL = 0.95  # quantile of the lag before the fault that counts as usual


class Lag(NamedTuple):
    """The lag after each of `times`, in seconds; both in the order of time."""

    times: Floats
    after: Floats


class Recovery(NamedTuple):
    """What one consumer needed after a fault.

    `seconds` from the end of the fault until the lag was usual again (infinite if never); `peak` lag
    until then, in messages; `rate` at which messages were done meanwhile, a second; `harm`: median latency of
    the other consumers meanwhile over that before the fault (NaN if there are none).
    """

    seconds: float
    peak: float
    rate: float
    harm: float


def lag(trace: Trace, consumer: int | None = None) -> Lag:
    """Return the lag of one consumer, or of all together.

    Rows that were delivered or are in flight wait; those of any other fate are left out.
    """
    counts = (trace.fate == Fate.DELIVERED) | (trace.fate == Fate.IN_FLIGHT)
    if consumer is not None:
        counts &= trace.consumer == consumer
    created, done = trace.created[counts], trace.done[counts]
    times = np.concatenate([created, done[~np.isnan(done)]])
    order = np.argsort(times, kind="stable")
    return Lag(times[order], np.cumsum(np.where(order < len(created), 1.0, -1.0)))


def recovery(trace: Trace, fault: Fault, consumer: int = 0) -> Recovery:
    """Return how `consumer` recovered from `fault`."""
    times, after = lag(trace, consumer)
    before = after[times < fault.at]
    usual = max(1.0, float(np.quantile(before, USUAL))) if len(before) else 1.0
    since = times >= fault.until
    back = np.flatnonzero(since & (after <= usual))
    at_end = after[times < fault.until]
    behind = len(at_end) and at_end[-1] > usual
    over = float(times[back[0]]) if len(back) else math.inf
    seconds = max(0.0, over - fault.until) if behind else 0.0
    until = fault.until + seconds
    peak = float(after[(times >= fault.at) & (times <= until)].max(initial=0))
    mine = trace.consumer == consumer
    done = mine & (trace.done >= fault.until) & (trace.done <= until)
    rate = float(done.sum()) / seconds if 0 < seconds < math.inf else math.nan
    return Recovery(seconds, peak, rate, _harm(trace, fault, consumer, until))


def _harm(trace: Trace, fault: Fault, consumer: int, until: float) -> float:
    others = (trace.consumer != consumer) & (trace.fate == Fate.DELIVERED)
    calm = others & (trace.created < fault.at)
    meanwhile = others & (trace.created >= fault.until) & (trace.created <= until)
    if not calm.any() or not meanwhile.any():
        return math.nan
    return float(np.median(trace.latency[meanwhile]) / np.median(trace.latency[calm]))
