"""The group broker, as transcripts: joining, rebalances, commits, and members that are missed."""

from transcripts import check

from lab.messages import Commit, Fetch, Heartbeat, Join, Publish
from lab.roles import GroupBroker, Log, Membership, Retention
from lab.roles.partition import ranges

TERMS = Membership(session_timeout=1.0, heartbeat=0.2, max_poll=2.0)


def group(partitions: int = 3, log: Log | None = None, epoch: int = 0) -> GroupBroker:
    return GroupBroker(log or Log(), partitions, TERMS, epoch)


def test_a_clean_rebalance_repeats_nothing() -> None:
    """Who is at work finishes and commits; the next generation begins after that."""
    check(
        group(),
        """
        0.000 <- Join()
        0.000 -> Assigned(generation=1, offsets=[[0, 0], [1, 0], [2, 0]])
        0.010 <- Fetch(offset=0, max_records=9, max_wait=1.0, generation=1, positions=[[0, 0], [1, 0], [2, 0]])
        0.100 <- Publish(messages=[0, 1])
        0.100 -> Records(offset=0, messages=[0, 1], generation=1, parts=[[0, 0, 1], [1, 0, 1]])
        0.200 <- Join(consumer=1)
        0.250 <- Commit(generation=1, offsets=[[0, 1], [1, 1]])
        0.250 -> Committed()
        0.260 <- Fetch(offset=0, max_records=9, max_wait=1.0, generation=1, positions=[[2, 0], [0, 1], [1, 1]])
        0.260 -> Refused(generation=1)
        0.270 <- Join()
        0.270 -> Assigned(generation=2, offsets=[[0, 1], [1, 1]])
        0.270 -> Assigned(consumer=1, generation=2, offsets=[[2, 0]])
        0.300 <- Publish(messages=[2, 3])
        0.310 <- Fetch(offset=0, max_records=9, max_wait=1.0, generation=2, positions=[[0, 1], [1, 1]])
        0.310 -> Records(offset=0, messages=[3], generation=2, parts=[[0, 1, 1]])
        0.320 <- Fetch(consumer=1, offset=0, max_records=9, max_wait=1.0, generation=2, positions=[[2, 0]])
        0.320 -> Records(consumer=1, offset=0, messages=[2], generation=2, parts=[[2, 0, 1]])
        """,
    )


def test_who_waits_for_records_is_told_to_join_again() -> None:
    check(
        group(2),
        """
        0.000 <- Join()
        0.000 -> Assigned(generation=1, offsets=[[0, 0], [1, 0]])
        0.010 <- Fetch(offset=0, max_records=9, max_wait=1.0, generation=1, positions=[[0, 0], [1, 0]])
        0.100 <- Join(consumer=1)
        0.100 -> Refused(generation=1)
        0.110 <- Join()
        0.110 -> Assigned(generation=2, offsets=[[0, 0]])
        0.110 -> Assigned(consumer=1, generation=2, offsets=[[1, 0]])
        """,
    )


def test_a_crashed_member_is_missed_after_the_session_time_out() -> None:
    """What it had not committed goes to the other, who starts where the commits stand."""
    check(
        group(2),
        """
        0.000 <- Join()
        0.000 -> Assigned(generation=1, offsets=[[0, 0], [1, 0]])
        0.010 <- Join(consumer=1)
        0.020 <- Join()
        0.020 -> Assigned(generation=2, offsets=[[0, 0]])
        0.020 -> Assigned(consumer=1, generation=2, offsets=[[1, 0]])
        0.100 <- Publish(messages=[0, 1])
        0.110 <- Fetch(offset=0, max_records=9, max_wait=1.0, generation=2, positions=[[0, 0]])
        0.110 -> Records(offset=0, messages=[0], generation=2, parts=[[0, 0, 1]])
        0.120 <- Fetch(consumer=1, offset=0, max_records=9, max_wait=1.0, generation=2, positions=[[1, 0]])
        0.120 -> Records(consumer=1, offset=0, messages=[1], generation=2, parts=[[1, 0, 1]])
        0.150 <- Disconnected(consumer=1)
        0.200 <- Commit(generation=2, offsets=[[0, 1]])
        0.200 -> Committed()
        0.210 <- Fetch(offset=0, max_records=9, max_wait=1.0, generation=2, positions=[[0, 1]])
        1.120 wake
        1.120 -> Refused(generation=2)
        1.130 <- Join()
        1.130 -> Assigned(generation=3, offsets=[[0, 1], [1, 0]])
        1.140 <- Fetch(offset=0, max_records=9, max_wait=1.0, generation=3, positions=[[0, 1], [1, 0]])
        1.140 -> Records(offset=0, messages=[1], generation=3, parts=[[1, 0, 1]])
        """,
    )


def test_a_member_that_comes_back_before_it_is_missed_begins_at_its_commits() -> None:
    check(
        group(2),
        """
        0.000 <- Join()
        0.000 -> Assigned(generation=1, offsets=[[0, 0], [1, 0]])
        0.010 <- Fetch(offset=0, max_records=9, max_wait=1.0, generation=1, positions=[[0, 0], [1, 0]])
        0.100 <- Publish(messages=[0, 1])
        0.100 -> Records(offset=0, messages=[0, 1], generation=1, parts=[[0, 0, 1], [1, 0, 1]])
        0.200 <- Disconnected()
        0.300 <- Join()
        0.300 -> Assigned(generation=2, offsets=[[0, 0], [1, 0]])
        0.310 <- Fetch(offset=0, max_records=9, max_wait=1.0, generation=2, positions=[[0, 0], [1, 0]])
        0.310 -> Records(offset=0, messages=[0, 1], generation=2, parts=[[0, 0, 1], [1, 0, 1]])
        """,
    )


def test_who_works_too_long_is_evicted_in_spite_of_heartbeats() -> None:
    check(
        group(2),
        """
        0.000 <- Join()
        0.000 -> Assigned(generation=1, offsets=[[0, 0], [1, 0]])
        0.010 <- Join(consumer=1)
        0.020 <- Join()
        0.020 -> Assigned(generation=2, offsets=[[0, 0]])
        0.020 -> Assigned(consumer=1, generation=2, offsets=[[1, 0]])
        0.100 <- Publish(messages=[0])
        0.110 <- Fetch(offset=0, max_records=9, max_wait=1.0, generation=2, positions=[[0, 0]])
        0.110 -> Records(offset=0, messages=[0], generation=2, parts=[[0, 0, 1]])
        0.200 <- Fetch(consumer=1, offset=0, max_records=9, max_wait=5.0, generation=2, positions=[[1, 0]])
        1.000 <- Heartbeat(generation=2)
        1.000 -> Beat()
        1.900 <- Heartbeat(generation=2)
        1.900 -> Beat()
        2.110 wake
        2.110 -> Refused(consumer=1, generation=2)
        2.120 <- Join(consumer=1)
        2.120 -> Assigned(consumer=1, generation=3, offsets=[[0, 0], [1, 0]])
        2.130 <- Heartbeat(generation=2)
        2.130 -> Refused(generation=3)
        2.140 <- Fetch(consumer=1, offset=0, max_records=9, max_wait=5.0, generation=3, positions=[[0, 0], [1, 0]])
        2.140 -> Records(consumer=1, offset=0, messages=[0], generation=3, parts=[[0, 0, 1]])
        2.500 <- Commit(generation=2, offsets=[[0, 1]])
        2.500 -> Refused(generation=3)
        2.510 <- Join()
        """,
    )


def test_a_zombie_commits_in_vain() -> None:
    check(
        group(1),
        """
        0.000 <- Join()
        0.000 -> Assigned(generation=1, offsets=[[0, 0]])
        0.100 <- Publish(messages=[0, 1])
        0.110 <- Fetch(offset=0, max_records=1, generation=1, positions=[[0, 0]])
        0.110 -> Records(offset=0, messages=[0], generation=1, parts=[[0, 0, 1]])
        1.110 wake
        2.000 <- Join(consumer=1)
        2.000 -> Assigned(consumer=1, generation=2, offsets=[[0, 0]])
        2.010 <- Fetch(consumer=1, offset=0, max_records=9, generation=2, positions=[[0, 0]])
        2.010 -> Records(consumer=1, offset=0, messages=[0, 1], generation=2, parts=[[0, 0, 2]])
        2.020 <- Commit(generation=1, offsets=[[0, 1]])
        2.020 -> Refused(generation=2)
        2.030 <- Commit(consumer=1, generation=2, offsets=[[0, 2]])
        2.030 -> Committed(consumer=1)
        2.040 <- Commit(generation=2, offsets=[[0, 1]])
        2.040 -> Refused(generation=2)
        """,
    )


def test_what_is_stale_or_not_ones_own_is_refused() -> None:
    check(
        group(2),
        """
        0.000 <- Join()
        0.000 -> Assigned(generation=1, offsets=[[0, 0], [1, 0]])
        0.010 <- Join(consumer=1)
        0.020 <- Join()
        0.020 -> Assigned(generation=2, offsets=[[0, 0]])
        0.020 -> Assigned(consumer=1, generation=2, offsets=[[1, 0]])
        0.030 <- Commit(generation=1, offsets=[[0, 0]])
        0.030 -> Refused(generation=2)
        0.040 <- Commit(generation=2, offsets=[[1, 0]])
        0.040 -> Refused(generation=2)
        0.050 <- Commit(generation=2, offsets=[[0, 1]])
        0.050 -> Refused(generation=2)
        0.060 <- Fetch(offset=0, max_records=9, generation=2, positions=[[1, 0]])
        0.060 -> Refused(generation=2)
        0.070 <- Fetch(offset=0, max_records=9, generation=2, positions=[[0, 5]])
        0.070 -> Refused(generation=2)
        0.080 <- Heartbeat(consumer=7, generation=2)
        0.080 -> Refused(consumer=7, generation=2)
        0.090 <- Heartbeat(generation=3)
        0.090 -> Refused(generation=2)
        """,
    )


def test_a_fetch_waits_for_any_of_its_partitions() -> None:
    check(
        group(2),
        """
        0.000 <- Join()
        0.000 -> Assigned(generation=1, offsets=[[0, 0], [1, 0]])
        0.100 <- Fetch(offset=0, max_records=2, max_wait=0.5, generation=1, positions=[[1, 0], [0, 0]])
        0.600 wake
        0.600 -> Records(offset=0, messages=[], generation=1)
        0.700 <- Fetch(offset=0, max_records=2, max_wait=0.5, generation=1, positions=[[1, 0], [0, 0]])
        0.800 <- Publish(messages=[2, 5, 4, 7])
        0.800 -> Records(offset=0, messages=[5, 7], generation=1, parts=[[1, 0, 2]])
        0.900 <- Fetch(offset=0, max_records=2, max_wait=0.5, generation=1, positions=[[0, 0], [1, 2]])
        0.900 -> Records(offset=0, messages=[2, 4], generation=1, parts=[[0, 0, 2]])
        """,
    )


def test_an_answer_that_was_lost_can_be_asked_for_again() -> None:
    check(
        group(1),
        """
        0.000 <- Join()
        0.000 -> Assigned(generation=1, offsets=[[0, 0]])
        0.100 <- Publish(messages=[0])
        0.200 <- Fetch(offset=0, max_records=9, max_wait=0.5, generation=1, positions=[[0, 0]])
        0.200 -> Records(offset=0, messages=[0], generation=1, parts=[[0, 0, 1]])
        0.300 <- Fetch(offset=0, max_records=9, max_wait=0.5, generation=1, positions=[[0, 0]])
        0.300 -> Records(offset=0, messages=[0], generation=1, parts=[[0, 0, 1]])
        0.400 <- Commit(generation=1, offsets=[[0, 1]])
        0.400 -> Committed()
        0.500 <- Commit(generation=1, offsets=[[0, 1]])
        0.500 -> Committed()
        0.600 <- Commit(generation=1, offsets=[[0, 0]])
        0.600 -> Committed()
        0.700 <- Join()
        0.700 -> Assigned(generation=2, offsets=[[0, 1]])
        """,
    )


def test_a_rebalance_waits_for_nobody_longer_than_for_his_own_time_out() -> None:
    """Member 0 works and never asks again, member 1 is dead: each is given up in its own time."""
    check(
        group(3),
        """
        0.000 <- Join()
        0.000 -> Assigned(generation=1, offsets=[[0, 0], [1, 0], [2, 0]])
        0.010 <- Join(consumer=1)
        0.020 <- Join()
        0.020 -> Assigned(generation=2, offsets=[[0, 0], [1, 0]])
        0.020 -> Assigned(consumer=1, generation=2, offsets=[[2, 0]])
        0.500 <- Join(consumer=2)
        0.900 <- Heartbeat(generation=2)
        0.900 -> Beat()
        1.020 wake
        1.800 <- Heartbeat(generation=2)
        1.800 -> Beat()
        2.020 wake
        2.020 -> Assigned(consumer=2, generation=3, offsets=[[0, 0], [1, 0], [2, 0]])
        2.500 end
        """,
    )


def test_more_members_than_partitions_leave_some_without() -> None:
    check(
        group(1),
        """
        0.000 <- Join(consumer=4)
        0.000 -> Assigned(consumer=4, generation=1, offsets=[[0, 0]])
        0.010 <- Join()
        0.020 <- Join(consumer=4)
        0.020 -> Assigned(generation=2, offsets=[[0, 0]])
        0.020 -> Assigned(consumer=4, generation=2, offsets=[])
        0.030 <- Fetch(consumer=4, offset=0, max_records=9, max_wait=0.5, generation=2, positions=[])
        0.040 <- Publish(messages=[0])
        0.530 wake
        0.530 -> Records(consumer=4, offset=0, messages=[], generation=2)
        0.600 end
        """,
    )


def test_retention_takes_what_nobody_was_given() -> None:
    check(
        group(2, Log(Retention(count=3))),
        """
        0.000 <- Join()
        0.000 -> Assigned(generation=1, offsets=[[0, 0], [1, 0]])
        0.100 <- Publish(messages=[0, 1, 2])
        0.200 <- Fetch(offset=0, max_records=1, max_wait=0.5, generation=1, positions=[[0, 0], [1, 0]])
        0.200 -> Records(offset=0, messages=[0], generation=1, parts=[[0, 0, 1]])
        0.300 <- Publish(messages=[3, 4, 5])
        0.300 -> Expired(messages=[1, 2])
        0.400 <- Commit(generation=1, offsets=[[0, 1]])
        0.400 -> Committed()
        0.500 <- Fetch(offset=0, max_records=9, max_wait=0.5, generation=1, positions=[[1, 0], [0, 1]])
        0.500 -> Records(offset=0, messages=[3, 5, 4], generation=1, parts=[[1, 1, 2], [0, 2, 1]])
        """,
    )


def test_pending_are_the_records_the_group_is_not_done_with() -> None:
    broker = group(2)
    broker.receive(Join(0), 0.0)
    broker.receive(Publish([0, 1, 2]), 0.1)
    assert broker.pending == 3
    broker.receive(Fetch(0, 0, 9, 1, 0.0, 0, 1, ((0, 0), (1, 0))), 0.2)
    assert broker.pending == 3
    broker.receive(Commit(0, 1, ((0, 2),)), 0.3)
    assert broker.pending == 1
    broker.receive(Commit(0, 1, ((1, 1),)), 0.4)
    assert broker.pending == 0


def test_a_new_broker_on_a_durable_log_goes_on_where_the_group_was() -> None:
    """Also if the log has forgotten some; and no generation comes twice."""
    log = Log(Retention(count=4))
    old = group(2, log)
    old.receive(Join(0), 0.0)
    old.receive(Publish([0, 1, 2, 3, 4]), 0.1)
    old.receive(Commit(0, 1, ((0, 2), (1, 1))), 0.2)
    new = group(2, log, epoch=1)
    assert new.pending == 2
    check(
        new,
        """
        1.000 <- Commit(generation=1, offsets=[[0, 3], [1, 2]])
        1.000 -> Refused(generation=1000000)
        1.100 <- Join()
        1.100 -> Assigned(generation=1000001, offsets=[[0, 1], [1, 1]])
        1.200 <- Fetch(offset=0, max_records=9, generation=1000001, positions=[[0, 1], [1, 1]])
        1.200 -> Records(offset=0, messages=[4, 3], generation=1000001, parts=[[0, 1, 1], [1, 1, 1]])
        """,
    )


def test_events_are_counted() -> None:
    broker = group(1)
    broker.receive(Join(0), 0.0)
    broker.receive(Heartbeat(0, 7), 0.1)
    broker.receive(Commit(0, 7, ()), 0.2)
    assert broker.events == {"rebalances": 1, "evictions": 0, "refused commits": 1}
    broker.wake(broker.wake_at)
    assert broker.events["evictions"] == 1


def test_partitions_are_shared_out_in_ranges() -> None:
    assert [list(r) for r in ranges(7, 3)] == [[0, 1, 2], [3, 4], [5, 6]]
    assert [list(r) for r in ranges(2, 3)] == [[0], [1], []]
