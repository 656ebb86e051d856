"""The consumers, as transcripts: one that is pushed to, and one that polls."""

from transcripts import check

from lab.roles import Poller, Polling, PushConsumer, PushReception


def test_push_consumer_works_in_order() -> None:
    check(
        PushConsumer(0),
        """
        0.000 wake
        0.000 -> Subscribe()
        0.100 <- Deliver(offset=0, messages=[0])
        0.100 -> Work(messages=[0])
        0.110 <- Deliver(offset=1, messages=[1])
        0.120 <- Deliver(offset=2, messages=[2])
        0.200 <- Worked()
        0.200 -> Work(messages=[1])
        0.300 <- Worked()
        0.300 -> Work(messages=[2])
        0.400 <- Worked()
        """,
    )


def test_push_consumer_acknowledges_after_the_work() -> None:
    check(
        PushConsumer(3, PushReception("after_work")),
        """
        0.000 wake
        0.000 -> Subscribe(consumer=3)
        0.100 <- Deliver(consumer=3, offset=0, messages=[0, 1])
        0.100 -> Work(consumer=3, messages=[0, 1])
        0.110 <- Deliver(consumer=3, offset=2, messages=[2], attempt=4)
        0.200 <- Worked(consumer=3)
        0.200 -> Ack(consumer=3, offset=0)
        0.200 -> Work(consumer=3, messages=[2])
        0.300 <- Worked(consumer=3)
        0.300 -> Ack(consumer=3, offset=2, attempt=4)
        """,
    )


def test_push_consumer_stops_reading_when_its_queue_is_full() -> None:
    check(
        PushConsumer(0, PushReception(queue=3)),
        """
        0.000 wake
        0.000 -> Subscribe()
        0.100 <- Deliver(offset=0, messages=[0, 1, 2, 3])
        0.100 -> Work(messages=[0, 1, 2, 3])
        0.110 <- Deliver(offset=4, messages=[4])
        0.120 <- Deliver(offset=5, messages=[5, 6])
        0.120 .. accepting=False
        0.200 <- Worked()
        0.200 -> Work(messages=[4])
        0.200 .. accepting=True
        """,
    )


def test_idempotent_consumer_works_on_each_message_once() -> None:
    check(
        PushConsumer(0, PushReception("after_work", idempotent=True)),
        """
        0.000 wake
        0.000 -> Subscribe()
        0.100 <- Deliver(offset=0, messages=[0, 1])
        0.100 -> Work(messages=[0, 1])
        0.110 <- Deliver(offset=0, messages=[0, 1], attempt=2)
        0.120 <- Deliver(offset=2, messages=[1, 2])
        0.200 <- Worked()
        0.200 -> Ack(offset=0)
        0.200 -> Work(messages=[])
        0.200 <- Worked()
        0.200 -> Ack(offset=0, attempt=2)
        0.200 -> Work(messages=[2])
        """,
    )


def test_short_poll_pauses_after_answer_and_work() -> None:
    check(
        Poller(0, Polling(interval=0.5, max_records=100)),
        """
        0.000 wake
        0.000 -> Fetch(offset=0, max_records=100)
        0.010 <- Records(offset=0, messages=[])
        0.510 wake
        0.510 -> Fetch(offset=0, max_records=100)
        0.520 <- Records(offset=0, messages=[0, 1])
        0.520 -> Work(messages=[0, 1])
        1.200 <- Worked()
        1.200 -> Save(offset=2)
        1.700 wake
        1.700 -> Fetch(offset=2, max_records=100)
        9.000 end
        """,
    )


def test_long_poll_asks_again_at_once() -> None:
    check(
        Poller(1, Polling(interval=0, max_records=10, min_records=2, max_wait=1.5)),
        """
        0.000 wake
        0.000 -> Fetch(consumer=1, offset=0, max_records=10, min_records=2, max_wait=1.5)
        1.500 <- Records(consumer=1, offset=0, messages=[])
        1.500 -> Fetch(consumer=1, offset=0, max_records=10, min_records=2, max_wait=1.5)
        1.700 <- Records(consumer=1, offset=0, messages=[0, 1])
        1.700 -> Work(consumer=1, messages=[0, 1])
        1.800 <- Worked(consumer=1)
        1.800 -> Save(consumer=1, offset=2)
        1.800 -> Fetch(consumer=1, offset=2, max_records=10, min_records=2, max_wait=1.5)
        9.000 end
        """,
    )


def test_poll_then_pull_pulls_only_what_is_new() -> None:
    check(
        Poller(0, Polling(interval=0.5, max_records=10, check_first=True)),
        """
        0.000 wake
        0.000 -> Check(offset=0)
        0.010 <- Status(end=0, changed=False)
        0.510 wake
        0.510 -> Check(offset=0)
        0.520 <- Status(end=2, changed=True)
        0.520 -> Fetch(offset=0, max_records=10)
        0.530 <- Records(offset=0, messages=[0, 1])
        0.530 -> Work(messages=[0, 1])
        0.600 <- Worked()
        0.600 -> Save(offset=2)
        1.100 wake
        1.100 -> Check(offset=2)
        1.500 end
        """,
    )


def test_destructive_poll_sends_no_offset() -> None:
    check(
        Poller(0, Polling(interval=0.5, max_records=10, destructive=True)),
        """
        0.000 wake
        0.000 -> Fetch(offset=None, max_records=10)
        0.010 <- Records(offset=0, messages=[0])
        0.010 -> Work(messages=[0])
        0.020 <- Worked()
        0.520 wake
        0.520 -> Fetch(offset=None, max_records=10)
        0.900 end
        """,
    )


def test_poller_behind_retention_goes_on_at_the_start_of_the_log() -> None:
    check(
        Poller(0, Polling(interval=0.5, max_records=10)),
        """
        0.000 wake
        0.000 -> Fetch(offset=0, max_records=10)
        0.010 <- OutOfRange(start=40, end=60)
        0.010 -> Fetch(offset=40, max_records=10)
        0.020 <- Records(offset=40, messages=[40])
        0.020 -> Work(messages=[40])
        0.030 <- Worked()
        0.030 -> Save(offset=41)
        0.530 wake
        0.530 -> Fetch(offset=41, max_records=10)
        0.900 end
        """,
    )
