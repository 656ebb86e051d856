"""The member of a group, as transcripts."""

from typing import Any

from transcripts import check

from lab.roles import GroupMember, Membership, Polling

TERMS = Membership(session_timeout=1.0, heartbeat=0.2, max_poll=2.0)


def member(**how: Any) -> GroupMember:
    return GroupMember(
        0, Polling(**{"max_records": 9, "max_wait": 1.0, "timeout": 0.5, **how}), TERMS
    )


def test_it_fetches_works_commits_and_fetches_again() -> None:
    check(
        member(),
        """
        0.000 wake
        0.000 -> Join()
        0.000 end
        0.100 <- Assigned(generation=1, offsets=[[0, 0], [1, 7]])
        0.100 -> Fetch(offset=0, max_records=9, max_wait=1.0, generation=1, positions=[[0, 0], [1, 7]])
        0.200 <- Records(offset=0, messages=[5, 6, 8], generation=1, parts=[[0, 0, 2], [1, 7, 1]])
        0.200 -> Work(messages=[5, 6, 8])
        0.300 <- Worked()
        0.300 -> Commit(generation=1, offsets=[[0, 2], [1, 8]])
        0.400 <- Committed()
        0.400 -> Fetch(offset=0, max_records=9, max_wait=1.0, generation=1, positions=[[0, 2], [1, 8]])
        0.500 <- Records(offset=0, messages=[], generation=1)
        0.500 -> Fetch(offset=0, max_records=9, max_wait=1.0, generation=1, positions=[[0, 2], [1, 8]])
        0.600 <- Records(offset=0, messages=[9], generation=1, parts=[[0, 2, 1]])
        0.600 -> Work(messages=[9])
        0.700 <- Worked()
        0.700 -> Commit(generation=1, offsets=[[0, 3]])
        0.800 <- Committed()
        0.800 -> Fetch(offset=0, max_records=9, max_wait=1.0, generation=1, positions=[[1, 8], [0, 3]])
        """,
    )


def test_it_can_commit_before_it_works() -> None:
    check(
        member(commit="before_work"),
        """
        0.000 wake
        0.000 -> Join()
        0.000 end
        0.100 <- Assigned(generation=1, offsets=[[0, 0]])
        0.100 -> Fetch(offset=0, max_records=9, max_wait=1.0, generation=1, positions=[[0, 0]])
        0.200 <- Records(offset=0, messages=[5, 6], generation=1, parts=[[0, 0, 2]])
        0.200 -> Commit(generation=1, offsets=[[0, 2]])
        0.300 <- Committed()
        0.300 -> Work(messages=[5, 6])
        0.400 <- Worked()
        0.400 -> Fetch(offset=0, max_records=9, max_wait=1.0, generation=1, positions=[[0, 2]])
        """,
    )


def test_it_does_not_work_on_what_it_could_not_commit_before() -> None:
    refused = member(commit="before_work")
    check(
        refused,
        """
        0.000 wake
        0.000 -> Join()
        0.000 end
        0.100 <- Assigned(generation=1, offsets=[[0, 0]])
        0.100 -> Fetch(offset=0, max_records=9, max_wait=1.0, generation=1, positions=[[0, 0]])
        0.200 <- Records(offset=0, messages=[5, 6], generation=1, parts=[[0, 0, 2]])
        0.200 -> Commit(generation=1, offsets=[[0, 2]])
        0.300 <- Refused(generation=2)
        0.300 -> Join()
        """,
    )
    assert refused.pending == 0


def test_it_sends_heartbeats_while_it_works() -> None:
    """One thing at a time: the commit waits until the last heartbeat is answered."""
    check(
        member(),
        """
        0.000 wake
        0.000 -> Join()
        0.000 end
        0.100 <- Assigned(generation=1, offsets=[[0, 0]])
        0.100 -> Fetch(offset=0, max_records=9, max_wait=1.0, generation=1, positions=[[0, 0]])
        0.200 <- Records(offset=0, messages=[5], generation=1, parts=[[0, 0, 1]])
        0.200 -> Work(messages=[5])
        0.400 wake
        0.400 -> Heartbeat(generation=1)
        0.450 <- Beat()
        0.650 wake
        0.650 -> Heartbeat(generation=1)
        0.700 <- Worked()
        0.720 <- Beat()
        0.720 -> Commit(generation=1, offsets=[[0, 1]])
        0.800 <- Committed()
        0.800 -> Fetch(offset=0, max_records=9, max_wait=1.0, generation=1, positions=[[0, 1]])
        """,
    )


def test_evicted_it_finishes_its_work_and_joins_again() -> None:
    check(
        member(),
        """
        0.000 wake
        0.000 -> Join()
        0.000 end
        0.100 <- Assigned(generation=1, offsets=[[0, 0]])
        0.100 -> Fetch(offset=0, max_records=9, max_wait=1.0, generation=1, positions=[[0, 0]])
        0.200 <- Records(offset=0, messages=[5], generation=1, parts=[[0, 0, 1]])
        0.200 -> Work(messages=[5])
        0.400 wake
        0.400 -> Heartbeat(generation=1)
        0.450 <- Refused(generation=2)
        1.500 <- Worked()
        1.500 -> Commit(generation=1, offsets=[[0, 1]])
        1.600 <- Refused(generation=2)
        1.600 -> Join()
        1.700 <- Assigned(generation=3, offsets=[[0, 1]])
        1.700 -> Fetch(offset=0, max_records=9, max_wait=1.0, generation=3, positions=[[0, 1]])
        """,
    )


def test_it_joins_again_where_a_fetch_is_refused_and_may_get_nothing() -> None:
    check(
        member(),
        """
        0.000 wake
        0.000 -> Join()
        0.000 end
        0.100 <- Assigned(generation=1, offsets=[[0, 0]])
        0.100 -> Fetch(offset=0, max_records=9, max_wait=1.0, generation=1, positions=[[0, 0]])
        0.200 <- Refused(generation=1)
        0.200 -> Join()
        0.300 <- Assigned(generation=2, offsets=[])
        0.300 -> Fetch(offset=0, max_records=9, max_wait=1.0, generation=2)
        """,
    )


def test_a_request_that_failed_is_repeated_after_a_pause() -> None:
    check(
        member(),
        """
        0.000 wake
        0.000 -> Join()
        0.000 end
        0.010 <- Disconnected()
        0.060 wake
        0.060 -> Join()
        0.100 <- Assigned(generation=1, offsets=[[0, 0]])
        0.100 -> Fetch(offset=0, max_records=9, max_wait=1.0, generation=1, positions=[[0, 0]])
        0.200 <- Records(offset=0, messages=[5], generation=1, parts=[[0, 0, 1]])
        0.200 -> Work(messages=[5])
        0.300 <- Worked()
        0.300 -> Commit(generation=1, offsets=[[0, 1]])
        0.310 <- Disconnected()
        0.360 wake
        0.360 -> Commit(generation=1, offsets=[[0, 1]])
        0.400 <- Committed()
        0.400 -> Fetch(offset=0, max_records=9, max_wait=1.0, generation=1, positions=[[0, 1]])
        1.000 <- Disconnected()
        """,
    )


def test_a_request_without_an_answer_is_repeated() -> None:
    check(
        member(),
        """
        0.000 wake
        0.000 -> Join()
        0.000 end
        2.400 end
        2.500 wake
        2.550 wake
        2.550 -> Join()
        2.600 <- Assigned(generation=1, offsets=[[0, 0]])
        2.600 -> Fetch(offset=0, max_records=9, max_wait=1.0, generation=1, positions=[[0, 0]])
        2.700 <- Records(offset=0, messages=[5], generation=1, parts=[[0, 0, 1]])
        2.700 -> Work(messages=[5])
        2.900 wake
        2.900 -> Heartbeat(generation=1)
        3.400 wake
        3.450 wake
        3.450 -> Heartbeat(generation=1)
        3.500 <- Worked()
        3.950 wake
        4.050 wake
        4.050 -> Commit(generation=1, offsets=[[0, 1]])
        4.550 wake
        4.750 wake
        4.750 -> Commit(generation=1, offsets=[[0, 1]])
        5.000 end
        """,
    )


def test_an_answer_to_something_else_is_not_taken_for_one() -> None:
    check(
        member(),
        """
        0.000 wake
        0.000 -> Join()
        0.000 end
        0.100 <- Assigned(generation=2, offsets=[[0, 4]])
        0.100 -> Fetch(offset=0, max_records=9, max_wait=1.0, generation=2, positions=[[0, 4]])
        0.110 <- Committed()
        0.120 <- Records(offset=0, messages=[5], generation=1, parts=[[0, 4, 1]])
        0.130 <- Records(offset=0, messages=[5], generation=2, parts=[[0, 3, 1]])
        0.140 <- Records(offset=0, messages=[5], generation=2, parts=[[0, 5, 1]])
        0.140 -> Work(messages=[5])
        0.150 <- Records(offset=0, messages=[5], generation=2, parts=[[0, 5, 1]])
        """,
    )


def test_a_record_that_keeps_failing_is_put_aside() -> None:
    check(
        member(tries=2),
        """
        0.000 wake
        0.000 -> Join()
        0.000 end
        0.100 <- Assigned(generation=1, offsets=[[0, 0]])
        0.100 -> Fetch(offset=0, max_records=9, max_wait=1.0, generation=1, positions=[[0, 0]])
        0.200 <- Records(offset=0, messages=[5, 6], generation=1, parts=[[0, 0, 2]])
        0.200 -> Work(messages=[5, 6])
        0.300 <- Worked(failed=[6])
        0.300 -> Work(messages=[6])
        0.350 <- Worked(failed=[6])
        0.350 -> DeadLettered(messages=[6])
        0.350 -> Commit(generation=1, offsets=[[0, 2]])
        """,
    )
