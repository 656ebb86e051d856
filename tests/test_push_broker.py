"""The push broker, as transcripts."""

from transcripts import check

from lab.messages import Blocked, Deliver, Publish, Subscribe, Writable
from lab.roles import Log, PushBroker, Retention
from lab.roles.push import PushPolicy


def test_fire_and_forget() -> None:
    check(
        PushBroker(PushPolicy()),
        """
        0.000 <- Publish(messages=[0])
        0.050 <- Subscribe()
        0.050 <- Subscribe(consumer=1)
        0.100 <- Publish(messages=[1])
        0.100 -> Deliver(offset=1, messages=[1])
        0.100 -> Deliver(consumer=1, offset=1, messages=[1])
        0.200 <- Publish(messages=[2, 3])
        0.200 -> Deliver(offset=2, messages=[2])
        0.200 -> Deliver(offset=3, messages=[3])
        0.200 -> Deliver(consumer=1, offset=2, messages=[2])
        0.200 -> Deliver(consumer=1, offset=3, messages=[3])
        9.000 end
        """,
    )


def test_blocked_connection_holds_its_own_messages_only() -> None:
    check(
        PushBroker(PushPolicy()),
        """
        0.000 <- Subscribe()
        0.000 <- Subscribe(consumer=1)
        0.010 <- Blocked()
        0.100 <- Publish(messages=[0])
        0.100 -> Deliver(consumer=1, offset=0, messages=[0])
        0.200 <- Publish(messages=[1])
        0.200 -> Deliver(consumer=1, offset=1, messages=[1])
        0.300 <- Writable()
        0.300 -> Deliver(offset=0, messages=[0])
        0.300 -> Deliver(offset=1, messages=[1])
        0.400 <- Publish(messages=[2])
        0.400 -> Deliver(offset=2, messages=[2])
        0.400 -> Deliver(consumer=1, offset=2, messages=[2])
        """,
    )


def test_catching_up_stops_when_the_connection_is_full_again() -> None:
    broker = PushBroker(PushPolicy())
    for event in (Subscribe(0), Blocked(0), Publish([0, 1, 2])):
        assert not list(broker.receive(event, 0.0))
    backlog = iter(broker.receive(Writable(0), 0.1))
    assert next(backlog) == Deliver(0, 0, [0])
    assert not list(broker.receive(Blocked(0), 0.1))
    assert list(backlog) == []
    assert list(broker.receive(Writable(0), 0.2)) == [Deliver(0, 1, [1]), Deliver(0, 2, [2])]


def test_a_message_that_comes_while_catching_up_does_not_overtake() -> None:
    broker = PushBroker(PushPolicy())
    for event in (Subscribe(0), Blocked(0), Publish([0, 1])):
        assert not list(broker.receive(event, 0.0))
    backlog = iter(broker.receive(Writable(0), 0.1))
    assert next(backlog) == Deliver(0, 0, [0])
    late = list(broker.receive(Publish([2]), 0.1))
    assert late == [Deliver(0, 1, [1]), Deliver(0, 2, [2])]
    assert list(backlog) == []


def test_full_batch_goes_at_once_and_a_smaller_one_lingers() -> None:
    check(
        PushBroker(PushPolicy(batch_size=3, linger=0.5)),
        """
        0.000 <- Subscribe()
        0.100 <- Publish(messages=[0])
        0.200 <- Publish(messages=[1])
        0.600 wake
        0.600 -> Deliver(offset=0, messages=[0, 1])
        0.700 <- Publish(messages=[2, 3, 4, 5])
        0.700 -> Deliver(offset=2, messages=[2, 3, 4])
        1.200 wake
        1.200 -> Deliver(offset=5, messages=[5])
        9.000 end
        """,
    )


def test_linger_goes_on_behind_a_blocked_connection() -> None:
    check(
        PushBroker(PushPolicy(batch_size=3, linger=0.5)),
        """
        0.000 <- Subscribe()
        0.100 <- Publish(messages=[0])
        0.200 <- Blocked()
        0.300 <- Writable()
        0.600 wake
        0.600 -> Deliver(offset=0, messages=[0])
        0.700 <- Blocked()
        0.800 <- Publish(messages=[1])
        1.500 <- Writable()
        1.500 -> Deliver(offset=1, messages=[1])
        9.000 end
        """,
    )


def test_credits_bound_what_is_not_acknowledged() -> None:
    check(
        PushBroker(PushPolicy(acks=True, credits=2)),
        """
        0.000 <- Subscribe()
        0.100 <- Publish(messages=[0])
        0.100 -> Deliver(offset=0, messages=[0])
        0.200 <- Publish(messages=[1, 2, 3])
        0.200 -> Deliver(offset=1, messages=[1])
        0.300 <- Ack(offset=0)
        0.300 -> Deliver(offset=2, messages=[2])
        0.400 <- Ack(offset=0)
        0.400 <- Ack(offset=77)
        0.500 <- Ack(offset=2)
        0.500 -> Deliver(offset=3, messages=[3])
        9.000 end
        """,
    )


def test_credits_cut_batches_short() -> None:
    check(
        PushBroker(PushPolicy(acks=True, credits=3, batch_size=2)),
        """
        0.000 <- Subscribe()
        0.100 <- Publish(messages=[0, 1, 2, 3, 4])
        0.100 -> Deliver(offset=0, messages=[0, 1])
        0.100 -> Deliver(offset=2, messages=[2])
        0.200 <- Ack(offset=0)
        0.200 -> Deliver(offset=3, messages=[3, 4])
        """,
    )


def test_concurrency_bounds_deliveries() -> None:
    check(
        PushBroker(PushPolicy(acks=True, concurrency=1, batch_size=10)),
        """
        0.000 <- Subscribe()
        0.100 <- Publish(messages=[0])
        0.100 -> Deliver(offset=0, messages=[0])
        0.110 <- Publish(messages=[1])
        0.120 <- Publish(messages=[2])
        0.200 <- Ack(offset=0)
        0.200 -> Deliver(offset=1, messages=[1, 2])
        9.000 end
        """,
    )


def test_full_buffer_drops_the_newest() -> None:
    check(
        PushBroker(PushPolicy(acks=True, credits=1, buffer=2)),
        """
        0.000 <- Subscribe()
        0.100 <- Publish(messages=[0])
        0.100 -> Deliver(offset=0, messages=[0])
        0.200 <- Publish(messages=[1, 2])
        0.300 <- Publish(messages=[3])
        0.300 -> Dropped(messages=[3])
        0.400 <- Ack(offset=0)
        0.400 -> Deliver(offset=1, messages=[1])
        """,
    )


def test_full_buffer_drops_the_oldest() -> None:
    check(
        PushBroker(PushPolicy(buffer=2, overflow="drop_oldest", batch_size=4)),
        """
        0.000 <- Subscribe()
        0.100 <- Blocked()
        0.200 <- Publish(messages=[0, 1, 2])
        0.200 -> Dropped(messages=[0])
        0.300 <- Publish(messages=[3])
        0.300 -> Dropped(messages=[1])
        0.400 <- Writable()
        0.400 -> Deliver(offset=2, messages=[2, 3])
        """,
    )


def test_no_batch_spans_a_gap() -> None:
    check(
        PushBroker(PushPolicy(acks=True, concurrency=1, buffer=3, batch_size=2)),
        """
        0.000 <- Subscribe()
        0.100 <- Publish(messages=[0, 1, 2, 3, 4])
        0.100 -> Deliver(offset=0, messages=[0, 1])
        0.200 <- Publish(messages=[5])
        0.200 -> Dropped(messages=[5])
        0.300 <- Ack(offset=0)
        0.300 -> Deliver(offset=2, messages=[2, 3])
        0.400 <- Publish(messages=[6])
        0.500 <- Ack(offset=2)
        0.500 -> Deliver(offset=4, messages=[4])
        0.600 <- Ack(offset=4)
        0.600 -> Deliver(offset=6, messages=[6])
        """,
    )


def test_with_a_log_a_consumer_resumes_where_it_was() -> None:
    check(
        PushBroker(PushPolicy(), Log(Retention(count=3))),
        """
        0.000 <- Subscribe()
        0.100 <- Publish(messages=[0])
        0.100 -> Deliver(offset=0, messages=[0])
        0.200 <- Blocked()
        0.300 <- Publish(messages=[1, 2])
        0.400 <- Subscribe(offset=1)
        0.400 -> Deliver(offset=1, messages=[1])
        0.400 -> Deliver(offset=2, messages=[2])
        0.500 <- Publish(messages=[3, 4])
        0.500 -> Deliver(offset=3, messages=[3])
        0.500 -> Deliver(offset=4, messages=[4])
        0.600 <- Subscribe(offset=5)
        0.700 <- Publish(messages=[5])
        0.700 -> Deliver(offset=5, messages=[5])
        """,
    )


def test_who_resumes_at_an_offset_that_is_not_there_is_refused_and_told_what_is() -> None:
    broker = PushBroker(PushPolicy(), Log(Retention(count=3)))
    check(
        broker,
        """
        0.000 <- Subscribe(offset=1)
        0.000 -> OutOfRange(start=0, end=0)
        0.100 <- Publish(messages=[0, 1, 2, 3, 4])
        0.200 <- Subscribe(offset=1)
        0.200 -> OutOfRange(start=2, end=5)
        0.300 <- Publish(messages=[5])
        0.400 <- Subscribe(offset=6)
        0.500 <- Publish(messages=[6])
        0.500 -> Deliver(offset=6, messages=[6])
        0.600 <- Subscribe(offset=8)
        0.600 -> OutOfRange(start=4, end=7)
        0.700 <- Publish(messages=[7])
        0.800 <- Subscribe(offset=4)
        0.800 -> OutOfRange(start=5, end=8)
        """,
    )
    assert broker.events == {"offsets out of range": 4}
    assert not broker.sessions


def test_who_resumes_in_another_log_is_told_which_it_is() -> None:
    check(
        PushBroker(PushPolicy(), Log(epoch=2)),
        """
        0.100 <- Publish(messages=[7, 8])
        0.200 <- Subscribe(offset=1, epoch=1)
        0.200 -> OutOfRange(start=0, end=2, epoch=2)
        0.300 <- Subscribe(offset=1, epoch=2)
        0.300 -> Deliver(offset=1, messages=[8], epoch=2)
        0.400 <- Subscribe(offset=0)
        0.400 -> Deliver(offset=0, messages=[7], epoch=2)
        0.400 -> Deliver(offset=1, messages=[8], epoch=2)
        """,
    )


def test_what_is_acknowledged_of_another_log_is_none_of_this() -> None:
    check(
        PushBroker(PushPolicy(acks=True, credits=1), epoch=1),
        """
        0.000 <- Subscribe()
        0.100 <- Publish(messages=[7, 8])
        0.100 -> Deliver(offset=0, messages=[7], epoch=1)
        0.200 <- Ack(offset=0)
        0.300 <- Nack(offset=0)
        0.400 <- Ack(offset=0, epoch=1)
        0.400 -> Deliver(offset=1, messages=[8], epoch=1)
        """,
    )


def test_what_is_resumed_lingers_too() -> None:
    check(
        PushBroker(PushPolicy(batch_size=10, linger=0.5), Log()),
        """
        0.000 <- Publish(messages=[0, 1])
        0.100 <- Subscribe(offset=0)
        0.600 wake
        0.600 -> Deliver(offset=0, messages=[0, 1])
        9.000 end
        """,
    )
