"""What calibration runs: each primitive at low, middle and high load, and in overload.

Other strategies, sizes, intervals and batches are left for the model to predict. Many short runs tell
more than a few long ones: a neighbour can slow the machine down for minutes, by a third.
"""

from typing import NamedTuple

from lab.scenario import Scenario
from lab.strategies import InProcessLongPoll, LongPoll, ShortPoll, Strategy, Webhook, WebSocketPush
from lab.workload import Constant, Poisson, Workload

SEED = 20
SEGMENTS, QUICK_SEGMENTS = 6, 2
WARM_UP = 0.05  # seconds of a run whose latencies are not looked at, but at most a quarter of it


class Planned(NamedTuple):
    """One run: messages a second of `size` bytes for `seconds`. `quick` ones are in the quick form."""

    strategy: Strategy
    rate: float
    seconds: float
    size: int = 100
    quick: bool = False


PLAN = [
    Planned(WebSocketPush(), 5, 2.0),
    Planned(WebSocketPush(), 40, 0.5, quick=True),
    Planned(WebSocketPush(), 150, 0.3),
    Planned(WebSocketPush(), 500, 0.3, quick=True),
    Planned(WebSocketPush(), 1200, 0.25),
    Planned(WebSocketPush(), 3500, 0.2, quick=True),
    Planned(WebSocketPush(), 12_000, 0.15),
    Planned(WebSocketPush(), 80_000, 0.25, quick=True),  # runs in: its first eighth is slower
    Planned(WebSocketPush(), 200, 0.6, size=20_000, quick=True),
    Planned(WebSocketPush(batch_size=20, linger=0.02), 2000, 0.25),
    Planned(Webhook(), 15, 1.2),
    Planned(Webhook(), 40, 0.5, quick=True),
    Planned(Webhook(), 200, 0.3, quick=True),
    Planned(Webhook(), 500, 0.3),
    Planned(Webhook(), 6000, 0.15, quick=True),
    Planned(Webhook(batch_size=20, linger=0.02), 2000, 0.25, quick=True),
    Planned(Webhook(keep_alive=False), 40, 0.5),
    Planned(Webhook(keep_alive=False), 250, 0.3, quick=True),
    Planned(Webhook(keep_alive=False), 4000, 0.2),
    Planned(LongPoll(), 5, 2.0),
    Planned(LongPoll(), 40, 0.5),
    Planned(LongPoll(), 250, 0.3, quick=True),
    Planned(LongPoll(), 200, 0.6, size=20_000),
    Planned(LongPoll(), 2500, 0.25),
    Planned(LongPoll(), 20_000, 0.15),
    Planned(ShortPoll(interval=0.05), 300, 0.35, quick=True),
    Planned(ShortPoll(interval=0.05), 2000, 0.35),  # a hundred records in an answer
    Planned(InProcessLongPoll(), 12, 1.2),
    Planned(InProcessLongPoll(), 40, 0.4),
    Planned(InProcessLongPoll(), 200, 0.3, quick=True),
    Planned(InProcessLongPoll(), 700, 0.25),
    Planned(InProcessLongPoll(), 3000, 0.2, quick=True),
    Planned(InProcessLongPoll(), 40_000, 0.08),
    Planned(InProcessLongPoll(), 300_000, 0.02),
]


def scenarios(quick: bool = False) -> list[Scenario]:
    """Return the runs of the calibration, one scenario each."""
    return [
        Scenario(
            name="calibration",
            workload=Workload(
                arrivals=Poisson(rate=run.rate),
                size=Constant(value=run.size),
                duration=run.seconds,
                warm_up=min(WARM_UP, run.seconds / 4),
                seed=SEED + i,
            ),
            strategies=[run.strategy],
        )
        for i, run in enumerate(PLAN)
        if run.quick or not quick
    ]


def segments(quick: bool = False) -> int:
    """Return how often each run is measured."""
    return QUICK_SEGMENTS if quick else SEGMENTS


def title(scenario: Scenario) -> str:
    """Return what a run is called: its strategy, rate and size."""
    workload = scenario.workload
    return (
        f"{scenario.strategies[0].label}, {workload.arrivals.mean_rate:,.0f}/s,"
        f" {workload.size.mean:,.0f} bytes"
    )
