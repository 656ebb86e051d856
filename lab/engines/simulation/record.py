"""The columns of a simulated trace while they are written: whole nanoseconds, NEVER if not yet.

Written through memoryviews, which is several times faster than through NumPy, and turned into
seconds in place at the end, so that a million messages cost no second copy.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.engines import common
from lab.engines.simulation.loop import NEVER
from lab.trace import Counters, Trace
from lab.workload import Messages


class Record:
    """Stamps by message (`sent`, `at_broker`) and by consumer and message (the others).

    Where consumers share the messages they have one row of each together.
    """

    def __init__(self, messages: Messages, members: int, shared: bool = False) -> None:
        n = len(messages)
        consumers = 1 if shared else members
        self.messages = messages
        self.consumers = consumers
        self.times = members // consumers  # each row stands for so many
        self.created = common.view(messages.created)
        self.work = common.view(messages.work)
        self.has_work = bool(messages.work.any()) or messages.per_batch > 0
        self.sizes = common.view(messages.size)
        uniform = n > 0 and bool((messages.size == messages.size[0]).all())
        self.uniform_size = int(messages.size[0]) if uniform else 0
        self._columns: dict[str, NDArray[np.int64]] = {}
        self.sent = self._stamps("sent", n)[0]
        self.at_broker = self._stamps("at_broker", n)[0]
        self.accepted = self._stamps("accepted", n)[0]
        self.left_broker = self._stamps("left_broker", n, consumers)
        self.received = self._stamps("received", n, consumers)
        self.started = self._stamps("started", n, consumers)
        self.done = self._stamps("done", n, consumers)
        self.acked = self._stamps("acked", n, consumers)
        self._attempts = np.zeros((consumers, n), np.int16)
        self.repeats = self._views(self._attempts)  # but the first attempt
        self._again = np.zeros((consumers, n), np.int16)
        self.again = self._views(self._again)  # work done, but the first time
        self._fate = np.zeros((consumers, n), np.int8)
        self.fate = self._views(self._fate)

    def _stamps(self, name: str, count: int, rows: int = 1) -> list[Any]:
        column = np.full((rows, count), NEVER, np.int64)
        self._columns[name] = column
        return self._views(column)

    def _views(self, column: NDArray[Any]) -> list[Any]:
        return [common.view(row) for row in column] * self.times

    def bytes_of(self, messages: Any) -> int:
        """Return the sum of the messages' sizes, with the separators between their records."""
        count = len(messages)
        if self.uniform_size or not count:
            return count * self.uniform_size + max(0, count - 1)
        sizes = self.sizes
        return sum([sizes[m] for m in messages]) + count - 1

    def trace(
        self,
        brokerless: bool,
        counters: Counters,
        manifest: dict[str, Any],
        drained: common.Drained | None = None,
    ) -> Trace:
        """Return the trace. The record cannot be written to afterwards."""
        n, consumers = len(self.messages), self.consumers
        self._attempts += self._columns["left_broker"] != NEVER
        columns = {name: _in_seconds(column) for name, column in self._columns.items()}
        if brokerless:
            columns["at_broker"] = np.full((1, n), np.nan)
        done = ~np.isnan(columns["done"])
        common.settle(self._fate, columns, manifest, drained)
        stamps: dict[str, Any] = {k: _per_row(c, consumers) for k, c in columns.items()}
        return Trace(
            message=np.tile(np.arange(n, dtype=np.int32), consumers),
            consumer=np.repeat(np.arange(consumers, dtype=np.int16), n),
            size=_per_row(self.messages.size[None], consumers),
            created=_per_row(self.messages.created[None], consumers),
            **stamps,
            attempts=self._attempts.reshape(-1),
            completions=(self._again + done.reshape(self._again.shape)).reshape(-1),
            fate=self._fate.reshape(-1),
            counters=counters,
            manifest=manifest,
        )


def _in_seconds(column: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return nanoseconds as seconds, in the same memory."""
    whole = column.reshape(-1)
    seconds = whole.view(np.float64)
    for first in range(0, len(whole), common.CHUNK):
        part = whole[first : first + common.CHUNK].copy()
        seconds[first : first + common.CHUNK] = np.where(part == NEVER, np.nan, part / 1e9)
    return seconds.reshape(column.shape)


def _per_row(column: NDArray[Any], consumers: int) -> NDArray[Any]:
    """Return one value for each message and consumer; a message's own value is repeated."""
    if len(column) == consumers:
        return column.reshape(-1)
    return np.tile(column[0], consumers)
