"""The log, the back-off and the producer. Brokers and consumers have files of their own."""

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
from transcripts import check

from lab.messages import Blocked, Publish, Writable
from lab.roles import Log, Producer, Retention, Retry


def int32(sizes: list[int]) -> Sequence[int]:
    """Return sizes as a workload has them."""
    return cast(Sequence[int], np.array(sizes, np.int32))


def test_log_hands_out_records_by_offset() -> None:
    log = Log()
    assert log.append([7, 8], 0.0) == 0
    assert log.append([9], 0.1) == 2
    assert list(log.read(0, 10)) == [7, 8, 9]
    assert list(log.read(1, 1)) == [8]
    assert list(log.read(3, 10)) == []
    assert log.expire(1e9)[1] == ()


def test_log_keeps_a_count() -> None:
    log = Log(Retention(count=3))
    log.append([5, 6, 7, 8, 9], 0.0)
    first, gone = log.expire(0.0)
    assert (first, list(gone)) == (0, [5, 6])
    assert (log.start, log.end) == (2, 5)
    with pytest.raises(LookupError, match=r"offset 1 is not in 2\.\.5"):
        log.read(1, 1)
    with pytest.raises(LookupError):
        log.read(6, 1)


def test_log_keeps_bytes() -> None:
    log = Log(Retention(bytes=250), sizes=int32([100, 100, 100, 300]))
    log.append([0, 1, 2], 0.0)
    assert list(log.expire(0.0)[1]) == [0]
    log.append([3], 0.0)
    assert list(log.expire(0.0)[1]) == [1, 2, 3]
    assert log.size == 0


def test_log_of_gigabytes_does_not_overflow() -> None:
    log = Log(Retention(bytes=1e12), sizes=int32([10_000_000]))
    for _ in range(300):
        log.append([0], 0.0)
    assert log.size == 3_000_000_000


def test_log_keeps_an_age() -> None:
    log = Log(Retention(age=0.5))
    log.append([0], 0.1)
    log.append([1], 0.3)
    assert log.oldest_expires_at() == 0.6
    assert list(log.expire(0.59)[1]) == []
    assert list(log.expire(0.6)[1]) == [0]
    assert list(log.expire(9.0)[1]) == [1]
    assert log.oldest_expires_at() == math.inf


def test_log_forgets_in_blocks() -> None:
    log = Log(Retention(count=10, age=1e6))
    for m in range(20_000):
        log.append([m], m / 1000)
        log.expire(m / 1000)
    assert list(log.read(19_990, 100)) == list(range(19_990, 20_000))
    assert len(log._messages) < 5000
    assert log.oldest_expires_at() == pytest.approx(19.99 + 1e6)


def test_retention_is_checked() -> None:
    with pytest.raises(ValueError, match="positive"):
        Retention(count=0)
    with pytest.raises(ValueError, match="sizes"):
        Log(Retention(bytes=10))


def test_retry_backs_off() -> None:
    retry = Retry(first=0.1, limit=0.5)
    assert [retry.delay(n) for n in (1, 2, 3, 4, 5000)] == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_producer_is_open_loop() -> None:
    check(
        Producer([0.1, 0.2, 0.2, 0.4]),
        """
        0.100 wake
        0.100 -> Publish(messages=[0])
        0.200 wake
        0.200 -> Publish(messages=[1])
        0.200 -> Publish(messages=[2])
        0.400 wake
        0.400 -> Publish(messages=[3])
        9.000 end
        """,
    )


def test_late_producer_publishes_all_that_is_due() -> None:
    producer = Producer([0.1, 0.2, 0.4])
    assert producer.wake(0.35) == [Publish((0,)), Publish((1,))]
    assert producer.wake_at == 0.4


def test_blocked_producer_holds_what_is_due() -> None:
    check(
        Producer([0.1, 0.2, 0.3, 0.4]),
        """
        0.100 wake
        0.100 -> Publish(messages=[0])
        0.150 <- Blocked()
        0.350 <- Writable()
        0.350 -> Publish(messages=[1])
        0.350 -> Publish(messages=[2])
        0.400 wake
        0.400 -> Publish(messages=[3])
        9.000 end
        """,
    )


def test_producer_that_catches_up_stops_when_blocked_again() -> None:
    producer = Producer([0.1, 0.2, 0.3, 0.9])
    producer.receive(Blocked(), 0.05)
    backlog = iter(producer.receive(Writable(), 0.35))
    assert next(backlog) == Publish((0,))
    assert not list(producer.receive(Blocked(), 0.35))
    assert list(backlog) == []
    assert producer.wake_at == math.inf
    assert list(producer.receive(Writable(), 0.4)) == [Publish((1,)), Publish((2,))]
    assert producer.wake_at == 0.9


def test_producer_of_nothing() -> None:
    check(Producer([]), "1.000 end")
