"""A partition: some of the records of a log, at offsets of their own, for one group.

It holds no records, only their places: their offsets in the log. The group's offset is committed in
the log as such a place, so that a partition that is built again from a durable log finds it.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise

from lab.roles.log import COMPACT_AT, Log


class Partition:
    """The records at offsets `start` … `end - 1`, of which the group has `committed` the first."""

    def __init__(self, log: Log, number: int) -> None:
        self.log = log
        self.name = f"group/{number}"
        self.start = 0
        self.committed = 0  # the group is done with all before it
        self.position = 0  # this generation was given all before it
        self._first = 0  # the offset of the first of the places
        self._places = array("q")

    @property
    def end(self) -> int:
        return self._first + len(self._places)

    @property
    def ready(self) -> int:
        return self.end - self.position

    @property
    def lag(self) -> int:
        return self.end - max(self.committed, self.start)

    def append(self, place: int) -> None:
        self._places.append(place)

    def resume(self) -> None:
        """Begin where a group before has left off."""
        place = self.log.committed.get(self.name, 0)
        self.committed = self._first + bisect_left(self._places, place)

    def rewind(self) -> int:
        """Go back to where the group has left off, and return that offset."""
        self.position = self.committed = max(self.committed, self.start)
        return self.position

    def seek(self, offset: int) -> None:
        """Go to `offset`, which must not be past the end, or to what is left after it."""
        self.position = max(offset, self.start)

    def take(self, max_records: int) -> tuple[int, Sequence[int]]:
        """Return the position and up to `max_records` messages from there on, and go past them."""
        offset, read = self.position, self.log.read
        first = offset - self._first
        messages = [read(place, 1)[0] for place in self._places[first : first + max_records]]
        self.position += len(messages)
        return offset, messages

    def commit(self, offset: int) -> None:
        """Keep in the log that the group is done with all records before `offset`.

        What comes late undoes nothing.
        """
        last = offset - 1 - self._first
        if offset > self.committed and last >= 0:
            self.committed = offset
            self.log.commit(self.name, self._places[last] + 1)

    def forget(self) -> Iterable[int]:
        """Forget what the log has forgotten, and return the places of what nobody was given."""
        first = self.start - self._first
        last = bisect_left(self._places, self.log.start, first)
        unread = self._places[max(first, min(last, self.position - self._first)) : last]
        self.start = self._first + last
        self.position = max(self.position, self.start)
        if last >= COMPACT_AT:
            del self._places[:last]
            self._first = self.start
        return unread


def ranges(partitions: int, members: int) -> list[range]:
    """Share `partitions` out in ranges; where they do not go even, the first members get one more."""
    each, more = divmod(partitions, members)
    starts = [i * each + min(i, more) for i in range(members + 1)]
    return [range(a, b) for a, b in pairwise(starts)]
