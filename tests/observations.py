"""Points and observations for tests of validation, from small traces with known figures."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from builders import trace

from lab.scenario import Scenario
from lab.strategies import Strategy, WebSocketPush
from lab.trace import Counters, Trace
from lab.validation.observed import Observation, Point
from lab.validation.rows import Place, Row
from lab.workload import Constant, Periodic, Poisson, Workload

PUSH = WebSocketPush()
APART = {"source": [0], "broker": [1], "target": [0]}


def point(
    strategy: Strategy = PUSH,
    rate: float = 100.0,
    setting: str = "",
    fitted: bool = False,
    unseen: bool = False,
    periodic: bool = False,
    **workload: Any,
) -> Point:
    arrivals = Periodic(rate=rate) if periodic else Poisson(rate=rate)
    size = Constant(value=workload.pop("size", 100))
    load = Workload(arrivals=arrivals, size=size, **({"duration": 1.0} | workload))
    scenario = Scenario(workload=load, strategies=[strategy])
    return Point(scenario, setting or f"{rate:g}/s", fitted, unseen)


def run(latency: Sequence[float] | float, rate: float = 100.0, **cpu: float) -> Trace:
    """Return a run of a hundred messages at `rate`, whose sides used those CPU seconds in all."""
    created = np.arange(100) / rate
    counters = Counters(requests=50, elapsed=2.0, cpu_seconds=cpu)
    whole = trace(created, latency, counters=counters)
    return replace(whole, manifest=whole.manifest | {"cores": APART})


def observation(
    at: Point,
    measured: Sequence[float] = (0.004, 0.004),
    predicted: float = 0.004,
    likely: Sequence[float] = (),
    **cpu: float,
) -> Observation:
    """Return an observation of runs in which every message has the same latency."""
    cpu = cpu or {"source": 0.1, "broker": 0.2, "target": 0.3}
    rate = at.scenario.workload.arrivals.mean_rate
    return Observation(
        at,
        list(range(len(measured))),
        [run(latency, rate, **cpu) for latency in measured],
        [run(predicted, rate, **cpu) for _ in measured],
        [run(latency, rate, **cpu) for latency in likely],
    )


def row(
    error: float = 0.0,
    quantile: str = "p50",
    noise: float = 0.04,
    width: float = 1.2,
    baselines: dict[str, float] | None = None,
    **place: Any,
) -> Row:
    """Return a row of a measured latency of 1 s, with that error and an interval 1/width … width.

    `baselines` are their errors.
    """
    values: dict[str, Any] = {
        "strategy": "WebSocketPush",
        "setting": "100/s",
        "family": "",
        "rate": 100.0,
        "held_out": True,
        "unseen": False,
        "replicates": 6,
        "disturbed": 0,
        "messages": 1000,
        "utilisation": 0.3,
        "overloaded": False,
    }
    others = {name: 1 + other for name, other in (baselines or {}).items()}
    return Row(
        place=Place(**(values | place)),
        quantile=quantile,
        measured=1.0,
        low=1 / width,
        high=width,
        predicted=1 + error,
        predicted_low=0.9,
        predicted_high=1.1,
        replicate_error=noise,
        baselines=others,
    )
