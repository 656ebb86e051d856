"""The group broker: the partitions of one log, shared out among the members of one group.

A member joins, is given some of the partitions for one *generation* of the group, and shows by its
requests that it is alive. When one joins, or has been silent or at work for too long, the group
rebalances: nobody gets more records, everybody is to join again (and may commit before), and when all
who are left have done so, the next generation begins where the group's commits stand. Whatever comes
from another generation is refused, so that of two members that take a partition for their own only one
can commit.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lab.messages import (
    Assigned,
    Beat,
    Commit,
    Committed,
    Disconnected,
    Expired,
    Fetch,
    Heartbeat,
    Join,
    Message,
    Pairs,
    Publish,
    Records,
    Refused,
)
from lab.roles.intake import Intake
from lab.roles.log import Log
from lab.roles.partition import Partition, ranges

LIFE = (
    1_000_000  # generations that one life of a broker may have; the next one counts on from there
)


@dataclass(frozen=True)
class Membership:
    """What it takes to stay a member, in seconds.

    Without a sign of life for `session_timeout` a member is missed; at work it gives one every
    `heartbeat`. Who asks for no records for `max_poll` after it got some is taken for stuck.
    """

    session_timeout: float = 1.0
    heartbeat: float = 0.2
    max_poll: float = 5.0


@dataclass
class Member:
    """What the broker knows of a member. While its request is `held` it is alive."""

    partitions: Sequence[int] = ()
    held: Join | Fetch | None = None
    deadline: float = math.inf  # by when a fetch that is held is answered
    silent_until: float = math.inf
    works_until: float = math.inf

    @property
    def due_at(self) -> float:
        """When something is to be done about it: to answer it, or to go on without it."""
        return self.deadline if self.held else min(self.silent_until, self.works_until)


class GroupBroker:
    """Delivers the records of a log, each in the partition of its number, to one group.

    A broker that begins again after a crash is of the next `epoch`.
    """

    accepting = True

    def __init__(
        self, log: Log, partitions: int, terms: Membership | None = None, epoch: int = 0
    ) -> None:
        self.log = log
        self.terms = terms or Membership()
        self.intake = Intake(log)
        self.partitions = [Partition(log, number) for number in range(partitions)]
        self._index(log.start, log.read(log.start, log.end - log.start))
        for partition in self.partitions:
            partition.resume()
        self.members: dict[int, Member] = {}
        self.generation = epoch * LIFE
        self.rebalancing = False
        self.events = {"rebalances": 0, "evictions": 0, "refused commits": 0}
        self.wake_at = log.oldest_expires_at()

    @property
    def pending(self) -> int:
        """How many records the group is not done with."""
        return sum(partition.lag for partition in self.partitions)

    def receive(self, message: Message, now: float) -> Sequence[Message]:
        replies = self._expire(now)
        if isinstance(message, Publish):
            replies.extend(self._publish(message, now))
        elif isinstance(message, Fetch):
            replies.extend(self._fetch(message, now))
        elif isinstance(message, Commit):
            replies.append(self._commit(message, now))
        elif isinstance(message, Heartbeat):
            replies.append(self._beat(message, now))
        elif isinstance(message, Join):
            replies.extend(self._join(message, now))
        elif isinstance(message, Disconnected):
            self._cut_off(message.consumer, now)
        self._plan()
        return replies

    def wake(self, now: float) -> Sequence[Message]:
        """Answer the requests whose time is up, and go on without the members whose time is up."""
        replies = self._expire(now)
        for who, member in list(self.members.items()):
            if member.due_at > now:
                continue
            if isinstance(member.held, Fetch):
                replies.append(self._read(member, member.held, now))
            else:
                del self.members[who]
                self.events["evictions"] += 1
                replies.extend(self._rebalance(now))
        replies.extend(self._next_generation(now))
        self._plan()
        return replies

    def _publish(self, publish: Publish, now: float) -> Iterator[Message]:
        messages = self.intake.take(publish)
        if len(messages):
            self._index(self.log.append(messages, now), messages)
        yield from self.intake.answer(publish)
        yield from self._expire(now)
        for member in self.members.values():
            fetch = member.held
            if isinstance(fetch, Fetch) and self._ready(member) >= fetch.min_records:
                yield self._read(member, fetch, now)

    def _index(self, offset: int, messages: Sequence[int]) -> None:
        """Put the messages at `offset` of the log, and the following, into their partitions."""
        count = len(self.partitions)
        for place, m in enumerate(messages, offset):
            self.partitions[m % count].append(place)

    def _join(self, join: Join, now: float) -> Iterator[Message]:
        member = self.members.setdefault(join.consumer, Member())
        self._asked(member, now)
        yield from self._rebalance(now)
        member.held = join
        yield from self._next_generation(now)

    def _rebalance(self, now: float) -> Iterator[Message]:
        """Have everybody join again; who is at work is told when it asks for more."""
        self.rebalancing = True
        for who, member in self.members.items():
            if isinstance(member.held, Fetch):
                self._asked(member, now)
                yield Refused(who, self.generation)

    def _next_generation(self, now: float) -> Iterator[Message]:
        """Share the partitions out once everybody has joined."""
        joined = all(isinstance(member.held, Join) for member in self.members.values())
        if not (self.rebalancing and self.members and joined):
            return
        self.rebalancing = False
        self.generation += 1
        self.events["rebalances"] += 1
        members = sorted(self.members)
        for who, mine in zip(members, ranges(len(self.partitions), len(members)), strict=True):
            self._asked(self.members[who], now)
            self.members[who].partitions = mine
            offsets = tuple((number, self.partitions[number].rewind()) for number in mine)
            yield Assigned(who, self.generation, offsets)

    def _fetch(self, fetch: Fetch, now: float) -> Iterator[Message]:
        member = self._owner(fetch, fetch.positions, now)
        if member is None or self.rebalancing:
            yield Refused(fetch.consumer, self.generation)
            return
        self._asked(member, now)
        for number, offset in fetch.positions:
            self.partitions[number].seek(offset)
        if fetch.max_wait > 0 and self._ready(member) < fetch.min_records:
            member.held, member.deadline = fetch, now + fetch.max_wait
        else:
            yield self._read(member, fetch, now)

    def _ready(self, member: Member) -> int:
        return sum(self.partitions[number].ready for number in member.partitions)

    def _read(self, member: Member, fetch: Fetch, now: float) -> Records:
        """Answer a fetch: from the partitions in the order in which it names them."""
        messages, parts = list[int](), list[tuple[int, int, int]]()
        for number, _ in fetch.positions:
            offset, some = self.partitions[number].take(fetch.max_records - len(messages))
            if some:
                parts.append((number, offset, len(some)))
                messages += some
        self._asked(member, now)
        return Records(fetch.consumer, 0, messages, 0, self.generation, tuple(parts))

    def _commit(self, commit: Commit, now: float) -> Message:
        owner = self._owner(commit, commit.offsets, now)
        if owner is None:
            self.events["refused commits"] += 1
            return Refused(commit.consumer, self.generation)
        for number, offset in commit.offsets:
            self.partitions[number].commit(offset)
        return Committed(commit.consumer)

    def _beat(self, beat: Heartbeat, now: float) -> Message:
        if self._owner(beat, (), now) is None:
            return Refused(beat.consumer, self.generation)
        return Beat(beat.consumer)

    def _owner(self, asked: Fetch | Commit | Heartbeat, wanted: Pairs, now: float) -> Member | None:
        """Return the member that asks, if it is one of this generation and owns what it wants."""
        member = self.members.get(asked.consumer)
        if member is None or asked.generation != self.generation:
            return None
        self._heard(member, now)
        for number, offset in wanted:
            if number not in member.partitions or offset > self.partitions[number].end:
                return None
        return member

    def _heard(self, member: Member, now: float) -> None:
        """Note a sign of life; a member asks one thing at a time, so what was held is no more."""
        member.held, member.deadline = None, math.inf
        member.silent_until = now + self.terms.session_timeout

    def _asked(self, member: Member, now: float) -> None:
        """Note that a member asked for records or partitions, or was answered just now."""
        self._heard(member, now)
        member.works_until = now + self.terms.max_poll

    def _cut_off(self, who: int, now: float) -> None:
        """Hold no request of this member any more; it lived until now."""
        member = self.members.get(who)
        if member is not None and member.held:
            self._heard(member, now)

    def _expire(self, now: float) -> list[Message]:
        if not self.log.bounded:
            return []
        first, gone = self.log.expire(now)
        unread = sorted(_flat(partition.forget() for partition in self.partitions))
        return [Expired(0, [gone[place - first] for place in unread])] if unread else []

    def _plan(self) -> None:
        due_at = min((member.due_at for member in self.members.values()), default=math.inf)
        self.wake_at = min(due_at, self.log.oldest_expires_at())


def _flat(several: Iterable[Iterable[int]]) -> Iterator[int]:
    for some in several:
        yield from some
