"""What the tests of claims read off runs: by `Metrics`, or by whole traces.

Amounts are means over replications, with their intervals. Replications of two runs are compared in
pairs, since both had the same messages.
"""

import math
from collections.abc import Callable

import numpy as np

from lab.claims.judging import geometric
from lab.metrics import Interval, Metrics, Run, summarise
from lab.trace import Fate, Trace

Metric = Callable[[Metrics], float]
OfTrace = Callable[[Trace], float]  # what `Metrics` do not hold
Comparison = Callable[[Trace, Trace], float]  # of two replications with the same messages


def latency(quantile: str) -> Metric:
    """Return the metric that is this latency: mean, p50, p90, p99 or max, in seconds."""
    return lambda metrics: metrics.latency[quantile]


def delivery_cpu(metrics: Metrics) -> float:
    """Return the CPU seconds of broker and consumers for each message; the source's are left out."""
    return sum(used for side, used in metrics.cpu_by_side.items() if side != "source")


def requests(metrics: Metrics) -> float:
    return metrics.requests_per_message


def traffic(metrics: Metrics) -> float:
    return metrics.bytes_per_message


def amount(run: Run, metric: Metric) -> Interval:
    """Return the mean of a metric over the replications of a run, with its interval."""
    return Interval.over(metric(summarise(trace)) for trace in run.traces)


def ratios(run: Run, other: Run, metric: Metric) -> list[float]:
    """Return a metric of `run` over that of `other` in each replication; NaN where one is not positive."""
    return trace_ratios(run, other, lambda trace: metric(summarise(trace)))


def ratio(run: Run, other: Run, metric: Metric) -> Interval:
    """Return by what factor a metric of `run` exceeds that of `other`: a geometric mean.

    Replications are compared in pairs, since both runs had the same messages; the interval is
    Student's in the logarithm. NaN if the metric is not positive in every replication.
    """
    return geometric(ratios(run, other, metric))


def readings(run: Run, of: OfTrace) -> list[float]:
    """Return what is read off each replication."""
    return [of(trace) for trace in run.traces]


def trace_amount(run: Run, of: OfTrace) -> Interval:
    """Return the mean over the replications of something that is computed from a whole trace."""
    return Interval.over(of(trace) for trace in run.traces)


def trace_ratios(run: Run, other: Run, of: OfTrace) -> list[float]:
    """Return what `ratios` does of something that is computed from a whole trace."""
    pairs = [(of(a), of(b)) for a, b in zip(run.traces, other.traces, strict=True)]
    return [a / b if a > 0 and b > 0 else math.nan for a, b in pairs]


def compare(run: Run, other: Run, comparison: Comparison) -> list[float]:
    """Return a comparison of each replication of two runs."""
    return [comparison(a, b) for a, b in zip(run.traces, other.traces, strict=True)]


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
    """Return the requests between broker and consumers, per second of the run."""
    return trace.counters.requests / trace.counters.elapsed


def undelivered(trace: Trace) -> float:
    """Return the share of messages that their consumer never had."""
    return float(np.mean(trace.fate != Fate.DELIVERED))
