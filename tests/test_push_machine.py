"""The push broker under any sequence of events: nothing is lost, windows and order are kept."""

import math
from collections.abc import Iterable

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from test_role_machines import COUNTS, QUICK, STEPS

from lab.messages import (
    Ack,
    Blocked,
    DeadLettered,
    Deliver,
    Dropped,
    Message,
    Nack,
    Publish,
    Subscribe,
    Writable,
)
from lab.roles import PushBroker, Retry
from lab.roles.push import PushPolicy

BATCHES = {
    "batch_size": st.integers(1, 3),
    "linger": st.sampled_from([0.0, 0.3]),
    "buffer": st.one_of(st.just(math.inf), st.integers(1, 4)),
    "overflow": st.sampled_from(["drop_newest", "drop_oldest"]),
}
FIRE_AND_FORGET = st.builds(PushPolicy, **BATCHES)
WINDOWS = st.builds(PushPolicy, acks=st.just(True), credits=COUNTS, concurrency=COUNTS, **BATCHES)
FAILURES = st.builds(
    PushPolicy,
    acks=st.just(True),
    batch_size=st.integers(1, 2),
    concurrency=COUNTS,
    timeout=st.sampled_from([math.inf, 0.4]),
    retry=st.builds(Retry, st.just(0.1), st.just(0.3), st.integers(1, 4)),
)


class Watched:
    """What one consumer has seen, and what must therefore still be with the broker."""

    def __init__(self) -> None:
        self.out: dict[int, tuple[Deliver, float]] = {}  # delivered, by offset, and since when
        self.retrying: dict[int, int] = {}  # attempts that failed
        self.returned: dict[int, int] = {}  # those whose retry waits in the buffer, by message
        self.acked: list[int] = []
        self.dropped: list[int] = []
        self.dead: list[int] = []
        self.last = -1  # the last message delivered for the first time
        self.writable = True


class PushMachine(RuleBasedStateMachine):
    """A broker with two consumers, one of which never answers badly."""

    def begin(self, policy: PushPolicy) -> None:
        self.policy = policy
        self.broker = PushBroker(policy)
        self.now = 0.0
        self.end = 0
        self.seen = [Watched(), Watched()]
        for who in range(2):
            assert not list(self.broker.receive(Subscribe(who), self.now))

    @rule(count=st.integers(1, 4), step=STEPS)
    def publish(self, count: int, step: float) -> None:
        self._pass(step)
        messages = list(range(self.end, self.end + count))
        self.end += count
        self._take(self.broker.receive(Publish(messages), self.now))
        for session in self.broker.sessions.values():
            assert len(session.buffer) <= self.policy.buffer

    @rule(who=st.integers(0, 1), writable=st.booleans())
    def connection(self, who: int, writable: bool) -> None:
        self.seen[who].writable = writable
        message: Message = Writable(who) if writable else Blocked(who)
        self._take(self.broker.receive(message, self.now))

    @rule(who=st.integers(0, 1), room=st.integers(1, 4))
    def trickle(self, who: int, room: int) -> None:
        """Let `room` deliveries through, as an engine does whose connection is then full again."""
        watched = self.seen[who]
        watched.writable = True
        for sent, output in enumerate(self.broker.receive(Writable(who), self.now), start=1):
            self._take([output])
            if sent == room:
                self.connection(who, False)

    @rule(data=st.data(), who=st.integers(0, 1), good=st.booleans(), late=st.booleans())
    def answer(self, data: st.DataObject, who: int, good: bool, late: bool) -> None:
        """Answer any delivery, perhaps an attempt that was given up before."""
        watched = self.seen[who]
        if not watched.out:
            return
        delivery, _ = watched.out[data.draw(st.sampled_from(sorted(watched.out)))]
        offset, attempt = delivery.offset, delivery.attempt - late
        counts = not late and offset not in watched.retrying
        kind = Ack if good else Nack
        if counts and good:
            watched.acked.extend(delivery.messages)
            del watched.out[offset]
        elif counts and attempt < self.policy.retry.attempts:
            watched.retrying[offset] = attempt
        replies = list(self.broker.receive(kind(who, offset, attempt), self.now))
        assert counts or not replies, "a late answer has no effect"
        self._take(replies)

    @precondition(lambda self: self.broker.wake_at < math.inf)
    @rule()
    def wake(self) -> None:
        self._pass(self.broker.wake_at - self.now)

    def _pass(self, step: float) -> None:
        until = self.now + max(step, 0.0)
        while self.broker.wake_at <= until:
            self.now = max(self.now, self.broker.wake_at)
            self._time_out()
            self._take(self.broker.wake(self.now))
            self._return()
            assert self.broker.wake_at > self.now, "wants to be woken forever"
        self.now = until

    def _time_out(self) -> None:
        for watched in self.seen:
            for offset, (delivery, since) in watched.out.items():
                if self.now >= since + self.policy.timeout and offset not in watched.retrying:
                    watched.retrying[offset] = delivery.attempt

    def _return(self) -> None:
        """See which retries found their connection blocked, and wait for it like all else."""
        for who, watched in enumerate(self.seen):
            unacked = self.broker.sessions[who].unacked
            for offset in [o for o in watched.retrying if o not in unacked]:
                delivery, _ = watched.out.pop(offset)
                assert not watched.writable
                attempts = watched.retrying.pop(offset)
                watched.returned |= dict.fromkeys(delivery.messages, attempts)

    def _take(self, outputs: Iterable[Message]) -> None:
        for output in outputs:
            if isinstance(output, Deliver):
                self._delivered(output)
            elif isinstance(output, Dropped):
                watched = self.seen[output.consumer]
                watched.dropped.extend(output.messages)
                for m in output.messages:
                    watched.returned.pop(m, None)
            else:
                assert isinstance(output, DeadLettered)
                watched = self.seen[output.consumer]
                delivery, _ = watched.out.pop(output.messages[0])
                watched.retrying.pop(delivery.offset, None)
                assert delivery.attempt == self.policy.retry.attempts
                assert list(delivery.messages) == list(output.messages)
                watched.dead.extend(output.messages)

    def _delivered(self, delivery: Deliver) -> None:
        watched, messages = self.seen[delivery.consumer], list(delivery.messages)
        offset = delivery.offset
        assert messages == list(range(offset, offset + len(messages)))
        assert 1 <= len(messages) <= self.policy.batch_size
        if offset in watched.retrying:
            assert watched.retrying.pop(offset) == delivery.attempt - 1
            assert list(watched.out[offset][0].messages) == messages
        else:
            assert watched.writable, "sent into a blocked connection"
            attempts = [watched.returned.pop(m, 0) for m in messages]
            assert max(attempts) == delivery.attempt - 1
            for m, before in zip(messages, attempts, strict=True):
                assert before or m > watched.last, "out of order, or twice"
                watched.last = max(watched.last, m)
        if self.policy.acks:
            watched.out[offset] = (delivery, self.now)
        else:
            watched.acked.extend(messages)

    @invariant()
    def every_message_has_one_fate(self) -> None:
        for who, watched in enumerate(self.seen):
            buffered = [w.message for w in self.broker.sessions[who].buffer]
            out = [m for delivery, _ in watched.out.values() for m in delivery.messages]
            fates = watched.acked + watched.dropped + watched.dead + out + buffered
            assert sorted(fates) == list(range(self.end))

    @invariant()
    def windows_are_kept_and_used(self) -> None:
        policy = self.policy
        for who, watched in enumerate(self.seen):
            messages = sum(len(delivery.messages) for delivery, _ in watched.out.values())
            if policy.acks:
                assert messages <= policy.credits
                assert len(watched.out) <= policy.concurrency
            buffer = self.broker.sessions[who].buffer
            is_open = messages < policy.credits and len(watched.out) < policy.concurrency
            if buffer and watched.writable and is_open:
                assert len(buffer) < policy.batch_size
                assert self.broker.wake_at <= buffer[0].since + policy.linger

    @invariant()
    def deadlines_are_planned(self) -> None:
        for watched in self.seen:
            for offset, (delivery, since) in watched.out.items():
                retry = self.policy.retry
                if offset not in watched.retrying:
                    assert self.broker.wake_at <= since + self.policy.timeout
                else:
                    assert self.broker.wake_at <= self.now + retry.delay(delivery.attempt)

    def teardown(self) -> None:
        """Let every connection flow and acknowledge everything: then nothing is left."""
        if not hasattr(self, "broker"):
            return
        for who in (0, 1):
            self.connection(who, True)
        for _ in range(200):
            self._pass(0.3)
            for who, watched in enumerate(self.seen):
                for delivery, _since in list(watched.out.values()):
                    if delivery.offset not in watched.retrying:
                        watched.acked.extend(delivery.messages)
                        del watched.out[delivery.offset]
                        answer = Ack(who, delivery.offset, delivery.attempt)
                        self._take(self.broker.receive(answer, self.now))
            if not any(self.broker.sessions[w].buffer or self.seen[w].out for w in (0, 1)):
                break
        else:
            raise AssertionError("something is never delivered")
        self.every_message_has_one_fate()
        assert self.broker.wake_at == math.inf


class ForgetMachine(PushMachine):
    begin = initialize(policy=FIRE_AND_FORGET)(PushMachine.begin)


class WindowMachine(PushMachine):
    begin = initialize(policy=WINDOWS)(PushMachine.begin)


class FailureMachine(PushMachine):
    begin = initialize(policy=FAILURES)(PushMachine.begin)


TestForget, TestWindow = ForgetMachine.TestCase, WindowMachine.TestCase
TestFailure = FailureMachine.TestCase
TestForget.settings = TestWindow.settings = TestFailure.settings = QUICK
