"""Formats: what goes out comes back, and sizes are exact."""

import json

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from lab.messages import (
    Accepted,
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
    Subscribe,
)
from lab.strategies.server_sent_events import EventStream
from lab.wire.formats import (
    LARGEST_OFFSET,
    HttpFormat,
    HttpResponse,
    JsonStream,
    Payloads,
    PullFormat,
    PushFormat,
    http_size,
    parse_position,
    websocket_size,
)

COUNT = 20
TEXT = Payloads([10 + 30 * m for m in range(COUNT)])
QUICK = settings(max_examples=100, deadline=None, derandomize=True)

consumers = st.integers(0, 1000)
offsets = st.integers(0, LARGEST_OFFSET)
epochs = st.one_of(st.just(0), offsets)
counts = st.integers(1, 10_000)
messages = st.lists(st.integers(0, COUNT - 1), max_size=5)
some = st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=5)
waits = st.floats(0.0, 300.0)


Plain = tuple[type, Message]


def plain(message: Message) -> Plain:
    """Return what may be compared: tuples of different kinds with the same fields are equal."""
    if isinstance(message, Deliver | Records | Publish):
        return type(message), message._replace(messages=list(message.messages))
    return type(message), message


def exchanged(form: HttpFormat, request: Message, response: Message) -> tuple[Plain, Plain]:
    """Send `request`, answer with `response`, and return both as they arrive."""
    asked = form.parse_request(form.request(request, TEXT))
    answer = form.parse_response(request, form.response(response, TEXT))
    return plain(asked), plain(answer)


@QUICK
@given(
    message=st.one_of(
        st.builds(Publish, messages, st.one_of(st.none(), offsets), st.booleans()),
        st.builds(Accepted, offsets),
        st.builds(Deliver, st.just(3), offsets, messages, counts, epochs),
        st.builds(Ack, st.just(3), offsets, counts, epochs),
        st.builds(Nack, st.just(3), offsets, counts, st.just(0.0), epochs),
        st.builds(Subscribe, consumers, st.one_of(st.none(), offsets), epochs),
    )
)
def test_stream_round_trip(message: Message) -> None:
    assert plain(JsonStream().decode(JsonStream().encode(message, TEXT), 3)) == plain(message)


@QUICK
@given(
    message=st.builds(
        Deliver, st.just(3), st.integers(0, LARGEST_OFFSET - 9), some, st.just(1), epochs
    )
)
def test_event_stream_round_trip(message: Deliver) -> None:
    frame = EventStream().encode(message, TEXT)
    assert plain(EventStream().decode(frame, 3)) == plain(message)
    last = message.offset + len(message.messages) - 1
    assert parse_position(frame.partition("\n")[0].removeprefix("id: "), "id") == (
        last,
        message.epoch,
    )
    assert message.epoch or frame.startswith(f"id: {last}\ndata: ")
    assert frame.endswith("\n\n") and frame.count("\n") == 3


@QUICK
@given(
    who=consumers,
    offset=st.one_of(st.none(), offsets),
    most=counts,
    least=counts,
    wait=waits,
    start=offsets,
    found=some,
)
def test_fetch_round_trip(
    who: int, offset: int | None, most: int, least: int, wait: float, start: int, found: list[int]
) -> None:
    request = Fetch(who, offset, most, least, wait)
    reply = Records(who, start, found)
    (_, asked), answer = exchanged(PullFormat(), request, reply)
    assert isinstance(asked, Fetch)
    assert asked[:3] == request[:3]
    assert asked.min_records == (least if wait > 0 else 1)  # it means nothing without a wait
    assert asked.max_wait == pytest.approx(wait, rel=1e-5)
    assert answer == plain(reply)


@QUICK
@given(who=consumers, offset=offsets, end=offsets)
def test_pull_round_trip(who: int, offset: int, end: int) -> None:
    form, fetch, check = PullFormat(), Fetch(who, offset, 10), Check(who, offset)
    for reply in (Records(who, offset, []), OutOfRange(who, 3, end)):
        assert exchanged(form, fetch, reply) == (plain(fetch), plain(reply))
    for status in (Status(who, end, True), Status(who, offset, False)):
        assert exchanged(form, check, status) == (plain(check), plain(status))


@QUICK
@given(delivery=st.builds(Deliver, consumers, offsets, messages, counts, epochs))
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_push_round_trip(method: str, delivery: Deliver) -> None:
    form, answers = PushFormat(method), (Ack, Nack)
    for kind in answers:
        reply = kind(*(delivery[i] for i in (0, 1, 3)), epoch=delivery.epoch)
        assert exchanged(form, delivery, reply) == (plain(delivery), plain(reply))
    assert form.request(delivery, TEXT).method == method


@pytest.mark.parametrize("status", [102, 200, 201, 202, 204])
def test_answers_that_acknowledge(status: int) -> None:
    answer = PushFormat().parse_response(Deliver(0, 5, [1], 2), HttpResponse(status))
    assert plain(answer) == plain(Ack(0, 5, 2))


@pytest.mark.parametrize("status", [100, 301, 400, 408, 410, 429, 500, 503])
def test_answers_that_do_not(status: int) -> None:
    answer = PushFormat().parse_response(Deliver(0, 5, [1], 2), HttpResponse(status))
    assert plain(answer) == plain(Nack(0, 5, 2))


# --- sizes --------------------------------------------------------------------------------------


@QUICK
@given(sizes=st.lists(st.integers(1, 300), min_size=1, max_size=30))
def test_records_have_the_size_asked_for(sizes: list[int]) -> None:
    text = Payloads(sizes)
    for m, size in enumerate(sizes):
        record = json.loads(text(m))
        assert record["id"] == m
        assert set(record["data"]) <= {"x"}
        shortest = len(f'{{"id":{m},"data":""}}')
        assert len(text(m)) == max(size, shortest)


def test_record_of_a_workload() -> None:
    text = Payloads(np.array([30, 5], np.int32))  # type: ignore[arg-type]
    assert text(0) == '{"id":0,"data":"xxxxxxxxxxxx"}'
    assert text(1) == '{"id":1,"data":""}'
    assert Payloads([]).padding == ""


@pytest.mark.parametrize(
    ("length", "masked", "size"),
    [
        (0, False, 2),
        (125, False, 127),
        (126, False, 130),
        (65_535, False, 65_539),
        (65_536, False, 65_546),
        (100, True, 106),
        (1000, True, 1008),
    ],
)
def test_websocket_size(length: int, masked: bool, size: int) -> None:
    assert websocket_size(length, masked) == size


def wire(*lines: str, body: str = "") -> int:
    return len("".join(line + "\r\n" for line in lines) + "\r\n" + body)


def test_size_of_a_poll() -> None:
    request = PullFormat().request(Fetch(0, 17, 100, 1, 1.5), TEXT)
    assert http_size(request) == wire(
        "GET /records?consumer=0&offset=17&max_records=100&min_records=1&max_wait=1.5 HTTP/1.1",
        "Host: 127.0.0.1:40000",
    )


def test_size_of_an_empty_answer() -> None:
    assert http_size(PullFormat().response(Records(0, 17, []), TEXT)) == wire(
        "HTTP/1.1 204 No Content",
        "Cache-Control: no-store",
        "Date: Thu, 01 Jan 1970 00:00:00 GMT",
        "Server: pushpull-lab",
    )


def test_size_of_an_answer() -> None:
    body = '{"offset":17,"records":[{"id":0,"data":""}]}'
    assert http_size(PullFormat().response(Records(0, 17, [0]), TEXT)) == wire(
        "HTTP/1.1 200 OK",
        "Content-Type: application/json",
        "Cache-Control: no-store",
        "Content-Length: 44",
        "Date: Thu, 01 Jan 1970 00:00:00 GMT",
        "Server: pushpull-lab",
        body=body,
    )


def test_size_of_a_post() -> None:
    assert http_size(PushFormat().request(Deliver(0, 17, [0]), TEXT)) == wire(
        "POST /messages?consumer=0&attempt=1 HTTP/1.1",
        "Content-Type: application/json",
        "Host: 127.0.0.1:40000",
        "Content-Length: 44",
        body='{"offset":17,"records":[{"id":0,"data":""}]}',
    )
