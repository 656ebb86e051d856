"""What each protocol message costs on each kind of wire: CPU nanoseconds and bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.engines.simulation.loop import SECOND
from lab.engines.simulation.record import Record
from lab.formats import http_size, websocket_size
from lab.messages import (
    Ack,
    Check,
    Deliver,
    Fetch,
    Message,
    Nack,
    OutOfRange,
    Publish,
    Records,
    Status,
)
from lab.physics import Cost, Physics
from lab.strategies import Call, Exchange, Stream
from lab.strategies.base import Wire

Price = tuple[float, float, float]  # nanoseconds: fixed, for each record, for each byte

FREE: Price = (0.0, 0.0, 0.0)
REQUESTS_TO_BROKER = (Fetch, Check)
ANSWERS_OF_BROKER = (Records, Status, OutOfRange)
TYPICAL = 1_000  # an offset with as many digits as in most runs
FETCH = Fetch(0, TYPICAL, 10_000)


@dataclass(frozen=True)
class Prices:
    """By type of message: the price of sending and of receiving it, and its bytes but records.

    `tracked` says that deliveries are acknowledged; `resume` is what it costs in nanoseconds to
    take a held request up again; `empty_head` is the size of an answer that holds no records.
    """

    send: Mapping[Any, Price]
    receive: Mapping[Any, Price]
    head: Mapping[Any, int]
    tracked: bool = False
    resume: float = 0.0
    empty_head: int = 0


class Quotes:
    """Prices of messages of type `kind` by the records in them: (to send, to receive, bytes).

    Nanoseconds without noise. Where all messages have one size, each count is worked out once.
    """

    def __init__(self, prices: Prices, kind: type, record: Record) -> None:
        self.send = prices.send[kind]
        self.receive = prices.receive[kind]
        self.head = prices.head[kind]
        self.record = record
        self.known: dict[int, tuple[float, float, int]] = {0: self._quote(0, prices.empty_head)}
        self.uniform = record.uniform_size > 0

    def of(self, messages: Sequence[int]) -> tuple[float, float, int]:
        """Work out the quote. Ask `known` first: actors do so on every message."""
        quote = self._quote(len(messages), self.head + self.record.bytes_of(messages))
        if self.uniform:
            self.known[len(messages)] = quote
        return quote

    def _quote(self, count: int, size: int) -> tuple[float, float, int]:
        send, receive = (
            price[0] + price[1] * count + price[2] * size for price in (self.send, self.receive)
        )
        return send, receive, size


def prices(wire: Wire, physics: Physics, tracked: bool, asked: Fetch = FETCH) -> Prices:
    """Return the prices on `wire`, on which consumers ask as in `asked`."""
    kinds: tuple[type, ...]
    if isinstance(wire, Call):
        kinds = (Publish, Deliver, Ack, Nack, Fetch, Check, *ANSWERS_OF_BROKER)
        cost = dict.fromkeys(kinds, _price(physics.call))
        return Prices(cost, dict.fromkeys(kinds, FREE), dict.fromkeys(kinds, 0), tracked)
    if isinstance(wire, Stream):
        kinds = (Publish, Deliver, Ack)
        send, receive = _price(physics.stream.send), _price(physics.stream.receive)
        heads = {kind: _stream_head(wire, kind) for kind in kinds}
        return Prices(dict.fromkeys(kinds, send), dict.fromkeys(kinds, receive), heads, tracked)
    return _exchange(wire, physics, tracked, asked)


def _exchange(wire: Exchange, physics: Physics, tracked: bool, asked: Fetch) -> Prices:
    costs, new = physics.exchange, physics.connection
    extra = (0.0, 0.0) if wire.keep_alive else (new.client * SECOND, new.server * SECOND)
    asks: tuple[type, ...] = REQUESTS_TO_BROKER
    answers: tuple[type, ...] = ANSWERS_OF_BROKER
    if wire.server == "consumer":
        asks, answers = (Deliver,), (Ack, Nack)
    send = dict.fromkeys(asks, _price(costs.request, extra[0]))
    send |= dict.fromkeys(answers, _price(costs.reply))
    receive = dict.fromkeys(asks, _price(costs.serve, extra[1]))
    receive |= dict.fromkeys(answers, _price(costs.response))
    close = 0 if wire.keep_alive else len("Connection: close\r\n")
    heads = {kind: close + _exchange_head(wire, kind, asked) for kind in (*asks, *answers)}
    empty, resume = 0, 0.0
    if wire.server == "broker":
        resume = costs.resume * SECOND
        empty = close + http_size(wire.format.response(Records(0, TYPICAL, ()), str))
    return Prices(send, receive, heads, tracked, resume, empty)


def _price(cost: Cost, extra: float = 0.0) -> Price:
    return cost.fixed * SECOND + extra, cost.record * SECOND, cost.byte * SECOND


def _stream_head(wire: Stream, kind: type) -> int:
    if kind is not Deliver and not wire.duplex:
        return 0
    samples: dict[type, Message] = {
        Publish: Publish(()),
        Deliver: Deliver(0, TYPICAL, ()),
        Ack: Ack(0, TYPICAL),
    }
    length = len(wire.format.encode(samples[kind], str))
    if not wire.duplex:  # a chunk of an HTTP response: its length in hex and two line ends
        return length + 6
    return websocket_size(length, masked=kind is not Deliver)


def _exchange_head(wire: Exchange, kind: type, asked: Fetch) -> int:
    form = wire.format
    samples: dict[type, Message] = {
        Deliver: Deliver(0, TYPICAL, ()),
        Ack: Ack(0, TYPICAL),
        Nack: Nack(0, TYPICAL),
        Fetch: asked if asked.offset is None else asked._replace(offset=TYPICAL),
        Check: Check(0, TYPICAL),
        Status: Status(0, TYPICAL, True),
        OutOfRange: OutOfRange(0, 0, TYPICAL),
    }
    if kind is Records:  # an answer with records holds at least this
        body = b'{"offset":1000,"records":[]}'
        empty = form.response(Records(0, TYPICAL, (0,)), lambda _: "")
        return http_size(empty._replace(body=body))
    sample = samples[kind]
    asks = kind in (REQUESTS_TO_BROKER if wire.server == "broker" else (Deliver,))
    return http_size(form.request(sample, str) if asks else form.response(sample, str))
