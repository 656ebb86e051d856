"""The format of a consumer group: what goes out comes back, and bad input is refused."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from lab.messages import (
    Assigned,
    Beat,
    Check,
    Commit,
    Committed,
    Fetch,
    Heartbeat,
    Join,
    Message,
    Records,
    Refused,
)
from lab.wire.formats import (
    LARGEST_OFFSET,
    BadRequest,
    HttpRequest,
    HttpResponse,
    Payloads,
    http_size,
)
from lab.wire.group_format import GroupFormat

FORM = GroupFormat()
TEXT = Payloads([40] * 20)
QUICK = settings(max_examples=100, deadline=None, derandomize=True)

consumers = st.integers(0, 1000)
numbers = st.integers(0, LARGEST_OFFSET)
pairs = st.dictionaries(st.integers(0, 255), numbers, max_size=6).map(lambda d: tuple(d.items()))


def asked(message: Message) -> Message:
    return FORM.parse_request(FORM.request(message, TEXT))


def answered(request: Message, answer: Message) -> Message:
    return FORM.parse_response(request, FORM.response(answer, TEXT))


@QUICK
@given(who=consumers, generation=numbers, offsets=pairs)
def test_requests_come_through(who: int, generation: int, offsets: Any) -> None:
    for request in (
        Join(who),
        Heartbeat(who, generation),
        Commit(who, generation, offsets),
        Fetch(who, 0, 9, 2, 1.5, 0, generation, offsets),
    ):
        came = asked(request)
        assert type(came) is type(request)
        assert came == request


@QUICK
@given(who=consumers, generation=numbers, offsets=pairs)
def test_answers_come_through(who: int, generation: int, offsets: Any) -> None:
    parts = ((3, 17, 2), (0, 4, 1))
    fetch = Fetch(who, 0, 9, generation=generation, positions=offsets)
    refused = Refused(who, generation)
    for request, answer in (
        (Join(who), Assigned(who, generation, offsets)),
        (Heartbeat(who, 1), Beat(who)),
        (Heartbeat(who, 1), refused),
        (Commit(who, 1, offsets), Committed(who)),
        (Commit(who, 1, offsets), refused),
        (fetch, refused),
        (fetch, Records(who, 0, (), 0, generation)),
        (fetch, Records(who, 0, [1, 2, 3], 0, generation, parts)),
    ):
        came = answered(request, answer)
        assert type(came) is type(answer)
        assert came == answer


def test_how_it_looks() -> None:
    fetch = Fetch(1, 0, 100, 1, 0.5, 0, 3, ((0, 17), (1, 4)))
    assert FORM.request(fetch, TEXT).target == (
        "/records?consumer=1&max_records=100&min_records=1&max_wait=0.5"
        "&generation=3&positions=0:17,1:4"
    )
    commit = FORM.request(Commit(1, 3, ((0, 17), (1, 4))), TEXT)
    assert (commit.method, commit.target) == ("POST", "/commit?consumer=1&generation=3")
    assert commit.body == b'{"offsets":[[0,17],[1,4]]}'
    refusal = FORM.response(Refused(1, 4), TEXT)
    assert (refusal.status, refusal.body) == (409, b'{"error":"join again","generation":4}')
    assert http_size(refusal) > len("HTTP/1.1 409 Conflict\r\n")


def get(**query: str) -> HttpRequest:
    return HttpRequest("GET", "/records", query)


def commit(body: bytes, **query: str) -> HttpRequest:
    return HttpRequest("POST", "/commit", query, {}, body)


WRONG = [
    (HttpRequest("POST", "/join", {"consumer": "-1"}), 400),
    (HttpRequest("POST", "/heartbeat", {"generation": "x"}), 400),
    (HttpRequest("GET", "/head"), 404),
    (HttpRequest("GET", "/offset", {"to": "latest"}), 404),
    (get(generation="1e3"), 400),
    (get(positions="1"), 400),
    (get(positions="1:2:3"), 400),
    (get(positions=","), 400),
    (get(positions="0:-1"), 400),
    (get(positions="0:1,0:2"), 400),
    (get(positions="0:1", max_wait="301"), 400),
    (commit(b""), 400),
    (commit(b"[]"), 400),
    (commit(b"{}"), 400),
    (commit(b'{"offsets":7}'), 400),
    (commit(b'{"offsets":[7]}'), 400),
    (commit(b'{"offsets":[[0]]}'), 400),
    (commit(b'{"offsets":[[0,1,2]]}'), 400),
    (commit(b'{"offsets":[[0,true]]}'), 400),
    (commit(b'{"offsets":[[0,-1]]}'), 400),
    (commit(b'{"offsets":[[0,1.5]]}'), 400),
    (commit(b'{"offsets":[[0,1],[0,2]]}'), 400),
    (commit(b'{"offsets":[[0,99999999999999999999]]}'), 400),
]


@pytest.mark.parametrize(("request_", "status"), WRONG, ids=lambda x: getattr(x, "target", x))
def test_bad_requests_are_refused(request_: HttpRequest, status: int) -> None:
    with pytest.raises(BadRequest) as error:
        FORM.parse_request(request_)
    assert error.value.status == status


@pytest.mark.parametrize(
    ("request_", "status", "body"),
    [
        (Join(0), 204, b""),
        (Join(0), 200, b"{}"),
        (Join(0), 200, b'{"generation":1,"offsets":"none"}'),
        (Join(0), 409, b'{"error":"a newer request took the place of this one"}'),
        (Heartbeat(0, 1), 200, b"{}"),
        (Commit(0, 1, ()), 500, b""),
        (Fetch(0, 0, 9), 416, b'{"start":0,"end":1}'),
        (Fetch(0, 0, 9), 200, b'{"generation":1,"records":[{"id":1}]}'),
        (Fetch(0, 0, 9), 200, b'{"generation":1,"parts":[[0,0,2]],"records":[{"id":1}]}'),
        (Fetch(0, 0, 9), 200, b'{"generation":1,"parts":[[0,0]],"records":[{"id":1}]}'),
    ],
)
def test_bad_answers_are_refused(request_: Message, status: int, body: bytes) -> None:
    with pytest.raises(BadRequest):
        FORM.parse_response(request_, HttpResponse(status, {}, body))


def test_a_check_is_no_request_of_a_member() -> None:
    with pytest.raises(AssertionError):
        FORM.request(Check(0, 1), TEXT)
