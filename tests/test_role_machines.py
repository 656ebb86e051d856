"""Roles under any sequence of events, against naive models (Hypothesis state machines).

Message m is always published at offset m, so that a model need not tell one from the other.
"""

import math
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lab.messages import (
    Ack,
    Blocked,
    Deliver,
    Expired,
    Fetch,
    Message,
    OutOfRange,
    Publish,
    Records,
    Work,
    Worked,
    Writable,
)
from lab.roles import Log, Producer, PullBroker, PushConsumer, PushReception, Retention

QUICK = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
COUNTS = st.one_of(st.just(math.inf), st.integers(1, 6))
STEPS = st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0])


class LogMachine(RuleBasedStateMachine):
    """The log against a list of all that was ever appended."""

    @initialize(count=COUNTS, size=COUNTS, age=st.sampled_from([math.inf, 0.3, 1.0]))
    def begin(self, count: float, size: float, age: float) -> None:
        self.sizes = [1 + m % 3 for m in range(1000)]
        self.keep = Retention(count=count, bytes=size, age=age)
        self.log = Log(self.keep, self.sizes)
        self.times: list[float] = []
        self.start = 0
        self.now = 0.0

    @rule(count=st.integers(0, 5), step=STEPS)
    def append(self, count: int, step: float) -> None:
        self.now += step
        end = len(self.times)
        assert self.log.append(list(range(end, end + count)), self.now) == end
        self.times += [self.now] * count

    @rule(step=STEPS)
    def expire(self, step: float) -> None:
        self.now += step
        was = self.start
        while self.start < len(self.times) and not self._is_kept(self.start):
            self.start += 1
        first, gone = self.log.expire(self.now)
        assert list(gone) == list(range(was, self.start))
        assert first == was

    def _is_kept(self, offset: int) -> bool:
        kept = range(offset, len(self.times))
        return (
            len(kept) <= self.keep.count
            and sum(self.sizes[m] for m in kept) <= self.keep.bytes
            and self.times[offset] + self.keep.age > self.now
        )

    @rule(offset=st.integers(-2, 60), most=st.integers(1, 9))
    def read(self, offset: int, most: int) -> None:
        try:
            records = list(self.log.read(offset, most))
        except LookupError:
            assert not self.start <= offset <= len(self.times)
        else:
            assert records == list(range(offset, min(offset + most, len(self.times))))

    @invariant()
    def ends_agree(self) -> None:
        assert (self.log.start, self.log.end) == (self.start, len(self.times))


class PullMachine(RuleBasedStateMachine):
    """The pull broker and two consumers; the second reads destructively."""

    @initialize(count=COUNTS, age=st.sampled_from([math.inf, 0.3, 1.0]))
    def begin(self, count: float, age: float) -> None:
        self.broker = PullBroker(2, Log(Retention(count=count, age=age)))
        self.now = 0.0
        self.end = 0
        self.cursor = [0, 0]
        self.expired: list[list[int]] = [[], []]
        self.read: list[list[int]] = [[], []]
        self.held: dict[int, tuple[int, float]] = {}  # by consumer: what it waits for, till when

    @rule(count=st.integers(1, 4), step=STEPS)
    def publish(self, count: int, step: float) -> None:
        self._pass(step)
        messages = list(range(self.end, self.end + count))
        self.end += count
        self._take(self.broker.receive(Publish(messages), self.now))

    @rule(
        who=st.integers(0, 1),
        most=st.integers(1, 5),
        least=st.integers(1, 5),
        max_wait=st.sampled_from([0.0, 0.2, 2.0]),
        step=STEPS,
    )
    def fetch(self, who: int, most: int, least: int, max_wait: float, step: float) -> None:
        self._pass(step)
        self.held.pop(who, None)
        self.held[who] = (least if max_wait else 0, self.now + max_wait)
        offset = self.cursor[who] if who == 0 else None
        self._take(self.broker.receive(Fetch(who, offset, most, least, max_wait), self.now))
        if not max_wait:
            assert who not in self.held, "not answered at once"

    @precondition(lambda self: self.broker.wake_at < math.inf)
    @rule()
    def wake(self) -> None:
        self._pass(self.broker.wake_at - self.now)

    def _pass(self, step: float) -> None:
        """Let time pass, with the wakes that are due."""
        until = self.now + max(step, 0.0)
        while self.broker.wake_at <= until:
            self.now = self.broker.wake_at
            self._take(self.broker.wake(self.now))
            assert self.broker.wake_at > self.now, "wants to be woken forever"
        self.now = until

    def _take(self, replies: Any) -> None:
        for reply in replies:
            if isinstance(reply, Expired):
                self.expired[reply.consumer].extend(reply.messages)
            elif isinstance(reply, Records):
                self._records(reply)
            else:
                assert isinstance(reply, OutOfRange)
                assert reply.start > self.cursor[reply.consumer]
                assert reply.end == self.end
                self.cursor[reply.consumer] = reply.start
                del self.held[reply.consumer]

    def _records(self, reply: Records) -> None:
        who, messages = reply.consumer, list(reply.messages)
        least, deadline = self.held.pop(who)
        assert self._there(who) >= least or self.now >= deadline
        assert messages == list(range(reply.offset, reply.offset + len(messages)))
        assert reply.offset >= self.cursor[who]
        self.cursor[who] = reply.offset + len(messages)
        self.read[who].extend(messages)

    def _there(self, who: int) -> int:
        return self.end - max(self.cursor[who], self.broker.log.start)

    @invariant()
    def every_record_is_read_or_expired_or_to_come(self) -> None:
        for who in range(2):
            seen = sorted(self.read[who] + self.expired[who])
            assert seen == list(range(len(seen))), "skipped, or told twice"
            assert len(seen) >= self.cursor[who]

    @invariant()
    def held_requests_are_answered_in_time(self) -> None:
        for who, (least, deadline) in self.held.items():
            assert self._there(who) < least, "there is enough to answer with"
            assert self.now < deadline
            assert self.broker.wake_at <= deadline

    def teardown(self) -> None:
        if hasattr(self, "broker"):
            for who in (0, 0, 1):  # the first may find itself out of range once
                offset = self.cursor[who] if who == 0 else None
                self.held[who] = (0, self.now)
                self._take(self.broker.receive(Fetch(who, offset, 10_000), self.now))
            assert self.cursor == [self.end, self.end]
            self.every_record_is_read_or_expired_or_to_come()


TestLog = LogMachine.TestCase
TestLog.settings = QUICK
TestPull = PullMachine.TestCase
TestPull.settings = QUICK


@QUICK
@given(steps=st.lists(st.one_of(st.integers(1, 3), st.none()), max_size=40), limit=COUNTS)
def test_push_consumer_works_on_everything_in_order(steps: list[int | None], limit: float) -> None:
    """An integer is a delivery of so many messages, None the end of the work at hand."""
    consumer = PushConsumer(0, PushReception("after_work", queue=limit))
    offset, worked, acked, busy, waiting = 0, list[int](), list[int](), False, list[int]()
    for step in steps:
        if step is None and not busy:
            continue
        message: Message = Worked(0)
        if step is not None:
            message = Deliver(0, offset, list(range(offset, offset + step)))
            waiting.append(step)
            offset += step
        else:
            busy = False
        for reply in consumer.receive(message, 0.0):
            if isinstance(reply, Work):
                worked += reply.messages
                waiting.pop(0)
                busy = True
            else:
                assert isinstance(reply, Ack)
                acked.append(reply.offset)
        assert worked == list(range(len(worked)))
        assert acked == sorted(set(acked))
        assert busy or not waiting
        assert consumer.accepting == (sum(waiting) < limit)


@QUICK
@given(
    times=st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.8]), max_size=12).map(sorted),
    events=st.lists(st.tuples(STEPS, st.booleans()), max_size=12),
)
def test_producer_publishes_each_message_once_and_never_early(
    times: list[float], events: list[tuple[float, bool]]
) -> None:
    producer, now, published, blocked = Producer(times), 0.0, list[int](), False
    for step, block in [*events, (9.0, False)]:
        until = now + step
        outputs: list[Message] = []
        while (at := producer.wake_at) <= until:
            assert not blocked
            outputs += producer.wake(at)
            assert producer.wake_at > at, "wants to be woken forever"
        now, blocked = until, block
        outputs += producer.receive(Blocked() if block else Writable(), now)
        published += [m for output in outputs for m in output.messages]  # type: ignore[union-attr]
        assert all(times[m] <= now for m in published)
        assert blocked or len(published) == sum(t <= now for t in times)
    assert published == list(range(len(times)))
