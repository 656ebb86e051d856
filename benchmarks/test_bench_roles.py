"""Benchmark of the roles by themselves: one step of each, without any engine.

A round takes a new role through `STEPS` steps; making the messages that it is given is part of it.
"""

from collections.abc import Callable

import pytest
from figures import note_rate
from pytest_benchmark.fixture import BenchmarkFixture

from lab.messages import Ack, Deliver, Fetch, Publish, Records, Subscribe, Worked
from lab.roles import (
    Log,
    Poller,
    Polling,
    Producer,
    PullBroker,
    PushBroker,
    PushConsumer,
    PushReception,
    Retention,
)
from lab.roles.push import PushPolicy

STEPS = 1_000
READ = 100  # records read at once
TIMES = [i * 1e-3 for i in range(STEPS)]


def producer_wakes() -> None:
    """Publish one message at each wake-up."""
    producer = Producer(TIMES)
    for now in TIMES:
        producer.wake(now)


def push_broker_publishes() -> None:
    """Fire and forget: each published message goes straight on to one subscriber."""
    broker = PushBroker(PushPolicy())
    broker.receive(Subscribe(0), 0.0)
    for i, now in enumerate(TIMES):
        broker.receive(Publish((i,)), now)


def push_broker_publishes_and_is_acked() -> None:
    """With credits to spare: a delivery is remembered until its ack. Two messages in a step."""
    broker = PushBroker(PushPolicy(acks=True, credits=100))
    broker.receive(Subscribe(0), 0.0)
    for i, now in enumerate(TIMES):
        broker.receive(Publish((i,)), now)
        broker.receive(Ack(0, i), now)


def push_broker_is_acked_with_a_backlog() -> None:
    """With one credit: every ack lets the next message of the buffer go."""
    broker = PushBroker(PushPolicy(acks=True, credits=1))
    broker.receive(Subscribe(0), 0.0)
    broker.receive(Publish(range(STEPS)), 0.0)
    for i, now in enumerate(TIMES):
        broker.receive(Ack(0, i), now)


def pull_broker_publishes_and_answers() -> None:
    """A message is appended and fetched at once. Two messages in a step."""
    broker = PullBroker(1, Log())
    for i, now in enumerate(TIMES):
        broker.receive(Publish((i,)), now)
        broker.receive(Fetch(0, i, READ), now)


def pull_broker_answers_a_held_request() -> None:
    """A request is held until a message is published. Two messages in a step."""
    broker = PullBroker(1, Log())
    for i, now in enumerate(TIMES):
        broker.receive(Fetch(0, i, READ, max_wait=1.0), now)
        broker.receive(Publish((i,)), now)


def push_consumer_works_and_acks() -> None:
    """A delivery is worked on and acknowledged. Two messages in a step."""
    consumer = PushConsumer(0, PushReception("after_work"))
    worked = Worked(0)
    for i, now in enumerate(TIMES):
        consumer.receive(Deliver(0, i, (i,)), now)
        consumer.receive(worked, now)


def poller_asks_and_works() -> None:
    """Wake up and ask; get a record, work on it, plan the next wake-up."""
    poller = Poller(0, Polling(interval=1e-3, max_records=READ))
    worked = Worked(0)
    for i, now in enumerate(TIMES):
        poller.wake(now)
        poller.receive(Records(0, i, (i,)), now)
        poller.receive(worked, now)


def log_appends() -> None:
    """Append one record."""
    log = Log()
    for i, now in enumerate(TIMES):
        log.append((i,), now)


def log_reads() -> None:
    """Read `READ` records at an offset of a long log."""
    log = Log()
    log.append(range(STEPS), 0.0)
    for offset in range(STEPS):
        log.read(offset, READ)


def log_appends_and_expires() -> None:
    """Append one record and expire another, by age."""
    log = Log(Retention(age=0.1))
    for i, now in enumerate(TIMES):
        log.append((i,), now)
        log.expire(now)


CASES = (
    producer_wakes,
    push_broker_publishes,
    push_broker_publishes_and_is_acked,
    push_broker_is_acked_with_a_backlog,
    pull_broker_publishes_and_answers,
    pull_broker_answers_a_held_request,
    push_consumer_works_and_acks,
    poller_asks_and_works,
    log_appends,
    log_reads,
    log_appends_and_expires,
)


@pytest.mark.benchmark(group="role step")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_role_step(benchmark: BenchmarkFixture, case: Callable[[], None]) -> None:
    benchmark(case)
    note_rate(benchmark, STEPS, "steps")
