"""Bursts through the lab's real engine: all messages due at once, and what one then costs."""

import numpy as np

from lab import Constant, Periodic, Scenario, Trace, Workload
from lab.strategies import Strategy

RATE = 100_000  # messages a second: more than any strategy delivers


def burst(strategy: Strategy, count: int, size: int = 100) -> Scenario:
    """Return a scenario in which `count` messages are due at once, for practical purposes."""
    workload = Workload(
        arrivals=Periodic(rate=RATE), size=Constant(value=size), duration=count / RATE
    )
    return Scenario(name="burst", workload=workload, strategies=[strategy], drain=60)


def seconds_per_message(trace: Trace) -> float:
    """Return the time from the first `sent` to the last `done`, per message."""
    return float(trace.done.max() - trace.sent.min()) / len(trace)


def drain_seconds_per_message(trace: Trace) -> float:
    """Return the time per message once the broker had them all, so that publishing is over.

    Where there is no broker, or nothing was left to deliver by then, that is all of the time.
    """
    left = np.where(np.isnan(trace.left_broker), trace.sent, trace.left_broker)
    published = trace.at_broker[~np.isnan(trace.at_broker)]
    rows = left >= published.max(initial=-np.inf)
    if not rows.any():
        return seconds_per_message(trace)
    return float(trace.done[rows].max() - left[rows].min()) / int(rows.sum())
