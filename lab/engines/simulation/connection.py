"""A connection that can break: both directions of it, and what its ends are told.

Only runs with faults have these; elsewhere a link is all there is. Times are whole nanoseconds.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from lab.engines.simulation.link import Link
from lab.engines.simulation.loop import ARRIVAL, Ready
from lab.messages import Ack, Deliver, Disconnected, Nack, OutOfRange, Subscribe, Writable

if TYPE_CHECKING:
    from lab.engines.simulation.actor import Actor

Kind = Literal["ingest", "stream", "push", "pull"]


class Told(Ready):
    """Something an actor is told by the system: ready on its loop like whatever arrives."""

    def __init__(self, actor: "Actor", message: Any, rank: int) -> None:
        self.actor = actor
        self.message = message
        self.rank = rank
        self.life = actor.life

    def run(self, now: int, begun: int) -> int:
        if self.actor.life != self.life:  # whom this was for is dead
            return now
        return self.actor.handle(self.message, now)


class Greeting(Told):
    """The first word on a new stream; only then does the broker's end write to the new one."""

    def __init__(self, actor: "Actor", message: Any, rank: int, connection: "Connection") -> None:
        super().__init__(actor, message, rank)
        self.connection = connection
        self.number = connection.number

    def run(self, now: int, begun: int) -> int:
        if self.connection.number != self.number or not self.connection.is_open:
            return now  # it broke again before it was heard
        self.connection.greeted = True
        return super().run(now, begun)


class Connection:
    """The links `there` and `back` of a consumer, or of the producer.

    An `ingest` is a stream from the producer to the broker, which the producer opens; a `stream`
    leads from the broker to a consumer, which opens it. Requests open connections themselves: those
    of a `push` go from the sender to the consumer, those of a `pull` from the consumer to the broker.
    """

    def __init__(
        self, kind: Kind, there: Link, back: Link, ranks: Iterator[int], consumer: int = 0
    ) -> None:
        self.kind = kind
        self.there, self.back = there, back
        self.ranks = ranks  # for what is told, so that nothing is ready at the same rank
        self.consumer = consumer
        self.is_open = True
        self.greeted = True
        self.number = 0  # how often it was opened again
        self.down = 0  # how many faults keep it from being made
        self.silent = 0  # how many make everything vanish
        self.losing: set[Link] = set()  # whose next message is lost
        self.pushed: dict[tuple[int, int, int], Deliver] = {}  # requests that have no answer yet
        there.connection = back.connection = self

    @property
    def dialler(self) -> "Actor":
        """The end that opens the connection."""
        return self.there.receiver if self.kind == "stream" else self.there.sender

    def reachable(self) -> bool:
        """Say whether a connection can be made: the way is there, and so are both ends."""
        return not self.down and self.there.sender.alive and self.there.receiver.alive

    def swallows(self, link: Link, message: Any, now: int) -> bool:
        """Say whether `message`, just sent, goes no further; tell who must know."""
        asked = link is self.there and self.kind in ("push", "pull")
        if isinstance(message, Deliver) and asked:
            self.pushed[_request(message)] = message
        if asked and not self.is_open:
            if not self.reachable():
                self._fail(message, now + 2 * link.delay)
                return True
            self.is_open = True
        if self.silent:
            return True
        if link in self.losing:
            self.losing.discard(link)
            self.break_off(now)
            return True
        if isinstance(message, Ack | Nack) and self.is_open:
            self.pushed.pop(_request(message), None)
        return not self.is_open or (link is self.there and not self.greeted)

    def _fail(self, request: Any, at: int) -> None:
        """Tell who asked that there will be no answer."""
        failed: Any = Disconnected(request.consumer)
        if isinstance(request, Deliver):
            self.pushed.pop(_request(request), None)
            which = request.consumer, request.offset, request.attempt
            failed = Nack(*which, epoch=request.epoch)
        self._tell(self.there.sender, failed, at)

    def break_off(self, now: int) -> None:
        """End the connection at once: what is under way is lost, and its ends are told."""
        self.there.clear()
        self.back.clear()
        if not self.is_open:
            return
        self.is_open = False
        self.there.shut()
        at = now + self.there.delay
        if self.kind == "push":
            for delivery in list(self.pushed.values()):
                self._fail(delivery, at)
            return
        gone = Disconnected(self.consumer)
        self._tell(self.there.sender, gone, at)
        if self.kind != "ingest":
            self._tell(self.there.receiver, gone, at)

    def delay(self, change: int) -> None:
        """Have everything take `change` nanoseconds more, each way."""
        for link in (self.there, self.back):
            link.delay += change

    def limit(self, ns_per_byte: float | None, now: int) -> None:
        """Let a byte pass in so many nanoseconds; None is as it was at first."""
        for link in (self.there, self.back):
            link.limit(link.usual if ns_per_byte is None else ns_per_byte, now)

    def dial(self, first: Subscribe | None, now: int) -> None:
        """Try to open a stream; `first` is what its opener says at once."""
        at = now + 2 * self.there.delay
        if not self.reachable():
            self._tell(self.dialler, Disconnected(self.consumer), at)
            return
        self.is_open = True
        if first is None:
            self._tell(self.dialler, Writable(), at)
        else:
            broker = self.there.sender
            self.greeted = False
            self.number += 1
            broker.loop.add(at, ARRIVAL, Greeting(broker, first, next(self.ranks), self))

    def refuse(self, why: OutOfRange, now: int) -> None:
        """Tell who opened a stream that the broker does not have what it asked for."""
        self._tell(self.dialler, why, now + self.there.delay)

    def _tell(self, actor: "Actor", message: Any, at: int) -> None:
        if actor.alive:
            actor.loop.add(at, ARRIVAL, Told(actor, message, next(self.ranks)))


def _request(message: Deliver | Ack | Nack) -> tuple[int, int, int]:
    """Return which request this is, or answers."""
    return message.offset, message.attempt, message.epoch
