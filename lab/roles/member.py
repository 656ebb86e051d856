"""The member of a consumer group: it joins, fetches from its partitions, works, commits, fetches again.

It asks one thing at a time. While it works it sends heartbeats; else its requests are signs of life.
Refused, it finishes the work at hand, tries to commit it (in vain: then it is done again by another),
and joins again.
"""

import math
from collections.abc import Sequence

from lab.messages import (
    Assigned,
    Beat,
    Commit,
    Committed,
    DeadLettered,
    Disconnected,
    Fetch,
    Heartbeat,
    Join,
    Message,
    Pairs,
    Records,
    Refused,
    Work,
    Worked,
)
from lab.roles.group import Membership
from lab.roles.poller import Poller, Polling
from lab.roles.retry import NO_LUCK, Luck

ANSWERS = {Join: Assigned, Fetch: Records, Commit: Committed, Heartbeat: Beat}


class GroupMember(Poller):
    """Polls as `how` says, as a member on these `terms`."""

    def __init__(
        self, index: int, how: Polling, terms: Membership | None = None, luck: Luck = NO_LUCK
    ) -> None:
        super().__init__(index, how, luck=luck)
        self.terms = terms or Membership()
        self.generation: int | None = None  # None: to join
        self.positions: dict[int, int] = {}  # by partition; what had records last stands last
        self.done: Pairs = ()  # offsets to be committed
        self.working = False
        self.request: type = Join

    def receive(self, message: Message, now: float) -> Sequence[Message]:
        if isinstance(message, Worked):
            return self._worked(message, now)
        if isinstance(message, Disconnected):
            return self._failed(now) if self.asked else ()
        if not self._answers(message):
            return ()
        self.asked = False
        self.backoff.succeeded()
        if isinstance(message, Records):
            return self._records(message, now)
        if isinstance(message, Refused):
            return self._refused(now)
        if isinstance(message, Assigned):
            self.generation, self.positions = message.generation, dict(message.offsets)
        elif isinstance(message, Committed):
            self.done = ()
            if self.batch:
                return self._work(now)
        elif self.working:  # a heartbeat was heard
            self.wake_at = now + self.terms.heartbeat
            return ()
        return (self._ask(now),)

    def _answers(self, message: Message) -> bool:
        """Say whether this answers what was asked last, and not something that was given up."""
        if not self.asked or not isinstance(message, (ANSWERS[self.request], Refused)):
            return False
        if not isinstance(message, Records):
            return True
        behind = any(first < self.positions.get(number, 0) for number, first, _ in message.parts)
        return message.generation == self.generation and not behind

    def _records(self, answer: Records, now: float) -> Sequence[Message]:
        if not len(answer.messages):
            return (self._ask(now),)
        self.batch = answer.messages
        self.done = tuple((number, first + count) for number, first, count in answer.parts)
        for number, offset in self.done:
            del self.positions[number]
            self.positions[number] = offset
        return (self._ask(now),) if self.how.commit == "before_work" else self._work(now)

    def _work(self, now: float) -> Sequence[Message]:
        self.working = True
        self.wake_at = now + self.terms.heartbeat
        return (Work(self.index, self.batch),)

    def _worked(self, worked: Worked, now: float) -> Sequence[Message]:
        again, dead = self._judge(worked.failed)
        outputs: list[Message] = [DeadLettered(self.index, dead)] if dead else []
        if again:
            return (*outputs, Work(self.index, again))
        self.batch, self.working = (), False
        if not self.asked:  # else a heartbeat is to be answered first
            outputs.append(self._ask(now))
        return outputs

    def _refused(self, now: float) -> Sequence[Message]:
        if self.request is Heartbeat and self.working:  # no more of them
            self.wake_at = math.inf
            return ()
        if self.request is Heartbeat:
            return (self._ask(now),)
        self.generation, self.done, self.batch = None, (), ()
        return (self._ask(now),)

    def _ask(self, now: float) -> Message:
        """Ask for what comes next: to live, to be a member, to commit, or for records."""
        generation = self.generation
        if generation is None:
            return self._asks(Join(self.index), now)
        if self.working:
            return self._asks(Heartbeat(self.index, generation), now)
        if self.done:
            return self._asks(Commit(self.index, generation, self.done), now)
        how, positions = self.how, tuple(self.positions.items())
        wants = (how.max_records, how.min_records, how.max_wait)
        return self._asks(Fetch(self.index, 0, *wants, 0, generation, positions), now)

    def _asks(self, request: Message, now: float) -> Message:
        held = {Join: self.terms.max_poll, Fetch: self.how.max_wait}
        self.request, self.asked = type(request), True
        self.wake_at = now + held.get(self.request, 0.0) + self.how.timeout
        return request
