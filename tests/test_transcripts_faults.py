"""What roles decide when something breaks, is full or must be had again, as transcripts."""

import math
from itertools import repeat

from transcripts import check

from lab.roles import (
    Log,
    Poller,
    Polling,
    Producer,
    PullBroker,
    PushBroker,
    PushConsumer,
    PushReception,
    RateLimit,
    Retention,
    Retry,
)
from lab.roles.producer import PublishPolicy
from lab.roles.push import PushPolicy

# The producer


def test_a_producer_that_forgets_connects_again_and_goes_on() -> None:
    check(
        Producer([0.1, 0.2, 0.3, 0.4]),
        """
        0.100 wake
        0.100 -> Publish(messages=[0])
        0.150 <- Disconnected()
        0.200 wake
        0.200 -> Connect()
        0.210 <- Disconnected()
        0.310 wake
        0.310 -> Connect()
        0.320 <- Writable()
        0.320 -> Publish(messages=[1])
        0.320 -> Publish(messages=[2])
        0.400 wake
        0.400 -> Publish(messages=[3])
        9.000 end
        """,
    )


def test_what_is_not_accepted_in_time_is_sent_again_with_all_that_followed() -> None:
    check(
        Producer([0.1, 0.2, 0.3], PublishPolicy("retry", timeout=0.5)),
        """
        0.100 wake
        0.100 -> Publish(messages=[0], sequence=0)
        0.200 wake
        0.200 -> Publish(messages=[1], sequence=1)
        0.250 <- Accepted(sequence=0)
        0.300 wake
        0.300 -> Publish(messages=[2], sequence=2)
        0.700 wake
        0.700 -> Publish(messages=[1], sequence=1)
        0.700 -> Publish(messages=[2], sequence=2)
        0.750 <- Accepted(sequence=2)
        0.760 <- Accepted(sequence=1)
        0.770 <- Accepted(sequence=1)
        9.000 end
        """,
    )


def test_a_full_window_holds_the_producer_back() -> None:
    check(
        Producer([0.1, 0.1, 0.1], PublishPolicy("retry", timeout=5, in_flight=1)),
        """
        0.100 wake
        0.100 -> Publish(messages=[0], sequence=0)
        0.200 <- Accepted(sequence=0)
        0.200 -> Publish(messages=[1], sequence=1)
        0.300 <- Accepted(sequence=1)
        0.300 -> Publish(messages=[2], sequence=2)
        0.400 <- Accepted(sequence=2)
        9.000 end
        """,
    )


def test_an_idempotent_producer_repeats_what_was_under_way_on_a_new_connection() -> None:
    check(
        Producer([0.1, 0.2, 0.3], PublishPolicy("idempotent", timeout=0.5)),
        """
        0.100 wake
        0.100 -> Publish(messages=[0], sequence=0, once=True)
        0.200 wake
        0.200 -> Publish(messages=[1], sequence=1, once=True)
        0.250 <- Disconnected()
        0.300 wake
        0.300 -> Connect()
        0.350 <- Writable()
        0.350 -> Publish(messages=[0], sequence=0, once=True)
        0.350 -> Publish(messages=[1], sequence=1, once=True)
        0.350 -> Publish(messages=[2], sequence=2, once=True)
        0.400 <- Accepted(sequence=0)
        0.400 <- Accepted(sequence=1)
        0.400 <- Accepted(sequence=2)
        9.000 end
        """,
    )


# The broker's side of it


def test_a_broker_takes_each_number_of_an_idempotent_producer_once_and_in_order() -> None:
    check(
        PullBroker(1, Log()),
        """
        0.100 <- Publish(messages=[0], sequence=0, once=True)
        0.100 -> Accepted(sequence=0)
        0.200 <- Publish(messages=[0], sequence=0, once=True)
        0.200 -> Accepted(sequence=0)
        0.300 <- Publish(messages=[2], sequence=2, once=True)
        0.400 <- Publish(messages=[1], sequence=1, once=True)
        0.400 -> Accepted(sequence=1)
        0.500 <- Publish(messages=[2], sequence=2, once=True)
        0.500 -> Accepted(sequence=2)
        0.600 <- Fetch(offset=0, max_records=9)
        0.600 -> Records(offset=0, messages=[0, 1, 2])
        """,
    )


def test_without_numbers_a_repetition_is_one_more_record() -> None:
    check(
        PullBroker(1, Log()),
        """
        0.100 <- Publish(messages=[0], sequence=0)
        0.100 -> Accepted(sequence=0)
        0.200 <- Publish(messages=[0], sequence=0)
        0.200 -> Accepted(sequence=0)
        0.300 <- Fetch(offset=0, max_records=9)
        0.300 -> Records(offset=0, messages=[0, 0])
        """,
    )


def test_a_durable_log_remembers_the_last_number_over_a_restart() -> None:
    log = Log()
    check(
        PullBroker(1, log),
        """
        0.100 <- Publish(messages=[0], sequence=0, once=True)
        0.100 -> Accepted(sequence=0)
        """,
    )
    check(
        PullBroker(1, log),
        """
        0.200 <- Publish(messages=[0], sequence=0, once=True)
        0.200 -> Accepted(sequence=0)
        0.300 <- Fetch(offset=0, max_records=9)
        0.300 -> Records(offset=0, messages=[0])
        """,
    )


def test_an_offset_of_the_log_before_is_out_of_range() -> None:
    broker = PullBroker(1, Log(epoch=1))
    check(
        broker,
        """
        0.100 <- Publish(messages=[5, 6])
        0.200 <- Fetch(offset=1, max_records=9)
        0.200 -> OutOfRange(start=0, end=2, epoch=1)
        0.300 <- Fetch(offset=9, max_records=9, epoch=1)
        0.300 -> OutOfRange(start=0, end=2, epoch=1)
        0.400 <- Check(offset=2)
        0.400 -> Status(end=2, changed=True)
        0.500 <- Check(offset=2, epoch=1)
        0.500 -> Status(end=2, changed=False)
        0.600 <- Fetch(offset=0, max_records=9)
        0.600 -> Records(offset=0, messages=[5, 6], epoch=1)
        """,
    )
    assert broker.pending == 0


def test_expired_offsets_are_named_with_what_is_valid() -> None:
    check(
        PullBroker(1, Log(Retention(count=2))),
        """
        0.100 <- Publish(messages=[0, 1, 2])
        0.100 -> Expired(messages=[0])
        0.200 <- Fetch(offset=0, max_records=9)
        0.200 -> OutOfRange(start=1, end=3)
        0.300 <- Seek(to='earliest')
        0.300 -> Found(offset=1)
        0.400 <- Seek(to='offset', offset=2)
        0.400 -> Skipped(messages=[1])
        0.400 -> Found(offset=2)
        0.500 <- Seek(to='offset', offset=4)
        0.500 -> OutOfRange(start=1, end=3)
        0.600 <- Seek(to='latest')
        0.600 -> Skipped(messages=[2])
        0.600 -> Found(offset=3)
        """,
    )


def test_a_log_with_times_finds_where_to_begin() -> None:
    check(
        PullBroker(1, Log(keeps_times=True)),
        """
        0.100 <- Publish(messages=[0])
        0.200 <- Publish(messages=[1])
        0.300 <- Seek(to=0.15)
        0.300 -> Skipped(messages=[0])
        0.300 -> Found(offset=1)
        0.300 <- Seek(to=0.2)
        0.300 -> Found(offset=1)
        0.300 <- Seek(to=7.0)
        0.300 -> Skipped(messages=[1])
        0.300 -> Found(offset=2)
        """,
    )


def test_nobody_is_answered_who_is_gone() -> None:
    check(
        PullBroker(1, Log()),
        """
        0.100 <- Fetch(offset=0, max_records=9, max_wait=1.0)
        0.200 <- Disconnected()
        0.300 <- Publish(messages=[0])
        0.400 <- Fetch(offset=0, max_records=9, max_wait=1.0)
        0.400 -> Records(offset=0, messages=[0])
        9.000 end
        """,
    )


def test_a_new_request_replaces_a_held_one() -> None:
    check(
        PullBroker(1, Log()),
        """
        0.100 <- Fetch(offset=0, max_records=9, max_wait=1.0)
        0.300 <- Fetch(offset=0, max_records=9, max_wait=1.0)
        1.300 wake
        1.300 -> Records(offset=0, messages=[])
        9.000 end
        """,
    )


# The consumer that asks


def test_a_poller_asks_again_after_a_time_out_and_ignores_the_late_answer() -> None:
    check(
        Poller(0, Polling(max_records=2, timeout=0.5, max_wait=0.1)),
        """
        0.000 wake
        0.000 -> Fetch(offset=0, max_records=2, max_wait=0.1)
        0.600 wake
        0.620 <- Records(offset=0, messages=[0])
        0.650 wake
        0.650 -> Fetch(offset=0, max_records=2, max_wait=0.1)
        0.700 <- Records(offset=0, messages=[0])
        0.700 -> Work(messages=[0])
        0.800 <- Worked()
        0.800 -> Save(offset=1)
        0.800 -> Fetch(offset=1, max_records=2, max_wait=0.1)
        0.900 <- Records(offset=0, messages=[0])
        1.000 <- Records(offset=1, messages=[1])
        1.000 -> Work(messages=[1])
        """,
    )


def test_a_poller_waits_longer_after_each_failure() -> None:
    check(
        Poller(0, Polling(retry=Retry(first=0.1, limit=0.3))),
        """
        0.000 wake
        0.000 -> Fetch(offset=0, max_records=10000)
        0.010 <- Disconnected()
        0.110 wake
        0.110 -> Fetch(offset=0, max_records=10000)
        0.120 <- Disconnected()
        0.320 wake
        0.320 -> Fetch(offset=0, max_records=10000)
        0.330 <- Disconnected()
        0.630 wake
        0.630 -> Fetch(offset=0, max_records=10000)
        0.640 <- Records(offset=0, messages=[])
        0.640 -> Fetch(offset=0, max_records=10000)
        0.650 <- Disconnected()
        0.750 wake
        0.750 -> Fetch(offset=0, max_records=10000)
        0.750 end
        """,
    )


def test_half_of_a_pause_may_be_left_out_by_chance() -> None:
    check(
        Poller(0, Polling(retry=Retry(first=0.1, jitter=0.5)), luck=repeat(1.0)),
        """
        0.000 wake
        0.000 -> Fetch(offset=0, max_records=10000)
        0.010 <- Disconnected()
        0.060 wake
        0.060 -> Fetch(offset=0, max_records=10000)
        0.100 end
        """,
    )


def test_the_cursor_is_made_safe_before_the_work() -> None:
    check(
        Poller(0, Polling(commit="before_work", interval=0.5)),
        """
        0.000 wake
        0.000 -> Fetch(offset=0, max_records=10000)
        0.100 <- Records(offset=0, messages=[0, 1])
        0.100 -> Save(offset=2)
        0.100 -> Work(messages=[0, 1])
        0.200 <- Worked()
        0.700 wake
        0.700 -> Fetch(offset=2, max_records=10000)
        0.700 end
        """,
    )


def test_the_cursor_is_made_safe_with_each_record() -> None:
    check(
        Poller(0, Polling(commit="each")),
        """
        0.000 wake
        0.000 -> Fetch(offset=0, max_records=10000)
        0.100 <- Records(offset=0, messages=[0, 1])
        0.100 -> Work(messages=[0])
        0.200 <- Worked()
        0.200 -> Save(offset=1)
        0.200 -> Work(messages=[1])
        0.300 <- Worked()
        0.300 -> Save(offset=2)
        0.300 -> Fetch(offset=2, max_records=10000)
        """,
    )


def test_the_cursor_is_never_made_safe() -> None:
    check(
        Poller(0, Polling(commit="never")),
        """
        0.000 wake
        0.000 -> Fetch(offset=0, max_records=10000)
        0.100 <- Records(offset=0, messages=[0])
        0.100 -> Work(messages=[0])
        0.200 <- Worked()
        0.200 -> Fetch(offset=1, max_records=10000)
        """,
    )


def test_a_poller_begins_where_one_before_it_had_got_to() -> None:
    check(
        Poller(0, Polling(begin="latest"), offset=7, epoch=2),
        """
        0.000 wake
        0.000 -> Fetch(offset=7, max_records=10000, epoch=2)
        0.100 <- OutOfRange(start=0, end=3, epoch=3)
        0.100 -> Fetch(offset=0, max_records=10000, epoch=3)
        """,
    )


def test_a_poller_without_a_cursor_asks_where_to_begin() -> None:
    check(
        Poller(0, Polling(begin="latest")),
        """
        0.000 wake
        0.000 -> Seek(to='latest')
        0.010 <- Disconnected()
        0.060 wake
        0.060 -> Seek(to='latest')
        0.100 <- Found(offset=5, epoch=1)
        0.100 -> Fetch(offset=5, max_records=10000, epoch=1)
        """,
    )


def test_a_poller_whose_offset_is_not_there_begins_at_the_earliest() -> None:
    check(
        Poller(0, Polling(begin="offset", offset=9)),
        """
        0.000 wake
        0.000 -> Seek(to='offset', offset=9)
        0.100 <- OutOfRange(start=1, end=5, epoch=1)
        0.100 -> Fetch(offset=1, max_records=10000, epoch=1)
        0.200 <- Records(offset=1, messages=[])
        0.200 -> Fetch(offset=1, max_records=10000)
        """,
    )


def test_a_record_that_fails_is_tried_again_and_then_put_aside() -> None:
    check(
        Poller(0, Polling(tries=2)),
        """
        0.000 wake
        0.000 -> Fetch(offset=0, max_records=10000)
        0.100 <- Records(offset=0, messages=[0, 1, 2])
        0.100 -> Work(messages=[0, 1, 2])
        0.200 <- Worked(failed=[1])
        0.200 -> Work(messages=[1])
        0.300 <- Worked(failed=[1])
        0.300 -> DeadLettered(messages=[1])
        0.300 -> Save(offset=3)
        0.300 -> Fetch(offset=3, max_records=10000)
        """,
    )


def test_a_destructive_reader_has_no_cursor() -> None:
    check(
        Poller(0, Polling(destructive=True)),
        """
        0.000 wake
        0.000 -> Fetch(offset=None, max_records=10000)
        0.100 <- Records(offset=0, messages=[0])
        0.100 -> Work(messages=[0])
        0.200 <- Worked()
        0.200 -> Fetch(offset=None, max_records=10000)
        """,
    )


# The consumer that is pushed to


def test_a_consumer_that_resumes_comes_back_for_what_followed_the_last() -> None:
    check(
        PushConsumer(0, PushReception(resume=True)),
        """
        0.000 wake
        0.000 -> Subscribe(offset=0)
        0.100 <- Deliver(offset=0, messages=[0, 1])
        0.100 -> Work(messages=[0, 1])
        0.150 <- Disconnected()
        0.160 <- Worked()
        0.160 -> Save(offset=2)
        0.200 wake
        0.200 -> Subscribe(offset=2)
        0.210 <- Disconnected()
        0.310 wake
        0.310 -> Subscribe(offset=2)
        0.400 <- Deliver(offset=2, messages=[2])
        0.400 -> Work(messages=[2])
        0.500 <- Disconnected()
        0.550 wake
        0.550 -> Subscribe(offset=3)
        0.550 end
        """,
    )


def test_a_consumer_that_resumes_says_of_which_log_its_offset_is() -> None:
    check(
        PushConsumer(0, PushReception("after_work", resume=True), 5, epoch=1),
        """
        0.000 wake
        0.000 -> Subscribe(offset=5, epoch=1)
        0.100 <- Deliver(offset=5, messages=[5], epoch=1)
        0.100 -> Work(messages=[5])
        0.150 <- Disconnected()
        0.200 wake
        0.200 -> Subscribe(offset=6, epoch=1)
        0.300 <- Deliver(offset=0, messages=[8], epoch=2)
        0.400 <- Deliver(offset=1, messages=[9], epoch=2)
        0.500 <- Worked()
        0.500 -> Ack(offset=5, epoch=1)
        0.500 -> Save(offset=6, epoch=1)
        0.500 -> Work(messages=[8])
        0.600 <- Disconnected()
        0.650 wake
        0.650 -> Subscribe(offset=1, epoch=2)
        0.700 <- Worked()
        0.700 -> Ack(offset=0, epoch=2)
        0.700 -> Save(offset=1, epoch=2)
        """,
    )


def test_a_consumer_that_is_refused_resumes_with_the_earliest_there_is() -> None:
    check(
        PushConsumer(0, PushReception(resume=True), 99, epoch=1),
        """
        0.000 wake
        0.000 -> Subscribe(offset=99, epoch=1)
        0.100 <- OutOfRange(start=7, end=9, epoch=2)
        0.100 wake
        0.100 -> Subscribe(offset=7, epoch=2)
        0.200 <- OutOfRange(start=8, end=10, epoch=2)
        0.200 wake
        0.200 -> Subscribe(offset=8, epoch=2)
        0.200 end
        """,
    )


def test_who_does_not_resume_subscribes_from_now_on() -> None:
    check(
        PushConsumer(0),
        """
        0.000 wake
        0.000 -> Subscribe()
        0.100 <- Deliver(offset=0, messages=[0])
        0.100 -> Work(messages=[0])
        0.150 <- Disconnected()
        0.200 wake
        0.200 -> Subscribe()
        0.200 end
        """,
    )


def test_what_waits_unacknowledged_is_forgotten_with_the_connection() -> None:
    consumer = PushConsumer(0, PushReception("after_work", queue=1))
    check(
        consumer,
        """
        0.000 wake
        0.000 -> Subscribe()
        0.100 <- Deliver(offset=0, messages=[0])
        0.100 -> Work(messages=[0])
        0.110 <- Deliver(offset=1, messages=[1])
        0.110 .. accepting=False
        0.150 <- Disconnected()
        0.150 .. accepting=True
        0.160 <- Worked()
        0.160 -> Ack(offset=0)
        0.200 wake
        0.200 -> Subscribe()
        0.200 end
        """,
    )
    assert consumer.pending == 0


def test_a_token_bucket_refuses_and_says_when_to_come_back() -> None:
    check(
        PushConsumer(0, PushReception("on_receipt", limit=RateLimit(rate=2, burst=2))),
        """
        0.000 wake
        0.000 -> Subscribe()
        1.000 <- Deliver(offset=0, messages=[0])
        1.000 -> Ack(offset=0)
        1.000 -> Work(messages=[0])
        1.000 <- Deliver(offset=1, messages=[1])
        1.000 -> Ack(offset=1)
        1.250 <- Deliver(offset=2, messages=[2])
        1.250 -> Nack(offset=2, retry_after=0.25)
        1.500 <- Deliver(offset=2, messages=[2], attempt=2)
        1.500 -> Ack(offset=2, attempt=2)
        """,
    )


def test_an_idempotent_consumer_acknowledges_without_working_again() -> None:
    check(
        PushConsumer(0, PushReception("after_work", idempotent=True)),
        """
        0.000 wake
        0.000 -> Subscribe()
        0.100 <- Deliver(offset=0, messages=[0])
        0.100 -> Work(messages=[0])
        0.200 <- Worked()
        0.200 -> Ack(offset=0)
        0.300 <- Deliver(offset=0, messages=[0], attempt=2)
        0.300 -> Work(messages=[])
        0.300 <- Worked()
        0.300 -> Ack(offset=0, attempt=2)
        """,
    )


def test_failed_work_is_answered_or_put_aside() -> None:
    check(
        PushConsumer(0, PushReception("after_work", idempotent=True)),
        """
        0.000 wake
        0.000 -> Subscribe()
        0.100 <- Deliver(offset=0, messages=[0])
        0.100 -> Work(messages=[0])
        0.200 <- Worked(failed=[0])
        0.200 -> Nack(offset=0)
        0.300 <- Deliver(offset=0, messages=[0], attempt=2)
        0.300 -> Work(messages=[0])
        """,
    )
    check(
        PushConsumer(0),
        """
        0.000 wake
        0.000 -> Subscribe()
        0.100 <- Deliver(offset=0, messages=[0])
        0.100 -> Work(messages=[0])
        0.200 <- Worked(failed=[0])
        0.200 -> DeadLettered(messages=[0])
        """,
    )


# The push broker


def test_what_is_not_acknowledged_waits_for_the_return_of_the_consumer() -> None:
    check(
        PushBroker(PushPolicy(acks=True, credits=2)),
        """
        0.000 <- Subscribe()
        0.100 <- Publish(messages=[0, 1, 2])
        0.100 -> Deliver(offset=0, messages=[0])
        0.100 -> Deliver(offset=1, messages=[1])
        0.200 <- Disconnected()
        0.300 <- Publish(messages=[3])
        0.400 <- Ack(offset=0)
        0.500 <- Subscribe()
        0.500 -> Deliver(offset=0, messages=[0], attempt=2)
        0.500 -> Deliver(offset=1, messages=[1], attempt=2)
        0.600 <- Ack(offset=0, attempt=1)
        0.700 <- Ack(offset=0, attempt=2)
        0.700 -> Deliver(offset=2, messages=[2])
        """,
    )


def test_fire_and_forget_forgets_who_is_gone() -> None:
    broker = PushBroker(PushPolicy())
    check(
        broker,
        """
        0.000 <- Subscribe()
        0.100 <- Blocked()
        0.200 <- Publish(messages=[0])
        0.300 <- Disconnected()
        0.400 <- Publish(messages=[1])
        0.500 <- Subscribe()
        0.600 <- Publish(messages=[2])
        0.600 -> Deliver(offset=2, messages=[2])
        """,
    )
    assert broker.pending == 0


def test_a_full_buffer_blocks_the_producer() -> None:
    check(
        PushBroker(PushPolicy(acks=True, credits=1, buffer=2, overflow="block")),
        """
        0.000 <- Subscribe()
        0.100 <- Publish(messages=[0])
        0.100 -> Deliver(offset=0, messages=[0])
        0.200 <- Publish(messages=[1])
        0.300 <- Publish(messages=[2])
        0.300 .. accepting=False
        0.400 <- Ack(offset=0)
        0.400 -> Deliver(offset=1, messages=[1])
        0.400 .. accepting=True
        """,
    )


def test_a_blocked_producer_goes_on_when_the_slow_consumer_has_gone() -> None:
    check(
        PushBroker(PushPolicy(buffer=1, overflow="block")),
        """
        0.000 <- Subscribe()
        0.100 <- Blocked()
        0.200 <- Publish(messages=[0])
        0.200 .. accepting=False
        0.300 <- Disconnected()
        0.300 .. accepting=True
        """,
    )


def test_a_slow_consumer_is_cut_off_and_what_it_missed_is_told() -> None:
    check(
        PushBroker(PushPolicy(buffer=1, overflow="disconnect")),
        """
        0.000 <- Subscribe()
        0.000 <- Subscribe(consumer=1)
        0.100 <- Blocked()
        0.200 <- Publish(messages=[0])
        0.200 -> Deliver(consumer=1, offset=0, messages=[0])
        0.300 <- Publish(messages=[1])
        0.300 -> Disconnect()
        0.300 -> Dropped(messages=[0, 1])
        0.300 -> Deliver(consumer=1, offset=1, messages=[1])
        0.400 <- Disconnected()
        0.500 <- Subscribe()
        0.600 <- Publish(messages=[2])
        0.600 -> Deliver(consumer=1, offset=2, messages=[2])
        0.600 -> Deliver(offset=2, messages=[2])
        """,
    )


def test_with_a_log_who_was_cut_off_has_missed_nothing() -> None:
    check(
        PushBroker(PushPolicy(buffer=1, overflow="disconnect"), Log()),
        """
        0.000 <- Subscribe(offset=0)
        0.100 <- Blocked()
        0.200 <- Publish(messages=[0, 1])
        0.200 -> Disconnect()
        0.300 <- Subscribe(offset=0)
        0.300 -> Deliver(offset=0, messages=[0])
        0.300 -> Deliver(offset=1, messages=[1])
        """,
    )


def test_a_refusal_pauses_everything_and_is_no_failed_attempt() -> None:
    check(
        PushBroker(PushPolicy(acks=True, concurrency=2, retry=Retry(first=0.1, attempts=2))),
        """
        0.000 <- Subscribe()
        0.100 <- Publish(messages=[0])
        0.100 -> Deliver(offset=0, messages=[0])
        0.200 <- Nack(offset=0, retry_after=1.0)
        0.300 <- Publish(messages=[1])
        1.200 wake
        1.200 -> Deliver(offset=0, messages=[0], attempt=2)
        1.200 -> Deliver(offset=1, messages=[1])
        1.300 <- Nack(offset=0, attempt=2)
        1.500 wake
        1.500 -> Deliver(offset=0, messages=[0], attempt=3)
        1.600 <- Nack(offset=0, attempt=3)
        1.600 -> DeadLettered(messages=[0])
        """,
    )


def test_an_adaptive_window_doubles_on_success_and_halves_on_failure() -> None:
    check(
        PushBroker(PushPolicy(acks=True, concurrency=4, adaptive=True, retry=Retry(first=9.0))),
        """
        0.000 <- Subscribe()
        0.100 <- Publish(messages=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
        0.100 -> Deliver(offset=0, messages=[0])
        0.200 <- Ack(offset=0)
        0.200 -> Deliver(offset=1, messages=[1])
        0.200 -> Deliver(offset=2, messages=[2])
        0.300 <- Ack(offset=1)
        0.300 -> Deliver(offset=3, messages=[3])
        0.300 -> Deliver(offset=4, messages=[4])
        0.300 -> Deliver(offset=5, messages=[5])
        0.400 <- Nack(offset=2)
        0.400 <- Nack(offset=3)
        0.500 <- Ack(offset=4)
        0.600 <- Ack(offset=5)
        0.600 -> Deliver(offset=6, messages=[6])
        0.600 -> Deliver(offset=7, messages=[7])
        """,
    )


def test_a_durable_broker_knows_after_a_restart_what_was_delivered() -> None:
    log, policy = Log(), PushPolicy(acks=True, credits=2)
    check(
        PushBroker(policy, log, durable=True),
        """
        0.000 <- Subscribe()
        0.100 <- Publish(messages=[0, 1, 2])
        0.100 -> Deliver(offset=0, messages=[0])
        0.100 -> Deliver(offset=1, messages=[1])
        0.200 <- Ack(offset=1)
        0.200 -> Deliver(offset=2, messages=[2])
        0.300 <- Ack(offset=0)
        """,
    )
    check(
        PushBroker(policy, log, durable=True),
        """
        1.000 <- Subscribe()
        1.000 -> Deliver(offset=2, messages=[2])
        1.100 <- Publish(messages=[3])
        1.100 -> Deliver(offset=3, messages=[3])
        """,
    )


def test_the_pause_grows_to_its_limit_and_never_overflows() -> None:
    retry = Retry(first=0.1, limit=1.0, attempts=math.inf)
    assert [retry.delay(n) for n in (1, 2, 3, 4, 5, 10**9)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert retry.delay(2, luck=1.0) == 0.1
