"""One direction of a connection: delay, bandwidth and a socket buffer that can be full.

A sender whose bytes do not fit is told that it is blocked, and told again when the receiver has
read enough. A call within one process is a link that costs no time and never fills.
"""

from collections import deque
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from lab.engines.simulation.loop import ARRIVAL, NOTHING, SECOND, WRITABLE, Charge, Ready
from lab.messages import Blocked, Message, Writable
from lab.physics import LinkPhysics
from lab.strategies.base import Stream, Wire

if TYPE_CHECKING:
    from lab.engines.simulation.actor import Actor
    from lab.engines.simulation.connection import Connection

UNLIMITED = 2**62
FRAMES = 16  # messages that a WebSocket's receiver reads ahead
WRITTEN = 32 * 2**10  # bytes that its sender's library takes before it waits
EVENTS = 128 * 2**10  # bytes that the receiver of an event stream reads ahead
RESPONSE = 64 * 2**10  # bytes that its sender's library takes


def held_by_libraries(wire: Stream, size: float) -> int:
    """Return the bytes that the libraries at both ends hold, of messages of `size` bytes."""
    return int((FRAMES + 1) * size) + WRITTEN if wire.duplex else EVENTS + RESPONSE


def read_ahead(wire: Wire, sizes: Sequence[int]) -> int:
    """Return how many of the messages that arrived, of these sizes, are in the receiver's library."""
    if isinstance(wire, Stream) and not wire.duplex:
        return sum(1 for total in accumulate(sizes) if total <= EVENTS)
    return min(len(sizes), FRAMES)


class Link(Ready):
    """Carries messages from `sender` to `receiver`, in order. `rank` breaks ties.

    Without physics it is a call within one process.
    """

    def __init__(
        self,
        sender: "Actor",
        receiver: "Actor",
        consumer: int,
        rank: int,
        physics: LinkPhysics | None,
    ) -> None:
        self.is_call = physics is None
        physics = physics or LinkPhysics()
        self.sender = sender
        self.receiver = receiver
        self.consumer = consumer
        self.rank = rank
        same_core = sender.loop.core is receiver.loop.core
        self.hop = 0.0 if same_core else physics.hop * SECOND
        self.cold_hop = self.hop * physics.drowsy
        self.delay = int(physics.delay * SECOND + self.hop)
        self.usual = SECOND / physics.bandwidth if physics.bandwidth else 0.0
        self.ns_per_byte = self.usual
        self.capacity = physics.buffer or UNLIMITED
        self.roomy = self.capacity // 4  # up to here a sender may be ahead of its receiver
        self.unread = 0  # bytes in the socket buffers
        self.bytes = 0
        self.sent = 0
        self.sent_at = 0  # the last message, where bandwidth is limited
        self.free_at = 0
        self.queue: deque[tuple[int, Message, int]] = deque()
        self.held_back: deque[tuple[Message, int]] = deque()
        self.listening = False  # whether the receiver's loop has this link on its agenda
        self.written = -1  # when the turn began in which the sender last wrote
        self.gated = True  # whether the receiver may not want to read
        self.connection: Connection | None = None  # only where faults are to come
        self.opening: tuple[Charge, Charge] = NOTHING, NOTHING  # a new connection, at either end
        self.to_open, self.to_accept = self.opening  # what of it is due with the next message

    def shut(self) -> None:
        """Have the next message open the connection first."""
        self.to_open, self.to_accept = self.opening

    def open(self, now: int) -> int:
        """Have the sender open the connection; returns when it has done so."""
        charge, self.to_open = self.to_open, NOTHING
        return self.sender.loop.pay(charge, now)

    def send(self, message: Message, size: int, now: int) -> None:
        """Take `size` bytes at `now`, or hold them back and tell the sender."""
        self.bytes += size
        self.sent += 1
        if self.connection is not None and self.connection.swallows(self, message, now):
            return
        unread = self.unread + size
        if unread > self.roomy:
            self.sender.loop.horizon = 0  # it must not get further ahead of the receiver
            if self.held_back or (self.unread and unread > self.capacity):
                if not self.held_back:
                    self.sender.handle(Blocked(self.consumer), now)
                self.held_back.append((message, size))
                return
        if self.ns_per_byte:
            self._transmit(message, size, now)
            return
        self.unread = unread
        luck = int(self.hop * (self.sender.loop.factor - 1.0))  # a hop is the sender's work
        self.queue.append((now + self.delay + luck, message, size))
        if not self.listening:
            self.listen()

    def run(self, now: int, begun: int) -> int:
        """Hand the receiver what had arrived when its turn began, while it accepts more."""
        queue, receiver = self.queue, self.receiver
        role, take = receiver.role, receiver.take
        first = True
        if not receiver.alive:
            self.listening = False
            return now
        if self.to_accept is not NOTHING:
            now = receiver.loop.pay(self.to_accept, now)
            self.to_accept = NOTHING
        while queue and (role.accepting or not self.gated):
            if queue[0][0] > begun:
                begun = receiver.loop.go_on(queue[0][0], now, cold_hop=self.cold_hop)
                if begun < 0:
                    break
                now = receiver.loop.opened
                first = True
            if not first:
                now = receiver.loop.vary(now)
            _, message, size = queue.popleft()
            self.unread -= size
            now = take(message, first, now)
            first = False
            if self.held_back:
                self._refill(now)
        self.listening = False
        if queue:
            self.listen()
        return now

    def listen(self) -> None:
        """Put the link on the receiver's agenda if there is something it wants."""
        if self.queue and not self.listening and (self.receiver.role.accepting or not self.gated):
            self.listening = True
            self.receiver.loop.add(self.queue[0][0], ARRIVAL, self)

    def _transmit(self, message: Message, size: int, now: int) -> None:
        arrives = now + self.delay
        if self.ns_per_byte:
            self.sent_at = now
            self.free_at = max(now, self.free_at) + int(size * self.ns_per_byte)
            arrives = self.free_at + self.delay
        self.unread += size
        self.queue.append((arrives, message, size))
        if not self.listening:
            self.listen()

    def _refill(self, now: int) -> None:
        while self.held_back:
            message, size = self.held_back[0]
            if self.unread and self.unread + size > self.capacity:
                return
            self.held_back.popleft()
            self._transmit(message, size, now)
        self.sender.loop.add(now, WRITABLE, Notice(self))

    def limit(self, ns_per_byte: float, now: int) -> None:
        """Let a byte pass in so many nanoseconds from `now` on, of what is under way, too."""
        before, self.ns_per_byte = self.ns_per_byte, ns_per_byte
        if not before:
            return  # what was sent is out already
        passed = self.free_at = max(now, self.sent_at)  # a turn may have sent a little ahead
        for i, (arrives, message, size) in enumerate(self.queue):
            end = arrives - self.delay
            if end > passed:
                left = min(size, (end - passed) / before)
                passed = end
                self.free_at += int(left * ns_per_byte)
                self.queue[i] = (self.free_at + self.delay, message, size)
        self._listen_anew()

    def _listen_anew(self) -> None:
        if self.receiver.loop.forget(self):
            self.listening = False
        self.listen()

    def clear(self) -> None:
        """Lose everything that is under way."""
        self.queue.clear()
        self.held_back.clear()
        self.unread = self.free_at = 0
        self._listen_anew()


class Notice(Ready):
    """Tells the sender's role that its connection is writable again."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.rank = link.rank

    def run(self, now: int, begun: int) -> int:
        if self.link.held_back:
            return now
        return self.link.sender.handle(Writable(self.link.consumer), now)
