"""Runs with known figures, for tests of what claims conclude from them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from builders import trace

from lab.metrics import Run
from lab.trace import Counters, Trace

SPREAD = (0.99, 1.0, 1.01)  # of the replications around the figure that is asked for


def run(label: str, latency: float = 0.001, spread: Sequence[float] = SPREAD, **more: Any) -> Run:
    """Return a run of a hundred messages a second, all of one latency in each replication.

    `more` goes to `one`; amounts of it vary like the latency.
    """
    return Run(label, "simulation", [one(latency * by, by, **more) for by in spread])


def one(
    latency: float,
    by: float = 1.0,
    messages: int = 100,
    gap: float = 0.01,
    requests: float = 100,
    traffic: float = 10_000,
    cpu: float = 0.1,
    connections: float = 0,
    **columns: Any,
) -> Trace:
    """Return a trace of messages `gap` seconds apart, with those costs of the whole run."""
    counters = Counters(
        requests=round(requests * 1000 * by) // 1000,
        bytes_out=round(traffic * by),
        cpu_seconds={"broker": cpu * by / 2, "target": cpu * by / 2},
        events={"connections": round(connections)},
    )
    return trace(np.arange(messages) * gap, latency, counters=counters, **columns)


def noisy() -> tuple[float, ...]:
    """Return a spread in which nothing can be told."""
    return 0.05, 1.0, 20.0
