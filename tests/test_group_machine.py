"""A whole group on a random walk: real broker, real members, and a network that delays and loses.

Message m is always published as the m-th. Members die and return, connections break, messages come
late or never, work takes as long as it likes. A walk is all that its seed draws.
"""

import random
from collections.abc import Callable, Iterable

import pytest

from lab.messages import (
    Commit,
    Committed,
    Disconnected,
    Message,
    Publish,
    Records,
    Role,
    Work,
    Worked,
)
from lab.roles import GroupBroker, GroupMember, Log, Membership, Polling

WALKS, STEPS, LATE = 40, 400, 1000
WHO = range(3)
TERMS = Membership(session_timeout=1.5, heartbeat=0.2, max_poll=2.0)


class Group:
    """Nothing is lost, only the owner of a generation commits, and what was committed never repeats."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.before = rng.random() < 0.4
        self.how = Polling(
            max_records=rng.choice([1, 3, 20]),
            max_wait=0.5,
            timeout=0.2,
            commit="before_work" if self.before else "after_work",
        )
        self.log, self.epoch, self.count = Log(), 0, rng.choice([1, 2, 4])
        self.broker = GroupBroker(self.log, self.count, TERMS)
        self.members = [GroupMember(who, self.how, TERMS) for who in WHO]
        self.asked: list[list[Message]] = [[] for _ in WHO]  # on the way to the broker
        self.answers: list[list[Message]] = [[] for _ in WHO]  # on the way back
        self.blocked: set[int] = set()
        self.work: list[list[int]] = [[] for _ in WHO]
        self.now = 0.0
        self.end = 0
        self.worked: list[int] = []
        self.committed: set[int] = set()
        self.events: dict[Callable[[], None], float] = {  # how often, relatively
            self.publish: 4,
            self.time_passes: 6,
            self.work_ends: 8,
            self.way_is_blocked_or_free: 2,
            self.one_message_gets_through: 2,
            self.messages_vanish: 1,
            self.connection_breaks: 0.5,
            self.member_dies_and_another_begins: 0.2,
            self.broker_begins_again: 0.1,
        }

    def step(self) -> None:
        [event] = self.rng.choices(list(self.events), list(self.events.values()))
        event()
        self.flow()
        members = self.broker.members.values()
        owned = [number for member in members for number in member.partitions]
        assert self.broker.rebalancing or sorted(owned) == list(range(self.count)) or not members

    def roles(self) -> list[Role]:
        return [self.broker, *self.members]

    def who(self) -> int:
        return self.rng.choice(WHO)

    def publish(self) -> None:
        count = self.rng.randint(1, 4)
        self.hand(Publish(list(range(self.end, self.end + count))))
        self.end += count

    def way_is_blocked_or_free(self) -> None:
        """Blocked: what is sent waits. Else it arrives at once."""
        self.blocked ^= {self.rng.choice(sorted(self.blocked) * 2 or WHO)}

    def one_message_gets_through(self) -> None:
        """Before others, perhaps: they may have connections of their own."""
        who = self.who()
        self.rng.shuffle(self.asked[who])
        self.rng.shuffle(self.answers[who])
        self.arrive(who)

    def messages_vanish(self) -> None:
        self.lose(self.rng.choice(sorted(self.blocked) or WHO))

    def connection_breaks(self) -> None:
        who = self.who()
        self.lose(who)
        self.hand(Disconnected(who))
        self.send(who, self.members[who].receive(Disconnected(who), self.now))

    def member_dies_and_another_begins(self) -> None:
        who = self.who()
        self.lose(who)
        self.work[who] = []
        self.hand(Disconnected(who))
        self.members[who] = GroupMember(who, self.how, TERMS)
        self.members[who].wake_at = self.now + self.rng.choice([0.0, 0.5, 3.0])

    def broker_begins_again(self) -> None:
        self.epoch += 1
        self.broker = GroupBroker(self.log, self.count, TERMS, self.epoch)
        for who in WHO:
            self.lose(who)
            self.send(who, self.members[who].receive(Disconnected(who), self.now))

    def work_ends(self) -> None:
        who = self.who()
        if self.work[who]:
            self.worked += self.work[who]
            self.work[who] = []
            self.send(who, self.members[who].receive(Worked(who), self.now))

    def time_passes(self) -> None:
        until = self.now + self.rng.choice([0.02, 0.1, 0.3, 0.6])
        for _ in range(LATE):
            at = min(role.wake_at for role in self.roles())
            if at > until:
                break
            self.now = max(self.now, at)
            self.wake()
            self.flow()
        else:
            raise AssertionError("somebody wants to be woken forever")
        self.now = until

    def wake(self) -> None:
        if self.broker.wake_at <= self.now:
            self.take(self.broker.wake(self.now))
            assert self.broker.wake_at > self.now
        for who, member in enumerate(self.members):
            if member.wake_at <= self.now:
                self.send(who, member.wake(self.now))
                assert member.wake_at > self.now

    def flow(self) -> None:
        ways = [who for who in WHO if who not in self.blocked]
        for _ in range(LATE):
            if not any(self.asked[who] or self.answers[who] for who in ways):
                return
            for who in ways:
                self.arrive(who)
        raise AssertionError("they talk forever")

    def arrive(self, who: int) -> None:
        if self.answers[who]:
            answer = self.answers[who].pop(0)
            self.send(who, self.members[who].receive(answer, self.now))
        elif self.asked[who]:
            request = self.asked[who].pop(0)
            before = [partition.committed for partition in self.broker.partitions]
            stale = getattr(request, "generation", None) != self.broker.generation
            self.hand(request)
            moved = [partition.committed for partition in self.broker.partitions] != before
            assert not (stale and moved and isinstance(request, Commit)), "a stale commit counted"

    def lose(self, who: int) -> None:
        self.asked[who].clear()
        self.answers[who].clear()

    def hand(self, message: Message) -> None:
        self.take(self.broker.receive(message, self.now))

    def take(self, replies: Iterable[Message]) -> None:
        """Have the broker's replies under way."""
        for reply in replies:
            if isinstance(reply, Records):
                runs = [(n, first + i) for n, first, count in reply.parts for i in range(count)]
                assert [(m % self.count, m // self.count) for m in reply.messages] == runs
            elif isinstance(reply, Committed):
                self.note_commits()
            self.answers[reply.consumer].append(reply)  # type: ignore[union-attr]

    def note_commits(self) -> None:
        for number, partition in enumerate(self.broker.partitions):
            done = {number + self.count * offset for offset in range(partition.committed)}
            assert self.before or done <= set(self.worked), "committed, and never worked on"
            self.committed |= done

    def send(self, who: int, outputs: Iterable[Message]) -> None:
        """Have a member's requests under way, and its work begun."""
        for output in outputs:
            if isinstance(output, Work):
                assert not self.work[who], "works on one thing at a time"
                over = set(self.worked) if self.before else self.committed
                zombie = self.members[who].generation != self.broker.generation
                assert (zombie and not self.before) or not over & set(output.messages), "done again"
                self.work[who] = list(output.messages)
            else:
                assert self.members[who].generation is not None or not self.work[who]
                self.asked[who].append(output)

    def come_to_an_end(self) -> None:
        self.blocked.clear()
        for _ in range(LATE):
            self.flow()
            self.work_ends()
            if not any(role.pending for role in self.roles()):
                break
            self.time_passes()
        assert not any(role.pending for role in self.roles()), "the group does not come to an end"
        assert self.before or set(self.worked) == set(range(self.end)), "lost"


@pytest.mark.parametrize("seed", range(WALKS))
def test_a_group_on_a_random_walk(seed: int) -> None:
    group = Group(seed)
    for _ in range(STEPS):
        group.step()
    group.come_to_an_end()
    assert group.worked
