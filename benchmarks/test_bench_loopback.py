"""Benchmark of real deliveries over loopback, for every strategy, beside bare loops.

Times are those of the runs, from the first message to the last, whatever it took to start and to
collect them. `harness_cost.py` compares lab and bare loops more closely: by turns, with CPU time.
"""

from collections.abc import Callable, Iterator

import pytest
from bursts import burst, drain_seconds_per_message, seconds_per_message
from figures import note_rate
from floors import Floors
from meter import Load
from pytest_benchmark.fixture import BenchmarkFixture

from lab import (
    HttpIngest,
    InProcessLongPoll,
    LongPoll,
    PollThenPull,
    ServerSentEvents,
    ShortPoll,
    Trace,
    Webhook,
    WebSocketPush,
)
from lab.engines.loopback import Session
from lab.strategies import Strategy
from lab.trace import Fate

ROUNDS = 5
ROUND_TRIPS, FLOOD = 500, 3_000
AT_ONCE = 1e-6  # seconds between polls


class Clock:
    """A timer that shows the time that all runs took so far, in seconds."""

    shown = 0.0

    @classmethod
    def read(cls) -> float:
        return cls.shown


round_trip = pytest.mark.benchmark(group="round trip", timer=Clock.read)
throughput = pytest.mark.benchmark(group="throughput", timer=Clock.read)

ONE_AT_A_TIME: tuple[Strategy, ...] = (  # server-sent events cannot: the consumer does not answer
    WebSocketPush(acks=True, credits=1),
    Webhook(),
    HttpIngest(),
    ShortPoll(interval=AT_ONCE, max_records=1),
    PollThenPull(interval=AT_ONCE, max_records=1),
    LongPoll(max_records=1),
    InProcessLongPoll(max_records=1),
)
MANY: tuple[Strategy, ...] = (
    WebSocketPush(),
    WebSocketPush(acks=True, credits=100),
    ServerSentEvents(),
    Webhook(concurrency=10),
    Webhook(batch_size=100),
    HttpIngest(concurrency=10),
    HttpIngest(batch_size=100),
    ShortPoll(interval=0.01),
    PollThenPull(interval=0.01),
    LongPoll(),
    InProcessLongPoll(),
)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as session:
        yield session


@pytest.fixture(scope="module")
def floors() -> Iterator[Floors]:
    with Floors() as floors:
        yield floors


def time_lab(
    benchmark: BenchmarkFixture,
    session: Session,
    strategy: Strategy,
    count: int,
    read: Callable[[Trace], float],
) -> None:
    """Time `count` messages, at `read` seconds each."""

    def run() -> Trace:
        trace = session.measure(burst(strategy, count), strategy)
        Clock.shown += read(trace) * count
        return trace

    trace = benchmark.pedantic(run, rounds=ROUNDS, warmup_rounds=1)
    assert (trace.fate == Fate.DELIVERED).all()
    note_rate(benchmark, count)


def time_floor(benchmark: BenchmarkFixture, floors: Floors, name: str, count: int) -> None:
    def run() -> None:
        Clock.shown += floors.run(name, Load(count)).wall * count

    benchmark.pedantic(run, rounds=ROUNDS, warmup_rounds=1)
    note_rate(benchmark, count)


@round_trip
@pytest.mark.parametrize("name", ["echo", "POST", "GET"])
def test_bare_round_trip(benchmark: BenchmarkFixture, floors: Floors, name: str) -> None:
    time_floor(benchmark, floors, name, ROUND_TRIPS)


@round_trip
@pytest.mark.parametrize("strategy", ONE_AT_A_TIME, ids=lambda s: s.name)
def test_round_trip(benchmark: BenchmarkFixture, session: Session, strategy: Strategy) -> None:
    time_lab(benchmark, session, strategy, ROUND_TRIPS, drain_seconds_per_message)


@throughput
@pytest.mark.parametrize("name", ["flood", "relay"])
def test_bare_throughput(benchmark: BenchmarkFixture, floors: Floors, name: str) -> None:
    time_floor(benchmark, floors, name, FLOOD)


@throughput
@pytest.mark.parametrize("strategy", MANY, ids=lambda s: s.label)
def test_throughput(benchmark: BenchmarkFixture, session: Session, strategy: Strategy) -> None:
    time_lab(benchmark, session, strategy, FLOOD, seconds_per_message)
