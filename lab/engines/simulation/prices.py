"""What each protocol message costs on each kind of wire: CPU time and bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.engines.simulation.loop import HTTP, OTHER, STREAMS, Charge, charge
from lab.engines.simulation.record import Record
from lab.messages import (
    Accepted,
    Ack,
    Assigned,
    Beat,
    Check,
    Commit,
    Committed,
    Deliver,
    Fetch,
    Found,
    Heartbeat,
    Join,
    Message,
    Nack,
    OutOfRange,
    Publish,
    Records,
    Refused,
    Seek,
    Status,
)
from lab.physics import ConnectionCosts, Cost, LoopCosts, Physics
from lab.strategies import Call, Exchange, Stream
from lab.strategies.base import Wire
from lab.wire.formats import http_size, websocket_size
from lab.wire.group_format import GroupFormat

Quote = tuple[Charge, Charge, Charge, Charge, Charge, int]
"""To send a message, to send it as the first in its turn, to receive it, likewise, after sending;
its bytes."""

FREE = Cost()
REQUESTS_TO_BROKER = (Fetch, Check, Seek)
ANSWERS_OF_BROKER = (Records, Status, OutOfRange, Found)
REQUESTS_OF_MEMBERS = (Fetch, Join, Heartbeat, Commit)
ANSWERS_TO_MEMBERS = (Records, Assigned, Beat, Committed, Refused)
CALL, RETURN = OTHER, OTHER << 3  # bits of code, three for each: messages alike run the same
STREAM, PING = STREAMS, STREAMS << 3
ASK, ANSWER, OPEN = HTTP, HTTP << 3, HTTP << 6
TYPICAL = 1_000  # an offset with as many digits as in most runs
FETCH = Fetch(0, TYPICAL, 10_000)


@dataclass(frozen=True)
class Prices:
    """By type of message: the price of sending and of receiving it, and its bytes but records.

    `code` is the first of three bits that name what sends it, what receives it, and what follows.
    `resume` is what it costs in seconds to take a held request up again; `empty_head` is the size of
    an answer that holds no records, `not_modified` that of a 304. `warm_after` says that what follows
    when a message is on its way is warm work.
    """

    loop: LoopCosts
    code: Mapping[Any, int]
    send: Mapping[Any, Cost]
    receive: Mapping[Any, Cost]
    head: Mapping[Any, int]
    resume: float = 0.0
    empty_head: int = 0
    not_modified: int = 0
    warm_after: bool = False

    def quote(self, kind: type, count: int, size: int) -> Quote:
        """Return the charges for a message of `count` records and `size` bytes."""
        send, receive = self.send[kind], self.receive[kind]
        sending = self.code[kind]
        receiving, after = sending << 1, sending << 2
        to_send, to_receive = (cost.fixed + cost.record * min(count, 1) for cost in (send, receive))
        sent, received = (
            cost.record * max(count - 1, 0) + cost.byte * size for cost in (send, receive)
        )
        cold, as_cold = self.loop.cold * send.cold, self.loop.cold * receive.cold
        anew, again = (0.0, send.after) if self.warm_after else (send.after, 0.0)
        return (
            charge(to_send, sending, cold, sent),
            charge(to_send + send.once, sending, cold, sent),
            charge(to_receive, receiving, as_cold, received),
            charge(to_receive + receive.once, receiving, as_cold, received),
            charge(anew, after, cold, again),
            size,
        )

    def without_records(self) -> dict[type, Quote]:
        """Return the quotes of all types of message that hold no records."""
        return {kind: self.quote(kind, 0, size) for kind, size in self.head.items()}


class Quotes:
    """Quotes for messages of type `kind` by the records in them.

    Where all messages have one size, each count is worked out once.
    """

    def __init__(self, prices: Prices, kind: type, record: Record) -> None:
        self.prices = prices
        self.kind = kind
        self.record = record
        self.known: dict[int, Quote] = {0: prices.quote(kind, 0, prices.empty_head)}
        self.uniform = record.uniform_size > 0

    def of(self, messages: Sequence[int]) -> Quote:
        """Work out the quote. Ask `known` first: actors do so on every message."""
        count = len(messages)
        size = self.prices.head[self.kind] + self.record.bytes_of(messages)
        quote = self.prices.quote(self.kind, count, size)
        if self.uniform:
            self.known[count] = quote
        return quote


def prices(wire: Wire, physics: Physics, asked: Fetch = FETCH) -> Prices:
    """Return the prices on `wire`, on which consumers ask as in `asked`."""
    asks: tuple[type, ...]
    answers: tuple[type, ...]
    loop = physics.loop
    if isinstance(wire, Call):
        asks = (Publish, Ack, Nack, *REQUESTS_TO_BROKER)
        answers = (Deliver, Accepted, *ANSWERS_OF_BROKER)
        cost = dict.fromkeys(asks, Cost(fixed=physics.call.ask))
        cost |= dict.fromkeys(answers, physics.call) | {Accepted: FREE}
        codes = dict.fromkeys(asks, CALL) | dict.fromkeys(answers, RETURN)
        return Prices(loop, codes, cost, dict.fromkeys(cost, FREE), dict.fromkeys(cost, 0))
    if isinstance(wire, Stream):
        kinds = (Publish, Accepted, Deliver, Ack, Nack)
        send = dict.fromkeys(kinds, physics.stream.send)
        receive = dict.fromkeys(kinds, physics.stream.receive)
        heads = {kind: _stream_head(wire, kind) for kind in kinds}
        codes = dict.fromkeys(kinds, STREAM)
        return Prices(loop, codes, send, receive, heads, warm_after=True)
    return _exchange(wire, physics, asked)


def _exchange(wire: Exchange, physics: Physics, asked: Fetch) -> Prices:
    costs = physics.exchange
    new = ConnectionCosts() if wire.keep_alive else physics.connection
    asks: tuple[type, ...] = REQUESTS_TO_BROKER
    answers: tuple[type, ...] = ANSWERS_OF_BROKER
    if wire.server == "consumer":
        asks, answers = (Deliver,), (Ack, Nack)
    elif isinstance(wire.format, GroupFormat):
        asks, answers = REQUESTS_OF_MEMBERS, ANSWERS_TO_MEMBERS
    opened = Cost(fixed=new.client, cold=new.cold)
    accepted = Cost(fixed=new.server, cold=new.cold)
    closed, closing = Cost(fixed=new.close, cold=new.cold), Cost(after=new.close, cold=new.cold)
    send = dict.fromkeys(asks, _both(costs.request, opened))
    send |= dict.fromkeys(answers, _both(costs.reply, closing))
    receive = dict.fromkeys(asks, _both(costs.serve, accepted))
    receive |= dict.fromkeys(answers, _both(costs.response, closed))
    close = 0 if wire.keep_alive else len("Connection: close\r\n")
    heads = {kind: close + _head(wire, kind, asked, kind in asks) for kind in (*asks, *answers)}
    empty, unchanged, resume = 0, 0, 0.0
    if wire.server == "broker":
        resume = costs.resume
        empty = close + http_size(wire.format.response(Records(0, TYPICAL, ()), str))
        if Status in answers:
            unchanged = close + http_size(wire.format.response(Status(0, TYPICAL, False), str))
    codes = dict.fromkeys(asks, ASK) | dict.fromkeys(answers, ANSWER)
    return Prices(physics.loop, codes, send, receive, heads, resume, empty, unchanged)


def opening(physics: Physics) -> tuple[Charge, Charge]:
    """Return what opening a connection costs besides a request: who asks, and who is asked."""
    costs, cold = physics.connection, physics.loop.cold * physics.connection.cold
    return charge(costs.client, OPEN, cold), charge(costs.server, OPEN << 1, cold)


def _both(cost: Cost, other: Cost) -> Cost:
    """Return what a message costs that also needs `other`; what the cold adds is that of the two."""
    fixed, after = cost.fixed + other.fixed, cost.after + other.after
    cold = cost.cold * (cost.fixed + cost.after) + other.cold * (other.fixed + other.after)
    work = fixed + after
    changes = {"fixed": fixed, "after": after, "cold": cold / work if work else cost.cold}
    return cost.model_copy(update=changes)


def _stream_head(wire: Stream, kind: type) -> int:
    if kind is not Deliver and not wire.duplex:
        return 0
    samples: dict[type, Message] = {
        Publish: Publish(()),
        Accepted: Accepted(TYPICAL),
        Nack: Nack(0, TYPICAL),
        Deliver: Deliver(0, TYPICAL, ()),
        Ack: Ack(0, TYPICAL),
    }
    length = len(wire.format.encode(samples[kind], str))
    if not wire.duplex:  # a chunk of an HTTP response: its length in hex and two line ends
        return length + 6
    return websocket_size(length, masked=kind not in (Deliver, Accepted))


def _head(wire: Exchange, kind: type, asked: Fetch, asks: bool) -> int:
    form, some = wire.format, asked.positions
    samples: dict[type, Message] = {
        Deliver: Deliver(0, TYPICAL, ()),
        Ack: Ack(0, TYPICAL),
        Nack: Nack(0, TYPICAL),
        Fetch: asked if asked.offset is None else asked._replace(offset=TYPICAL),
        Check: Check(0, TYPICAL),
        Status: Status(0, TYPICAL, True),
        OutOfRange: OutOfRange(0, 0, TYPICAL),
        Seek: Seek(0, "latest"),
        Found: Found(0, TYPICAL),
        Join: Join(0),
        Assigned: Assigned(0, asked.generation, some),
        Heartbeat: Heartbeat(0, asked.generation),
        Beat: Beat(0),
        Commit: Commit(0, asked.generation, some[:1]),
        Committed: Committed(0),
        Refused: Refused(0, asked.generation),
    }
    if kind is Records:  # an answer with records holds at least this
        parts = tuple((number, offset, 1) for number, offset in some[:1])
        least = Records(0, TYPICAL, (0,), 0, asked.generation, parts)
        return http_size(form.response(least, lambda _: ""))
    sample = samples[kind]
    return http_size(form.request(sample, str) if asks else form.response(sample, str))
