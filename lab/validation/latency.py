"""The latencies of runs: which rows of a trace count, and their quantiles."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lab.trace import Fate, Floats, Trace


def shown(trace: Trace) -> NDArray[np.bool_]:
    """Return which rows were created after warm-up and delivered."""
    return trace.counted & (trace.fate == Fate.DELIVERED)


def quantiles(traces: Iterable[Trace], share: float) -> Floats:
    """Return that quantile of each trace's latency, in seconds; those of no such rows are left out."""
    latencies = (trace.latency[shown(trace)] for trace in traces)
    return np.array([np.quantile(latency, share) for latency in latencies if len(latency)])
