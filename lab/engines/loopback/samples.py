"""Where messages wait, noted now and then by each side for what it can see."""

import array
import fcntl
import math
import sys
import termios
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from lab.engines import common
from lab.engines.loopback import columns
from lab.engines.loopback.events import EventListener, EventSource
from lab.engines.loopback.http import Answering, Asking
from lab.engines.loopback.hub import WebSocketHub
from lab.engines.loopback.job import Trouble
from lab.engines.loopback.outlet import Outlet
from lab.engines.loopback.parts import Parts
from lab.engines.loopback.websocket import WebSocketListener, WebSocketPublisher
from lab.trace import PLACES

HEAD = 30  # bytes around a record
EARLY = 0.01  # of a row: a timer may go off that much before its time
INGEST, LIBRARY, KERNEL, RECEIVER = (
    "to the broker",
    "sender's library",
    "kernel",
    "receiver's library",
)


class Sampler:
    """Notes every `trouble.sample` seconds how many messages wait in this side."""

    def __init__(self, parts: Parts, trouble: Trouble) -> None:
        self.parts = parts
        self.every = trouble.sample
        sides = parts.job.layout.sides
        rows = columns.samples(trouble.folder, len(sides), trouble.samples)
        self.rows = rows[sides.index(parts.name)]
        self.created = common.view(parts.job.messages.created)
        self.size = float(parts.job.messages.size.mean()) + HEAD  # bytes of a message on its way
        self.next = 0

    def begin(self) -> None:
        """Start now, with the next time that is due."""
        self.next = max(0, math.ceil(self.parts.site.now() / self.every))
        self._plan()

    def _plan(self) -> None:
        if self.next < len(self.rows):
            site = self.parts.site
            site.loop.call_at(site.start + self.next * self.every, self._note)

    def _note(self) -> None:
        """Fill the row of this moment; those that a busy loop missed are as the one before them."""
        due = min(int(self.parts.site.now() / self.every + EARLY), len(self.rows) - 1)
        if 0 < self.next < due:
            self.rows[self.next : due] = self.rows[self.next - 1]
        row = self.rows[due]
        for place, count in self._waiting():
            row[PLACES.index(place)] += count
        self.next = due + 1
        self._plan()

    def _waiting(self) -> Iterator[tuple[str, float]]:
        parts = self.parts
        if parts.source:
            due = bisect_right(self.created, parts.site.now())
            yield "producer", due - parts.source.role.next  # type: ignore[attr-defined]
        if parts.broker:
            yield "broker", common.waiting(parts.broker.role)
        yield "consumer", sum(common.waiting(consumer.role) for consumer in parts.consumers)
        for end in (*parts.servers.values(), *parts.answering, *parts.clients):
            for place, size in _bytes(end):
                yield place, size / self.size


def _bytes(end: Any) -> Iterator[tuple[str, float]]:
    """Yield how many bytes wait where, at one end of the connections of a side."""
    if isinstance(end, WebSocketHub | EventSource):
        for outlet in end.outlets.values():
            yield LIBRARY, _in_library(outlet)
            yield KERNEL, _unsent(outlet.transport)
    if isinstance(end, WebSocketHub) and end.publisher:
        yield INGEST, _unread(end.publisher.transport) + _frames(end.publisher)
    if isinstance(end, WebSocketPublisher) and end.outlet:
        yield INGEST, _in_library(end.outlet) + _unsent(end.outlet.transport)
    if isinstance(end, WebSocketListener) and end.connection:
        yield KERNEL, _unread(end.connection.transport)
        yield RECEIVER, _frames(end.connection)
    if isinstance(end, Answering | Asking):
        yield from _http_bytes(end)
    if isinstance(end, EventListener) and end.content:
        yield KERNEL, _unread(end.transport)
        yield RECEIVER, end.content.total_bytes - end.taken


def _http_bytes(end: Answering | Asking) -> Iterator[tuple[str, float]]:
    """Yield how many bytes wait at one end of requests and answers, on the way that messages take.

    The other way there are heads only. What has arrived is read at once, so that no library holds any.
    """
    sends = isinstance(end, Answering) == (end.wire.server == "broker")
    for sock in end.sockets():
        yield KERNEL, _ask(sock, termios.TIOCOUTQ if sends else termios.FIONREAD)
    if sends and isinstance(end, Answering):
        for transport in end.server.transports():
            yield LIBRARY, transport.get_write_buffer_size()


def _in_library(outlet: Outlet) -> int:
    waiting = sum(len(frame) for frame in outlet.frames)
    return waiting + (outlet.transport.get_write_buffer_size() if outlet.transport else 0)


def _frames(connection: Any) -> int:
    """Return the bytes of the frames that the library has and nobody has read."""
    return sum(len(frame.data) for frame in connection.recv_messages.frames.queue)


def _unsent(transport: Any) -> int:
    """Return the bytes in the socket that the peer's system has not taken."""
    return _ask(_socket(transport), termios.TIOCOUTQ)


def _unread(transport: Any) -> int:
    return _ask(_socket(transport), termios.FIONREAD)


def _socket(transport: Any) -> Any:
    return transport.get_extra_info("socket") if transport else None


def _ask(sock: Any, what: int) -> int:
    """Ask the system about a socket; 0 if it is closed, or if the system does not tell."""
    count = array.array("i", [0])
    if what == termios.TIOCOUTQ and sys.platform != "linux":
        return 0
    try:
        fcntl.ioctl(sock.fileno(), what, count)
    except (OSError, AttributeError, ValueError):
        return 0
    return count[0]
