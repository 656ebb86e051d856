"""How protocol messages look as bytes: HTTP requests and responses, WebSocket texts, event streams.

Pure functions without sockets, shared by the strategies; engines put the bytes on wires (or, in
simulation, only count them). A record is the JSON text `{"id": 17, "data": "xx…"}`, padded to the
size of its message; several records are a JSON array.

Whatever arrives is checked here. Bad input raises `BadRequest` with the HTTP status to answer.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from lab.messages import (
    Accepted,
    Ack,
    Check,
    Deliver,
    Fetch,
    Found,
    Message,
    Nack,
    OutOfRange,
    Publish,
    Records,
    Seek,
    Status,
    Subscribe,
)

Text = Callable[[int], str]  # the record of a message, by number

ACKNOWLEDGED = (102, 200, 201, 202, 204)  # the answers that Pub/Sub takes as an acknowledgement
LARGEST_OFFSET = 2**53
LONGEST_WAIT = 300.0


class BadRequest(Exception):
    """Input from the network that is not understood; `status` is the HTTP answer to give."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class HttpRequest(NamedTuple):
    """A request without its `Host` and `Content-Length` headers, which the engine adds."""

    method: str
    path: str
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: bytes = b""

    @property
    def target(self) -> str:
        if not self.query:
            return self.path
        return self.path + "?" + "&".join(f"{k}={v}" for k, v in self.query.items())


class HttpResponse(NamedTuple):
    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""


JSON = {"Content-Type": "application/json"}
REASONS = {
    200: "OK",
    204: "No Content",
    304: "Not Modified",
    409: "Conflict",
    416: "Range Not Satisfiable",
}
HOST = "127.0.0.1:40000"  # stands for the host of which only the length counts
OUT_OF_RANGE = 4416  # WebSocket close codes of our own: 4000 and the HTTP status
DATE = "Thu, 01 Jan 1970 00:00:00 GMT"
SERVER = "pushpull-lab"


class Payloads:
    """The JSON text of each message, as long as its size says (and never shorter than its id)."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = sizes
        self.padding = "x" * (max(sizes) if len(sizes) else 0)

    def __call__(self, message: int) -> str:
        head = f'{{"id":{message},"data":"'
        return f'{head}{self.padding[: max(0, self.sizes[message] - len(head) - 2)]}"}}'


def http_size(message: HttpRequest | HttpResponse) -> int:
    """Return the bytes that `message` takes on the wire, as the loopback engine sends it."""
    headers = dict(message.headers)
    if isinstance(message, HttpRequest):
        first = f"{message.method} {message.target} HTTP/1.1"
        headers["Host"] = HOST
        if message.body or message.method in ("POST", "PUT"):
            headers["Content-Length"] = str(len(message.body))
    else:
        first = f"HTTP/1.1 {message.status} {REASONS.get(message.status, '')}"
        headers |= {"Date": DATE, "Server": SERVER}
        if message.status not in (204, 304):
            headers["Content-Length"] = str(len(message.body))
    head = len(first) + 2 + sum(len(k) + len(v) + 4 for k, v in headers.items()) + 2
    return head + len(message.body)


def websocket_size(length: int, masked: bool) -> int:
    """Return the bytes of a WebSocket frame with `length` bytes of payload (RFC 6455, 5.2)."""
    extended = 0 if length < 126 else 2 if length < 65536 else 8
    return 2 + extended + (4 if masked else 0) + length


class StreamFormat(Protocol):
    """Frames of a long-lived connection."""

    def encode(self, message: Message, text: Text) -> str: ...

    def decode(self, frame: str) -> Message: ...


class HttpFormat(Protocol):
    """Requests and their answers."""

    def request(self, message: Message, text: Text) -> HttpRequest: ...

    def parse_request(self, request: HttpRequest) -> Message: ...

    def response(self, message: Message, text: Text) -> HttpResponse: ...

    def parse_response(self, asked: Message, response: HttpResponse) -> Message: ...


class JsonStream:
    """Frames as JSON objects; what producers publish, and what WebSocket push delivers."""

    def encode(self, message: Message, text: Text) -> str:
        if isinstance(message, Deliver):
            which = f"{message.offset}{_again(message.attempt)}{_of(message.epoch)}"
            return f'{{"offset":{which},"records":{records(message.messages, text)}}}'
        if isinstance(message, Ack | Nack):
            word = "ack" if isinstance(message, Ack) else "nack"
            which = f"{message.offset}{_again(message.attempt)}{_of(message.epoch)}"
            return f'{{"{word}":{which}}}'
        if isinstance(message, Publish):
            order = "" if message.sequence is None else f',"sequence":{message.sequence}'
            order += ',"once":true' if message.once else ""
            return f'{{"publish":{records(message.messages, text)}{order}}}'
        if isinstance(message, Accepted):
            return f'{{"accepted":{message.sequence}}}'
        if isinstance(message, OutOfRange):
            return refusal(message)
        if isinstance(message, Subscribe):
            offset = "null" if message.offset is None else message.offset
            return f'{{"subscribe":{message.consumer},"offset":{offset}{_of(message.epoch)}}}'
        raise TypeError(f"no frame for {message!r}")

    def decode(self, frame: str, consumer: int = 0) -> Message:
        data = parse_json(frame)
        attempt = max(1, whole(data.get("attempt", 1), "attempt"))
        epoch = whole(data.get("epoch", 0), "epoch")
        if "offset" in data and "records" in data:
            offset = whole(data["offset"], "offset")
            return Deliver(consumer, offset, ids(data["records"]), attempt, epoch)
        if "ack" in data:
            return Ack(consumer, whole(data["ack"], "ack"), attempt, epoch)
        if "nack" in data:
            return Nack(consumer, whole(data["nack"], "nack"), attempt, epoch=epoch)
        if "publish" in data:
            sequence = _optional(data.get("sequence"), "sequence")
            return Publish(ids(data["publish"]), sequence, data.get("once") is True)
        if "accepted" in data:
            return Accepted(whole(data["accepted"], "accepted"))
        if "subscribe" in data:
            start = _optional(data.get("offset"), "offset")
            return Subscribe(whole(data["subscribe"], "subscribe"), start, epoch)
        if "error" in data:
            return parse_refusal(data, consumer)
        raise BadRequest(400, "a frame holds offset and records, ack, publish or subscribe")


class PullFormat:
    """`GET /records` with a cursor, and `GET /head` with an entity tag to ask if there is more."""

    def request(self, message: Message, text: Text) -> HttpRequest:
        if isinstance(message, Check):
            tag = {"If-None-Match": f'"{position(message.offset, message.epoch)}"'}
            return HttpRequest("GET", "/head", {"consumer": str(message.consumer)}, tag)
        assert isinstance(message, Fetch | Seek)
        query = {"consumer": str(message.consumer)}
        if isinstance(message, Seek):
            to = {"offset": f"{message.offset}"} if message.to == "offset" else {}
            return HttpRequest("GET", "/offset", query | (to or {"to": f"{message.to}"}))
        if message.offset is not None:
            query["offset"] = str(message.offset)
        if message.epoch:
            query["epoch"] = str(message.epoch)
        query["max_records"] = str(message.max_records)
        if message.max_wait > 0:
            query |= {"min_records": str(message.min_records), "max_wait": f"{message.max_wait:g}"}
        return HttpRequest("GET", "/records", query)

    def parse_request(self, request: HttpRequest) -> Message:
        query = request.query
        consumer = whole(query.get("consumer", 0), "consumer")
        if request.path == "/head":
            tag = request.headers.get("If-None-Match", '"0"').strip('"')
            return Check(consumer, *parse_position(tag, "If-None-Match"))
        if request.path == "/offset":
            if "offset" in query:
                return Seek(consumer, "offset", whole(query["offset"], "offset"))
            to = query.get("to", "earliest")
            return Seek(consumer, to if to in ("earliest", "latest") else seconds(to, "to"))
        return Fetch(
            consumer,
            _optional(query.get("offset"), "offset"),
            max(1, whole(query.get("max_records", 1000), "max_records")),
            max(1, whole(query.get("min_records", 1), "min_records")),
            seconds(query.get("max_wait", 0), "max_wait"),
            whole(query.get("epoch", 0), "epoch"),
        )

    def response(self, message: Message, text: Text) -> HttpResponse:
        if isinstance(message, Status):
            tag = {"ETag": f'"{message.end}"', "Cache-Control": "no-cache"}
            if not message.changed:
                return HttpResponse(304, tag)
            return HttpResponse(200, {**JSON, **tag}, f'{{"end":{message.end}}}'.encode())
        if isinstance(message, OutOfRange):
            return HttpResponse(416, JSON, refusal(message).encode())
        if isinstance(message, Found):
            found = f'{{"offset":{message.offset},"epoch":{message.epoch}}}'
            return HttpResponse(200, JSON, found.encode())
        assert isinstance(message, Records)
        if not len(message.messages):
            return HttpResponse(204, {"Cache-Control": "no-store"})
        first = f"{message.offset}{_of(message.epoch)}"
        body = f'{{"offset":{first},"records":{records(message.messages, text)}}}'
        return HttpResponse(200, {**JSON, "Cache-Control": "no-store"}, body.encode())

    def parse_response(self, asked: Message, response: HttpResponse) -> Message:
        assert isinstance(asked, Check | Fetch | Seek)
        who, status = asked.consumer, response.status
        if isinstance(asked, Check):
            if status == 304:
                return Status(who, asked.offset, False)
            if status != 200:
                raise BadRequest(status, f"unexpected answer {status}")
            return Status(who, whole(parse_json(response.body).get("end"), "end"), True)
        if isinstance(asked, Fetch) and status == 204:
            return Records(who, asked.offset or 0, (), asked.epoch)
        if status not in (200, 416):
            raise BadRequest(status, f"unexpected answer {status}")
        data = parse_json(response.body)
        if status == 416:
            return parse_refusal(data, who)
        epoch = whole(data.get("epoch", 0), "epoch")
        offset = whole(data.get("offset"), "offset")
        if isinstance(asked, Seek):
            return Found(who, offset, epoch)
        return Records(who, offset, ids(data.get("records")), epoch)


class PushFormat:
    """`POST /messages`, or an idempotent `PUT /messages/ID`; any 2xx acknowledges."""

    def __init__(self, method: str = "POST") -> None:
        self.method = method

    def request(self, message: Message, text: Text) -> HttpRequest:
        assert isinstance(message, Deliver)
        which = "" if self.method == "POST" else f"/{position(message.offset, message.epoch)}"
        path = f"/messages{which}"
        query = {"consumer": str(message.consumer), "attempt": str(message.attempt)}
        first = f"{message.offset}{_of(message.epoch)}"
        body = f'{{"offset":{first},"records":{records(message.messages, text)}}}'
        return HttpRequest(self.method, path, query, JSON, body.encode())

    def parse_request(self, request: HttpRequest) -> Message:
        data = parse_json(request.body)
        return Deliver(
            whole(request.query.get("consumer", 0), "consumer"),
            whole(data.get("offset"), "offset"),
            ids(data.get("records")),
            max(1, whole(request.query.get("attempt", 1), "attempt")),
            whole(data.get("epoch", 0), "epoch"),
        )

    def response(self, message: Message, text: Text) -> HttpResponse:
        if isinstance(message, Nack) and message.retry_after:
            return HttpResponse(429, {"Retry-After": f"{message.retry_after:.6f}"})
        return HttpResponse(204 if isinstance(message, Ack) else 503)

    def parse_response(self, asked: Message, response: HttpResponse) -> Message:
        assert isinstance(asked, Deliver)
        delivery = asked.consumer, asked.offset, asked.attempt
        if response.status in ACKNOWLEDGED:
            return Ack(*delivery, asked.epoch)
        text = response.headers.get("Retry-After") if response.status == 429 else None
        wait = seconds(text, "Retry-After") if text else 0.0
        return Nack(*delivery, wait, asked.epoch)


def refusal(message: OutOfRange) -> str:
    """Return the JSON that says which offsets there are."""
    valid = f'"start":{message.start},"end":{message.end},"epoch":{message.epoch}'
    return f'{{"error":"offset out of range",{valid}}}'


def parse_refusal(data: Mapping[str, Any], consumer: int) -> OutOfRange:
    """Return what such JSON says."""
    valid = whole(data.get("start"), "start"), whole(data.get("end"), "end")
    return OutOfRange(consumer, *valid, whole(data.get("epoch", 0), "epoch"))


def position(offset: int, epoch: int) -> str:
    """Return an offset in the log of that epoch as one word: an entity tag, or the id of an event."""
    return f"{epoch}-{offset}" if epoch else f"{offset}"


def parse_position(text: str, name: str) -> tuple[int, int]:
    """Return the offset and the epoch that such a word names."""
    epoch, dash, offset = text.rpartition("-")
    return whole(offset, name), whole(epoch if dash else 0, name)


def _of(epoch: int) -> str:
    """Return the member that tells a log from the one at the beginning."""
    return f',"epoch":{epoch}' if epoch else ""


def _again(attempt: int) -> str:
    """Return the member that tells a repeated delivery, or its ack, from the first."""
    return f',"attempt":{attempt}' if attempt > 1 else ""


def _optional(value: Any, name: str) -> int | None:
    return None if value is None else whole(value, name)


def records(messages: Sequence[int], text: Text) -> str:
    """Return the JSON array of these messages' records."""
    return f"[{','.join([text(m) for m in messages])}]"


def parse_json(text: str | bytes) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequest(400, "not JSON") from None
    if not isinstance(data, dict):
        raise BadRequest(400, "not a JSON object")
    return data


def ids(items: Any) -> list[int]:
    """Return the ids of an array of records."""
    try:
        numbers = [item["id"] for item in items] if isinstance(items, list) else None
    except (TypeError, KeyError):
        numbers = None
    if numbers is None:
        raise BadRequest(400, "records: need an array of objects with an id")
    if not all(type(n) is int and 0 <= n <= LARGEST_OFFSET for n in numbers):
        raise BadRequest(400, "id: need a whole number, 0 or more")
    return numbers


def whole(value: Any, name: str) -> int:
    """Return `value`, a whole number or its digits, as an int from 0 up to `LARGEST_OFFSET`."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 17:
        value = int(value)
    if type(value) is not int or not 0 <= value <= LARGEST_OFFSET:
        raise BadRequest(400, f"{name}: need a whole number, 0 or more")
    return value


def seconds(value: Any, name: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= LONGEST_WAIT:
        raise BadRequest(400, f"{name}: need seconds from 0 to {LONGEST_WAIT:g}")
    return number
