"""Pathwise recursions: on given arrivals and services they say exactly when each message is done.

No distribution is assumed, so a simulation on the same draws must agree to rounding.
"""

from collections.abc import Sequence
from heapq import heapify, heapreplace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def lindley(arrivals: ArrayLike, services: ArrayLike) -> Floats:
    """Return the waits at one server, first come first served (Lindley, 1952), in seconds.

    `arrivals` are times that do not decrease; `services`, of the same length, are durations.
    Raises ValueError if the lengths differ.
    """
    waits, free = [], -np.inf
    for arrival, service in _pairs(arrivals, services):
        start = max(free, arrival)
        waits.append(start - arrival)
        free = start + service
    return np.array(waits)


def kiefer_wolfowitz(arrivals: ArrayLike, services: ArrayLike, servers: int) -> Floats:
    """Return the waits at `servers` equal servers with one queue (Kiefer and Wolfowitz, 1955)."""
    waits = []
    free = [-np.inf] * servers  # a heap: when each server is next free
    heapify(free)
    for arrival, service in _pairs(arrivals, services):
        start = max(arrival, free[0])
        waits.append(start - arrival)
        heapreplace(free, start + service)
    return np.array(waits)


def time_integral(arrivals: ArrayLike, departures: ArrayLike) -> float:
    """Return ∫N dt, in message-seconds, of the number present: it changes by 1 at each of the times.

    From empty to empty it equals the sum of the sojourns (Little's law).
    """
    ins, outs = np.asarray(arrivals, float), np.asarray(departures, float)
    times = np.concatenate([ins, outs])
    order = np.argsort(times, kind="stable")
    steps = np.concatenate([np.ones(len(ins)), -np.ones(len(outs))])[order]
    present = np.cumsum(steps)[:-1]
    return float(present @ np.diff(times[order]))


def _pairs(arrivals: ArrayLike, services: ArrayLike) -> Sequence[tuple[float, float]]:
    times, durations = np.asarray(arrivals, float).tolist(), np.asarray(services, float).tolist()
    return list(zip(times, durations, strict=True))
