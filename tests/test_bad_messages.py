"""Formats: bad input is refused, with the HTTP status to answer and one line that says why."""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from lab.messages import (
    Check,
    Deliver,
    Fetch,
)
from lab.strategies.server_sent_events import EventStream
from lab.wire.formats import (
    BadRequest,
    HttpRequest,
    HttpResponse,
    JsonStream,
    PullFormat,
    PushFormat,
    parse_json,
    seconds,
    whole,
)

QUICK = settings(max_examples=100, deadline=None, derandomize=True)
HUGE = "1" + "0" * 5000
BAD_WHOLE: Sequence[Any] = (
    *(-1, 2**53 + 1, 1.0, 1e999, math.nan, True, None, [], {}),
    *("", "-1", "abc", "1.0", "1e999", "NaN", " 1", "+1", "1_0", "٣", HUGE, str(2**53 + 1)),
)


def refuse(status: int, call: Callable[..., object], *args: Any) -> str:
    with pytest.raises(BadRequest) as error:
        call(*args)
    assert error.value.status == status
    assert len(error.value.reason) < 100 and "\n" not in error.value.reason
    return error.value.reason


@pytest.mark.parametrize("value", BAD_WHOLE)
def test_what_is_not_an_offset(value: Any) -> None:
    assert refuse(400, whole, value, "offset") == "offset: need a whole number, 0 or more"


@pytest.mark.parametrize("value", ["", "abc", "-1", "nan", "1e999", "inf", "300.1", "1,5", HUGE])
def test_what_is_not_a_wait(value: str) -> None:
    assert refuse(400, seconds, value, "max_wait") == "max_wait: need seconds from 0 to 300"


def test_limits_are_allowed() -> None:
    assert whole(2**53, "offset") == whole(str(2**53), "offset") == 2**53
    assert seconds("300", "max_wait") == 300


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "nonsense", "[" * 100_000, '{"a":' * 100_000, "[]", "7", "null", '"text"'),
        *('{"a":' + HUGE + "}", b"\xff\xfe{", b'{"a":"\xc3\x28"}', "\ufeff{}"),
    ],
)
def test_what_is_not_a_json_object(text: str | bytes) -> None:
    refuse(400, parse_json, text)


BAD_IDS: Sequence[Any] = (-1, "1", 1.0, True, None, [], 2**53 + 1, 10**30)
BAD_RECORDS: Sequence[Any] = (
    *(None, 7, "abc", "", {}, {"id": 1}, [1], ["id"], [[]], [None], [{}]),
    *([{"id": bad}] for bad in BAD_IDS),
    [{"id": 1}, {"id": -1}],
)


@pytest.mark.parametrize("records", BAD_RECORDS, ids=repr)
def test_what_is_not_records(records: Any) -> None:
    body = json.dumps({"offset": 0, "records": records})
    refuse(400, JsonStream().decode, body)
    refuse(400, JsonStream().decode, json.dumps({"publish": records}))
    refuse(400, EventStream().decode, f"data: {body}\n\n")
    refuse(400, PushFormat().parse_request, HttpRequest("POST", "/messages", body=body.encode()))
    refuse(400, PullFormat().parse_response, Fetch(0, 0, 1), HttpResponse(200, body=body.encode()))


@pytest.mark.parametrize(
    "frame",
    [
        "{}",
        '{"offset":0}',
        '{"records":[]}',
        '{"offset":-1,"records":[]}',
        '{"offset":NaN,"records":[]}',
        '{"offset":1e999,"records":[]}',
        '{"ack":-1}',
        '{"ack":"0.5"}',
        '{"ack":null}',
        '{"subscribe":0,"offset":-1}',
        '{"subscribe":-1}',
        '{"subscribe":true}',
    ],
)
def test_bad_frames(frame: str) -> None:
    refuse(400, JsonStream().decode, frame)


@pytest.mark.parametrize("value", ["-1", "abc", "1e999", HUGE, ""])
@pytest.mark.parametrize("name", ["consumer", "offset", "max_records", "min_records", "max_wait"])
def test_bad_queries(name: str, value: str) -> None:
    reason = refuse(400, PullFormat().parse_request, HttpRequest("GET", "/records", {name: value}))
    assert reason.startswith(f"{name}: need ")


def test_bad_requests_elsewhere() -> None:
    pull, push = PullFormat().parse_request, PushFormat().parse_request
    refuse(400, pull, HttpRequest("GET", "/head", {}, {"If-None-Match": '"-1"'}))
    refuse(400, pull, HttpRequest("GET", "/head", {"consumer": "x"}))
    refuse(400, push, HttpRequest("POST", "/messages"))
    good = b'{"offset":0,"records":[{"id":0}]}'
    fine = push(HttpRequest("POST", "/messages", body=good))
    assert isinstance(fine, Deliver) and fine == Deliver(0, 0, [0])
    refuse(400, push, HttpRequest("POST", "/messages", {"attempt": "-1"}, body=good))
    refuse(400, push, HttpRequest("POST", "/messages", body=b'{"records":[{"id":0}]}'))


@pytest.mark.parametrize("status", [302, 400, 404, 413, 500, 503])
def test_answers_that_are_errors(status: int) -> None:
    parse = PullFormat().parse_response
    for asked in (Fetch(0, 0, 1), Check(0, 0)):
        refuse(status, parse, asked, HttpResponse(status, body=b"<html>sorry</html>"))


def test_answers_that_are_not_what_they_seem() -> None:
    parse = PullFormat().parse_response
    for status, body in ((200, b""), (200, b'{"offset":0}'), (416, b"{}"), (416, b'{"start":0}')):
        refuse(400, parse, Fetch(0, 0, 1), HttpResponse(status, body=body))
    refuse(400, parse, Check(0, 0), HttpResponse(200, body=b'{"end":-1}'))


@QUICK
@given(text=st.one_of(st.text(), st.binary(), st.from_regex(r'\{"(offset|ack|publish)":.*\}')))
def test_any_frame_is_understood_or_refused(text: Any) -> None:
    try:
        JsonStream().decode(text)
    except BadRequest as error:
        assert error.status == 400
