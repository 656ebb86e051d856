"""The open-loop producer: it sends each message at its intended time, whatever became of the last.

Only a connection that takes no more can hold it back; what is then due waits in the producer.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

from lab.messages import Blocked, Message, Publish, Writable, make


class Producer:
    """Publishes message `i` at `times[i]` seconds; `times` must not decrease."""

    accepting = True

    def __init__(self, times: Sequence[float]) -> None:
        self.times = times
        self.count = len(times)
        self.next = 0
        self.blocked = False
        self.wake_at = times[0] if len(times) else math.inf

    def receive(self, message: Message, now: float) -> Iterable[Message]:
        if isinstance(message, Blocked):
            self.blocked = True
            self.wake_at = math.inf
        elif isinstance(message, Writable):
            self.blocked = False
            return self._catch_up(now)
        return ()

    def wake(self, now: float) -> Sequence[Message]:
        """Publish what is due, each message by itself."""
        due: list[Message] = []
        times, i, n = self.times, self.next, self.count
        while i < n and times[i] <= now:
            due.append(make(Publish, ((i,),)))
            i += 1
        self.next = i
        self.wake_at = times[i] if i < n else math.inf
        return due

    def _catch_up(self, now: float) -> Iterator[Message]:
        """Publish what became due while blocked, one by one, until blocked again."""
        while not self.blocked and self.next < self.count and self.times[self.next] <= now:
            self.next += 1
            yield Publish((self.next - 1,))
        if not self.blocked:
            self.wake_at = self.times[self.next] if self.next < self.count else math.inf
