"""What the tests of claims read off single replications, and how readings become intervals."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from lab.claims.base import geometric
from lab.metrics import Interval, Run
from lab.trace import Trace

Reading = Callable[[Trace], float]  # one number of one replication
Comparison = Callable[[Trace, Trace], float]  # of two replications with the same messages


def readings(run: Run, reading: Reading) -> list[float]:
    """Return a reading of each replication."""
    return [reading(trace) for trace in run.traces]


def over(run: Run, reading: Reading) -> Interval:
    """Return the mean of a reading over the replications, with its interval."""
    return Interval.over(readings(run, reading))


def compare(run: Run, other: Run, comparison: Comparison) -> list[float]:
    """Return a comparison of each replication of two runs."""
    return [comparison(a, b) for a, b in zip(run.traces, other.traces, strict=True)]


def times(run: Run, other: Run, reading: Reading) -> Interval:
    """Return by what factor a reading of `run` exceeds that of `other`, as `base.ratio` does."""
    pairs = compare(run, other, lambda a, b: _divided(reading(a), reading(b)))
    return geometric(pairs)


def _divided(a: float, b: float) -> float:
    return a / b if a > 0 and b > 0 else math.nan


def known(interval: Interval) -> bool:
    """Say whether there is a mean."""
    return not math.isnan(interval.mean)


def scaled(interval: Interval, scale: float) -> Interval:
    """Return the interval in another unit."""
    return Interval(interval.mean * scale, interval.low * scale, interval.high * scale)


def mean_latency(trace: Trace) -> float:
    """Return the mean latency of the counted messages that were delivered, in seconds."""
    return _over_counted(trace, np.nanmean)


def median_latency(trace: Trace) -> float:
    """Return their median latency, in seconds."""
    return _over_counted(trace, np.nanmedian)


def _over_counted(trace: Trace, what: Callable[..., float]) -> float:
    delivered = trace.latency[trace.counted]
    return float(what(delivered)) if np.isfinite(delivered).any() else math.nan


def cores(trace: Trace) -> float:
    """Return how many cores all sides together kept busy."""
    return sum(trace.counters.cpu_seconds.values()) / trace.counters.elapsed


def requests_per_second(trace: Trace) -> float:
    return trace.counters.requests / trace.counters.elapsed


def pairs(runs: Sequence[Run]) -> list[tuple[Run, Run]]:
    """Return runs two by two."""
    return list(zip(runs[::2], runs[1::2], strict=True))
