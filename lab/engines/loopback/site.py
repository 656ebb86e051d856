"""One process of a run: its clock, its part of the trace, its counters, its tasks."""

import asyncio
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lab.engines import common
from lab.engines.loopback import columns, settings
from lab.engines.loopback.job import Job
from lab.faults import Fault, SlowConsumer
from lab.wire.formats import BadRequest


class Site:
    """What the parts of a run in one process have in common."""

    def __init__(self, name: str, job: Job) -> None:
        self.name = name
        self.messages = job.messages
        self.consumers = job.consumers
        self.ping_interval = job.ping_interval
        self.counting: list[Any] = []  # connections that count what they read
        self.socket_buffer = job.socket_buffer
        self.dialling = 0  # connections that are being made
        self.loop = asyncio.get_running_loop()
        self.ledger = common.Ledger()
        self.start = math.inf  # CLOCK_MONOTONIC of the start of the run
        self.poison: frozenset[int] = frozenset()
        self.slow: Sequence[Fault] = ()
        self.trouble = trouble = job.trouble
        if trouble is None:
            self.columns = columns.in_memory(job.size)
        else:
            self.columns = columns.in_files(trouble.folder, job.size)
            self.poison = trouble.poison
            self.slow = [fault for fault in trouble.faults if isinstance(fault, SlowConsumer)]
        self.counters = dict.fromkeys(
            ("requests", "empty_replies", "bytes_in", "bytes_out", "bytes_back"), 0
        )
        self.peers: set[Any] = set()  # addresses from which consumers or the broker connected
        self.counts = dict.fromkeys(("subscribed", "done", "settled", "acked"), 0)
        self.tasks: set[asyncio.Task[None]] = set()
        self.errors: list[str] = []
        self.closed = False  # the run is over, and nothing that happens now counts
        self.loop.set_exception_handler(self._broke)

    def now(self) -> float:
        """Return seconds from the start of the run."""
        return time.monotonic() - self.start

    def limit_buffers(self, transport: Any) -> None:
        """Have the socket of a stream hold as much as the run wants, if it cares."""
        if self.socket_buffer:
            settings.limit_buffers(transport.get_extra_info("socket"), self.socket_buffer)

    def views(self, name: str) -> list[Any]:
        """Return a view of the column of each consumer; those who share a row have the same."""
        rows = [common.view(row) for row in self.columns[name]]
        return rows * self.consumers if len(rows) == 1 else rows

    def check(self, consumer: int, messages: Sequence[int] = ()) -> None:
        """Refuse what came from the network for a consumer, or of messages, that are not there."""
        if consumer >= self.consumers:
            raise BadRequest(400, f"consumer: there is no {consumer}")
        if len(messages) and max(messages) >= len(self.messages):
            raise BadRequest(400, f"id: there is no message {max(messages)}")

    def met(self, peer: Any) -> None:
        """Note the address, which is None if it is gone, of a client: each connection has another."""
        if peer is not None:
            self.peers.add(peer)

    def run(self, coroutine: Any) -> asyncio.Task[None]:
        """Run a coroutine as a task of this site; what it raises is reported with the run."""
        task = self.loop.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    @contextmanager
    def dials(self) -> Iterator[None]:
        """Count a connection that is being made as something to be done yet."""
        self.dialling += 1
        try:
            yield
        finally:
            self.dialling -= 1

    def report(self, error: BaseException | None) -> None:
        """Have the run fail because of `error`, which is a fault of ours."""
        if self.closed:
            return
        self.errors.append(repr(error))
        if self.trouble:
            self.trouble.note_error(f"{self.name}: {error!r}")

    def _broke(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Report with the run what a timer's callback raises; for the rest do as usual."""
        if "handle" in context:
            self.report(context.get("exception"))
        else:
            loop.default_exception_handler(context)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            self.report(task.exception())
