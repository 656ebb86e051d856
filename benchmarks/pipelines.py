"""The pipelines of `bare_simpy` as the lab sees them: the same messages, costs and delays.

A node of bare SimPy takes 20 µs of CPU for a message. Here a frame takes 10 µs to read and 10 µs to
write, so the broker takes the same 20 µs, and source and consumer 10 µs each: the latency of an
unhurried message is the same 80 µs, and the broker is saturated at the same 50,000 messages/s.
"""

from collections.abc import Callable
from typing import NamedTuple

import bare_simpy
from numpy.typing import NDArray

from lab import Physics, Poisson, Scenario, ShortPoll, Trace, WebSocketPush, Workload, simulate
from lab.physics import Cost, ExchangeCosts, LinkPhysics, StreamCosts
from lab.strategies import Strategy

HALF_COST = Cost(fixed=bare_simpy.PIPELINE_COST / 2)
SATURATED = 1 / bare_simpy.PIPELINE_COST  # messages a second that the broker can just take


def physics(delay: float = bare_simpy.PIPELINE_COST) -> Physics:
    """Return three hosts with those costs, `delay` seconds apart, and nothing random."""
    return Physics(
        stream=StreamCosts(send=HALF_COST, receive=HALF_COST),
        exchange=ExchangeCosts(
            request=HALF_COST, serve=HALF_COST, reply=HALF_COST, response=HALF_COST
        ),
        link=LinkPhysics(delay=delay),
        cores=3,
        pins={"source": 0, "broker": 1, "target": 2},
    )


class Pipeline(NamedTuple):
    """One pipeline, twice: `strategy` for the lab, `bare` in idiomatic SimPy."""

    name: str
    strategy: Strategy
    bare: Callable[[NDArray, float, float], list[float]]


PIPELINES = (
    Pipeline("push", WebSocketPush(), bare_simpy.push),
    Pipeline("poll", ShortPoll(interval=0.1), bare_simpy.poll),
)


class Case(NamedTuple):
    """About `messages` messages at `rate` a second over links of `delay` seconds."""

    pipeline: Pipeline
    messages: int
    rate: float
    delay: float = bare_simpy.PIPELINE_COST

    def scenario(self) -> Scenario:
        workload = Workload(arrivals=Poisson(rate=self.rate), duration=self.messages / self.rate)
        return Scenario(workload=workload, strategies=[self.pipeline.strategy])

    def run_bare(self, created: NDArray) -> list[float]:
        """Return the latencies by bare SimPy; drawing the messages is left to the caller."""
        return self.pipeline.bare(created, bare_simpy.PIPELINE_COST, self.delay)

    def run_lab(self, scenario: Scenario) -> Trace:
        """Return the lab's trace, all columns recorded; drawing the messages is part of it."""
        return simulate(scenario, self.pipeline.strategy, physics(self.delay))
