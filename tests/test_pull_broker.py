"""The pull broker, as transcripts."""

import math

from transcripts import check

from lab.messages import Fetch, Publish
from lab.roles import Log, PullBroker, Retention


def test_a_fetch_is_answered_at_once() -> None:
    check(
        PullBroker(1, Log()),
        """
        0.000 <- Fetch(offset=0, max_records=2)
        0.000 -> Records(offset=0, messages=[])
        0.100 <- Publish(messages=[0, 1, 2])
        0.200 <- Fetch(offset=0, max_records=2)
        0.200 -> Records(offset=0, messages=[0, 1])
        0.300 <- Fetch(offset=2, max_records=2)
        0.300 -> Records(offset=2, messages=[2])
        0.400 <- Fetch(offset=3, max_records=2)
        0.400 -> Records(offset=3, messages=[])
        9.000 end
        """,
    )


def test_consumers_do_not_disturb_one_another() -> None:
    check(
        PullBroker(2, Log()),
        """
        0.100 <- Publish(messages=[0, 1])
        0.200 <- Fetch(offset=0, max_records=9)
        0.200 -> Records(offset=0, messages=[0, 1])
        0.300 <- Fetch(consumer=1, offset=0, max_records=9)
        0.300 -> Records(consumer=1, offset=0, messages=[0, 1])
        0.400 <- Fetch(offset=0, max_records=1)
        0.400 -> Records(offset=0, messages=[0])
        """,
    )


def test_min_records_without_waiting_asks_for_nothing() -> None:
    check(
        PullBroker(1, Log()),
        """
        0.100 <- Publish(messages=[0])
        0.200 <- Fetch(offset=0, max_records=9, min_records=5)
        0.200 -> Records(offset=0, messages=[0])
        """,
    )


def test_a_request_is_held_until_there_is_enough() -> None:
    check(
        PullBroker(2, Log()),
        """
        0.000 <- Fetch(offset=0, max_records=9, max_wait=1.0)
        0.000 <- Fetch(consumer=1, offset=0, max_records=9, min_records=3, max_wait=1.0)
        0.100 <- Publish(messages=[0, 1])
        0.100 -> Records(offset=0, messages=[0, 1])
        0.200 <- Publish(messages=[2, 3])
        0.200 -> Records(consumer=1, offset=0, messages=[0, 1, 2, 3])
        9.000 end
        """,
    )


def test_a_request_is_held_until_its_time_is_up() -> None:
    check(
        PullBroker(2, Log()),
        """
        0.000 <- Fetch(offset=0, max_records=9, max_wait=0.5)
        0.100 <- Fetch(consumer=1, offset=0, max_records=9, min_records=3, max_wait=1.0)
        0.500 wake
        0.500 -> Records(offset=0, messages=[])
        0.600 <- Publish(messages=[0])
        1.100 wake
        1.100 -> Records(consumer=1, offset=0, messages=[0])
        9.000 end
        """,
    )


def test_a_new_request_replaces_the_one_held() -> None:
    check(
        PullBroker(1, Log()),
        """
        0.000 <- Fetch(offset=0, max_records=9, max_wait=1.0)
        0.200 <- Fetch(offset=0, max_records=9, max_wait=2.0)
        2.200 wake
        2.200 -> Records(offset=0, messages=[])
        9.000 end
        """,
    )


def test_retention_leaves_the_slow_behind() -> None:
    check(
        PullBroker(2, Log(Retention(count=2))),
        """
        0.100 <- Publish(messages=[10, 11])
        0.200 <- Fetch(offset=0, max_records=9)
        0.200 -> Records(offset=0, messages=[10, 11])
        0.300 <- Fetch(offset=2, max_records=9)
        0.300 -> Records(offset=2, messages=[])
        0.400 <- Publish(messages=[12])
        0.400 -> Expired(consumer=1, messages=[10])
        0.500 <- Fetch(consumer=1, offset=0, max_records=9)
        0.500 -> OutOfRange(consumer=1, start=1, end=3)
        0.600 <- Fetch(consumer=1, offset=1, max_records=9)
        0.600 -> Records(consumer=1, offset=1, messages=[11, 12])
        0.700 <- Fetch(consumer=1, offset=4, max_records=9)
        0.700 -> OutOfRange(consumer=1, start=1, end=3)
        """,
    )


def test_what_was_read_does_not_expire_unread() -> None:
    check(
        PullBroker(1, Log(Retention(count=2))),
        """
        0.100 <- Publish(messages=[0, 1])
        0.200 <- Fetch(offset=0, max_records=1)
        0.200 -> Records(offset=0, messages=[0])
        0.300 <- Publish(messages=[2, 3])
        0.300 -> Expired(messages=[1])
        0.400 <- Fetch(offset=1, max_records=1)
        0.400 -> OutOfRange(start=2, end=4)
        """,
    )


def test_a_reader_that_goes_back_can_lose_what_it_wants_again() -> None:
    check(
        PullBroker(1, Log(Retention(count=2))),
        """
        0.100 <- Publish(messages=[0, 1])
        0.200 <- Fetch(offset=0, max_records=9)
        0.200 -> Records(offset=0, messages=[0, 1])
        0.300 <- Fetch(offset=0, max_records=9, min_records=3, max_wait=1.0)
        0.400 <- Publish(messages=[2, 3, 4])
        0.400 -> Expired(messages=[0, 1, 2])
        1.300 wake
        1.300 -> Records(offset=3, messages=[3, 4])
        9.000 end
        """,
    )


def test_records_expire_by_age_even_when_nobody_asks() -> None:
    check(
        PullBroker(1, Log(Retention(age=1.0))),
        """
        0.300 <- Publish(messages=[0])
        0.700 <- Publish(messages=[1])
        1.300 wake
        1.300 -> Expired(messages=[0])
        1.400 <- Fetch(offset=1, max_records=9)
        1.400 -> Records(offset=1, messages=[1])
        1.700 wake
        9.000 end
        """,
    )


def test_expiry_never_asks_for_a_wake_that_does_nothing() -> None:
    for age in (0.1, 0.3, 1 / 3, 1e-9):  # times + age rounds up for some of these, down for others
        for at in (0.1, 0.7, 1e6 / 3):
            broker = PullBroker(1, Log(Retention(age=age)))
            broker.receive(Publish([0]), at)
            broker.receive(Fetch(0, 0, 9, 5, 1e9), at)
            assert len(broker.wake(broker.wake_at)) == 1
            assert broker.wake_at == at + 1e9


def test_check_says_whether_there_is_more() -> None:
    check(
        PullBroker(1, Log()),
        """
        0.000 <- Check(offset=0)
        0.000 -> Status(end=0, changed=False)
        0.100 <- Publish(messages=[0])
        0.200 <- Check(offset=0)
        0.200 -> Status(end=1, changed=True)
        0.300 <- Check(offset=1)
        0.300 -> Status(end=1, changed=False)
        """,
    )


def test_destructive_reads_move_the_brokers_cursor() -> None:
    check(
        PullBroker(1, Log(Retention(count=3))),
        """
        0.100 <- Publish(messages=[0, 1, 2])
        0.200 <- Fetch(offset=None, max_records=2)
        0.200 -> Records(offset=0, messages=[0, 1])
        0.300 <- Fetch(offset=None, max_records=2)
        0.300 -> Records(offset=2, messages=[2])
        0.400 <- Fetch(offset=None, max_records=2, max_wait=1.0)
        0.500 <- Publish(messages=[3])
        0.500 -> Records(offset=3, messages=[3])
        0.600 <- Publish(messages=[4, 5, 6, 7])
        0.600 -> Expired(messages=[4])
        0.700 <- Fetch(offset=None, max_records=9)
        0.700 -> Records(offset=5, messages=[5, 6, 7])
        0.800 <- Fetch(offset=None, max_records=9)
        0.800 -> Records(offset=8, messages=[])
        """,
    )


def test_a_broker_without_retention_sleeps() -> None:
    broker = PullBroker(1, Log())
    broker.receive(Publish([0]), 0.0)
    broker.receive(Fetch(0, 0, 9, 1, 5.0), 0.0)
    assert broker.wake_at == math.inf
