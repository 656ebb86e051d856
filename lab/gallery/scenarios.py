"""The experiments behind the figures of the gallery: small, and all in this file.

A study is a scenario, and whether it is measured as well as simulated: over the load only some are,
as that takes real time.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from lab.faults import SlowConsumer
from lab.scenario import Scenario
from lab.strategies import (
    LongPoll,
    ServerSentEvents,
    ShortPoll,
    Strategy,
    Webhook,
    WebSocketPush,
)
from lab.workload import Exponential, Periodic, Poisson, Uniform, Workload

SEED = 7

# One feed, five ways of delivering it.
FEED = Scenario(
    name="feed",
    workload=Workload(
        arrivals=Poisson(rate=100),
        work=Exponential(mean=0.002),
        duration=4,
        warm_up=0.5,
        seed=SEED,
    ),
    strategies=[
        WebSocketPush(),
        Webhook(),
        LongPoll(),
        ShortPoll(interval=0.02),
        ShortPoll(interval=0.2),
    ],
    replications=3,
    quick_duration=1.5,
)

# One of two consumers is slow for a while.
BEHIND = Scenario(
    name="behind",
    workload=Workload(
        arrivals=Poisson(rate=150),
        work=Uniform(low=0.001, high=0.003),
        consumers=2,
        duration=4,
        seed=SEED,
    ),
    strategies=[WebSocketPush(), LongPoll(max_records=50)],
    faults=[SlowConsumer(at=0.5, duration=1, consumer=1, times=15)],
    sample=0.02,
    replications=1,
    quick_duration=2.5,
)

# The work alone fills a consumer at 250 messages a second.
WORK = 0.004
LOADS = (20, 50, 80, 110, 130, 150, 170, 190, 210, 225)
MEASURED_LOADS = (20, 80, 130, 170, 210)
WEBHOOK_LOADS = 170  # no more: each message holds the consumer for a round trip, too

BATCHES = (1, 4, 10, 40, 100)  # they divide the flood: the last batch is full, too
FLOOD, CALM = 20_000.0, 200.0  # messages a second

# Maps: rates per second, poll intervals and work per message in seconds.
INTERVAL_RATES, INTERVALS = (5.0, 25.0, 100.0, 400.0), (0.02, 0.1, 0.5)
POLLS = [ShortPoll(interval=interval) for interval in INTERVALS]
SPEED_RATES, WORKS = (10.0, 100.0, 400.0), (0.0005, 0.005, 0.01)

IDLERS: tuple[Strategy, ...] = (
    WebSocketPush(),
    ServerSentEvents(),
    LongPoll(max_wait=0.5),
    ShortPoll(interval=0.2),
    ShortPoll(interval=0.2, keep_alive=False),
)
QUICK_IDLERS: tuple[Strategy, ...] = (WebSocketPush(), ShortPoll(interval=0.2))
PING = 1.0  # seconds between keep-alive pings, twenty times as often as by default


class Study(NamedTuple):
    """A scenario of the gallery."""

    scenario: Scenario
    measured: bool = True


def loads(quick: bool) -> Iterator[Study]:
    """Yield the same workload at rising rates."""
    for rate in MEASURED_LOADS[:3] if quick else LOADS:
        strategies: list[Strategy] = [WebSocketPush()]
        if rate <= WEBHOOK_LOADS:
            strategies.append(Webhook())
        workload = {"arrivals": Poisson(rate=rate), "work": Exponential(mean=WORK)}
        yield Study(
            _scenario(f"load_{rate:g}", workload, strategies, duration=4, warm_up=0.5),
            rate in MEASURED_LOADS,
        )


def batches(quick: bool) -> Iterator[Study]:
    """Yield, for each size, a flood (for the throughput) and a calm stream (for the latency)."""
    for size in BATCHES[::2] if quick else BATCHES:
        strategies = [
            Webhook(batch_size=size, linger=1.0),
            LongPoll(min_records=size, max_records=size, max_wait=1.0),
        ]
        flood = {"arrivals": Periodic(rate=FLOOD)}
        yield Study(_scenario(f"flood_{size}", flood, strategies, duration=0.1))
        calm = {"arrivals": Poisson(rate=CALM)}
        yield Study(_scenario(f"calm_{size}", calm, strategies, duration=2.5))


def intervals(quick: bool) -> Iterator[Study]:
    """Yield, for each rate, push against polls at all intervals."""
    for rate in INTERVAL_RATES[::3] if quick else INTERVAL_RATES:
        strategies = [WebSocketPush(), *POLLS]
        workload = {"arrivals": Poisson(rate=rate)}
        yield Study(_scenario(f"interval_{rate:g}", workload, strategies, duration=2.5))


def speeds(quick: bool) -> Iterator[Study]:
    """Yield, for each rate and work per message, push against long poll."""
    for rate in SPEED_RATES[::2] if quick else SPEED_RATES:
        for work in WORKS[::2] if quick else WORKS:
            workload = {"arrivals": Poisson(rate=rate), "work": Exponential(mean=work)}
            strategies = [WebSocketPush(), LongPoll()]
            name = f"speed_{rate:g}_{1e6 * work:.0f}"
            yield Study(_scenario(name, workload, strategies, duration=1.2))


def _scenario(
    name: str,
    workload: dict[str, Any],
    strategies: list[Any],
    duration: float,
    warm_up: float = 0.0,
) -> Scenario:
    whole = Workload(**workload, duration=duration, warm_up=warm_up, seed=SEED)
    return Scenario(
        name=name,
        workload=whole,
        strategies=strategies,
        replications=3,
        quick_duration=0.7,
    )
