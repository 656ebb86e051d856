"""The push broker when deliveries fail, as transcripts: retries, time-outs, dead letters."""

import pytest
from transcripts import check, play

from lab.messages import Ack, Nack, Publish, Subscribe
from lab.roles import PushBroker, Retry
from lab.roles.push import PushPolicy


def test_failures_back_off_and_end_in_a_dead_letter() -> None:
    check(
        PushBroker(PushPolicy(acks=True, concurrency=1, retry=Retry(0.1, 10, attempts=3))),
        """
        0.000 <- Subscribe()
        1.000 <- Publish(messages=[0, 1])
        1.000 -> Deliver(offset=0, messages=[0])
        1.050 <- Nack(offset=0)
        1.150 wake
        1.150 -> Deliver(offset=0, messages=[0], attempt=2)
        1.200 <- Nack(offset=0, attempt=2)
        1.400 wake
        1.400 -> Deliver(offset=0, messages=[0], attempt=3)
        1.500 <- Nack(offset=0, attempt=3)
        1.500 -> DeadLettered(messages=[0])
        1.500 -> Deliver(offset=1, messages=[1])
        1.600 <- Ack(offset=1)
        9.000 end
        """,
    )


def test_silence_is_a_failure_and_a_late_ack_is_ignored() -> None:
    check(
        PushBroker(PushPolicy(acks=True, concurrency=1, timeout=1.0, retry=Retry(0.25))),
        """
        0.000 <- Subscribe()
        1.000 <- Publish(messages=[0, 1])
        1.000 -> Deliver(offset=0, messages=[0])
        2.000 wake
        2.100 <- Ack(offset=0)
        2.250 wake
        2.250 -> Deliver(offset=0, messages=[0], attempt=2)
        2.300 <- Ack(offset=0)
        2.400 <- Ack(offset=0, attempt=2)
        2.400 -> Deliver(offset=1, messages=[1])
        3.400 wake
        3.500 end
        """,
    )


def test_silence_again_and_again() -> None:
    check(
        PushBroker(PushPolicy(acks=True, timeout=1.0, retry=Retry(0.25, attempts=2))),
        """
        0.000 <- Subscribe()
        1.000 <- Publish(messages=[0])
        1.000 -> Deliver(offset=0, messages=[0])
        2.000 wake
        2.250 wake
        2.250 -> Deliver(offset=0, messages=[0], attempt=2)
        3.250 wake
        3.250 -> DeadLettered(messages=[0])
        9.000 end
        """,
    )


def test_an_ack_in_time_ends_the_deadline() -> None:
    check(
        PushBroker(PushPolicy(acks=True, concurrency=2, timeout=1.0)),
        """
        0.000 <- Subscribe()
        1.000 <- Publish(messages=[0])
        1.000 -> Deliver(offset=0, messages=[0])
        1.500 <- Publish(messages=[1])
        1.500 -> Deliver(offset=1, messages=[1])
        1.600 <- Ack(offset=1)
        1.700 <- Ack(offset=0)
        9.000 end
        """,
    )


def test_strangers_are_ignored() -> None:
    broker = PushBroker(PushPolicy(acks=True))
    assert list(broker.receive(Ack(5, 0), 0.0)) == []
    assert list(broker.receive(Nack(5, 0), 0.0)) == []
    assert list(play(broker, ["0.000 <- Blocked()", "0.000 <- Writable()"]))[-1].endswith("()")


def test_many_attempts_do_not_overflow() -> None:
    broker = PushBroker(PushPolicy(acks=True, retry=Retry(1e-3, 1e-3, attempts=3000)))
    broker.receive(Subscribe(0), 0.0)
    broker.receive(Publish([0]), 0.0)
    for attempt in range(1, 3000):
        broker.receive(Nack(0, 0, attempt), float(attempt))
        broker.wake(broker.wake_at)
    assert broker.wake_at == pytest.approx(float("inf"))
