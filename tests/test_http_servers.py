"""The lab's HTTP servers as a stranger sees them: raw requests, right and wrong."""

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest
from servers import Http, Reply, ask, on_loop, publish, serving

from lab import HttpIngest, LongPoll, PollThenPull, ShortPoll, Webhook
from lab.engines.loopback import settings
from lab.engines.loopback.side import Side
from lab.roles import Retention

POSTED = b'{"offset":0,"records":[{"id":0},{"id":1}]}'


def error(reply: Reply, status: int) -> str:
    """Return what an answer complains of, in JSON."""
    assert reply.status == status
    assert reply.headers["content-type"].startswith("application/json")
    return str(json.loads(reply.body)["error"])


def ids(reply: Reply) -> list[int]:
    assert reply.status == 200
    return [record["id"] for record in json.loads(reply.body)["records"]]


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing here is a reason to log: what strangers send is no error of the server's."""
    logger = logging.getLogger("aiohttp.server")
    logger.addFilter(settings.is_ours)
    yield
    logger.removeFilter(settings.is_ours)
    errors = [record for record in caplog.get_records("call") if record.levelname == "ERROR"]
    assert [record.getMessage() for record in errors] == []


BAD_QUERIES = {
    "offset=-1": "offset: need a whole number, 0 or more",
    "offset=abc": "offset: need a whole number",
    "offset=1.5": "offset: need a whole number",
    "offset=": "offset: need a whole number",
    "offset=99999999999999999999": "offset: need a whole number",
    "offset=%D9%A3": "offset: need a whole number",
    "max_records=many": "max_records: need a whole number",
    "max_wait=-1": "max_wait: need seconds from 0 to 300",
    "max_wait=301": "max_wait: need seconds",
    "max_wait=nan": "max_wait: need seconds",
    "consumer=1": "consumer: there is no 1",
    "consumer=x": "consumer: need a whole number",
}


@pytest.mark.parametrize("query", BAD_QUERIES)
@on_loop
async def test_wrong_queries(query: str) -> None:
    async with serving(ShortPoll()) as (_, ports):
        reply = await ask(ports["http"], "GET", f"/records?{query}")
        assert BAD_QUERIES[query] in error(reply, 400)


@on_loop
async def test_records_from_an_offset_on() -> None:
    async with serving(ShortPoll()) as (side, ports):
        publish(side, 0, 1, 2)
        port = ports["http"]
        assert ids(await ask(port, "GET", "/records?offset=0")) == [0, 1, 2]
        assert ids(await ask(port, "GET", "/records?offset=1&max_records=1")) == [1]
        assert (await ask(port, "GET", "/records?offset=3")).status == 204
        assert (await ask(port, "GET", "/records")).status == 204, "all of it was handed out"


@on_loop
async def test_an_offset_past_the_end_or_expired_is_told_the_valid_range() -> None:
    async with serving(ShortPoll(), retention=Retention(count=2)) as (side, ports):
        publish(side, 0, 1, 2, 3, 4)
        for offset in (0, 2, 6, 2**53):
            reply = await ask(ports["http"], "GET", f"/records?offset={offset}")
            assert error(reply, 416) == "offset out of range"
            assert json.loads(reply.body) | {"start": 3, "end": 5} == json.loads(reply.body)


@on_loop
async def test_wrong_methods_and_paths() -> None:
    async with serving(ShortPoll()) as (_, polled), serving(Webhook(), "target") as (_, pushed):
        for method in ("POST", "PUT", "DELETE", "HEAD", "OPTIONS"):
            assert (await ask_head(polled["http"], method, "/records")) == 405
        assert (await ask_head(pushed["http"], "GET", "/messages")) == 405
        for target in ("/", "/nothing", "/records/../x", "/records%00", "//", "/messages"):
            assert (await ask_head(polled["http"], "GET", target)) == 404


async def ask_head(port: int, method: str, target: str) -> int:
    async with Http(port) as http:
        http.send(method, target)
        return (await http.head()).status


@on_loop
async def test_a_conditional_request() -> None:
    async with serving(PollThenPull()) as (side, ports):
        port = ports["http"]
        none = await ask(port, "GET", "/head", {"If-None-Match": '"0"'})
        assert (none.status, none.headers["etag"], none.body) == (304, '"0"', b"")
        publish(side, 0, 1)
        new = await ask(port, "GET", "/head", {"If-None-Match": '"0"'})
        assert (new.status, new.headers["etag"]) == (200, '"2"')
        assert json.loads(new.body) == {"end": 2}
        assert (await ask(port, "GET", "/head", {"If-None-Match": '"2"'})).status == 304
        assert "If-None-Match" in error(
            await ask(port, "GET", "/head", {"If-None-Match": "W/x"}), 400
        )


@on_loop
async def test_a_long_poll_is_held_until_max_wait() -> None:
    async with serving(LongPoll()) as (_, ports):
        begun = time.monotonic()
        reply = await ask(ports["http"], "GET", "/records?offset=0&max_wait=0.3&min_records=1")
        assert reply.status == 204 and reply.body == b""
        assert time.monotonic() - begun > 0.3


@on_loop
async def test_a_long_poll_is_answered_when_there_are_enough() -> None:
    async with serving(LongPoll()) as (side, ports), Http(ports["http"]) as http:
        http.send("GET", "/records?offset=0&max_wait=200&min_records=2")
        publish(side, 0)
        await asyncio.sleep(0.1)
        publish(side, 1)
        assert ids(await http.reply()) == [0, 1]


async def holding(side: Side) -> None:
    while not side.broker.role.held:
        await asyncio.sleep(0.01)


@on_loop
async def test_a_newer_poll_takes_the_place_of_a_held_one() -> None:
    async with serving(LongPoll()) as (side, ports), Http(ports["http"]) as older:
        older.send("GET", "/records?offset=0&max_wait=200")
        await holding(side)
        async with Http(ports["http"]) as newer:
            newer.send("GET", "/records?offset=0&max_wait=200")
            assert "newer request" in error(await older.reply(), 409)
            publish(side, 0)
            assert ids(await newer.reply()) == [0]


@on_loop
async def test_a_client_that_leaves_while_its_poll_is_held() -> None:
    async with serving(LongPoll()) as (side, ports):
        async with Http(ports["http"]) as http:
            http.send("GET", "/records?offset=0&max_wait=200")
            await holding(side)
        publish(side, 0)
        assert ids(await ask(ports["http"], "GET", "/records?offset=0")) == [0]


BAD_BODIES = {
    b"{": "not JSON",
    b"\xff": "not JSON",
    b"[1]": "not a JSON object",
    b"[" * 50_000: "not JSON",
    b"{}": "offset: need a whole number",
    b'{"offset":-1,"records":[]}': "offset: need a whole number",
    b'{"offset":true,"records":[]}': "offset: need a whole number",
    b'{"offset":0,"records":7}': "records: need an array",
    b'{"offset":0,"records":[7]}': "records: need an array of objects with an id",
    b'{"offset":0,"records":[{"id":-1}]}': "id: need a whole number",
    b'{"offset":0,"records":[{"id":1e3}]}': "id: need a whole number",
    b'{"offset":0,"records":[{"id":10}]}': "id: there is no message 10",
}


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: body[:30].decode("latin-1"))
@on_loop
async def test_wrong_bodies(body: bytes) -> None:
    async with serving(Webhook(), "target") as (side, ports):
        assert BAD_BODIES[body] in error(
            await ask(ports["http"], "POST", "/messages", {}, body), 400
        )
        assert np.isnan(side.consumers[0].received).all()
        assert "consumer" in error(
            await ask(ports["http"], "POST", "/messages?consumer=1", {}, POSTED), 400
        )
        assert (await ask(ports["http"], "POST", "/messages", {}, POSTED)).status == 204


@on_loop
async def test_every_attempt_gets_an_answer_of_its_own() -> None:
    async with serving(Webhook(), "target", work=0.1) as (side, ports):
        target = "/messages?consumer=0&attempt="
        first = asyncio.create_task(ask(ports["http"], "POST", target + "1", {}, POSTED))
        await asyncio.sleep(0.05)
        second = await ask(ports["http"], "POST", target + "2", {}, POSTED)
        assert (first.done(), (await first).status, second.status) == (True, 204, 204)
        assert side.site.counts["done"] == 2, "the second delivery repeats the first"


@on_loop
async def test_a_put_is_done_once_however_often_it_comes() -> None:
    async with serving(HttpIngest(method="PUT"), "target") as (side, ports):
        for attempt in (1, 2):
            target = f"/messages/0?consumer=0&attempt={attempt}"
            assert (await ask(ports["http"], "PUT", target, {}, POSTED)).status == 204
        done = list(side.consumers[0].done)
        assert side.site.counts["done"] == 2
        assert not np.isnan(done[:2]).any() and np.isnan(done[2:]).all()


@on_loop
async def test_a_body_that_is_too_large() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "MAX_BODY", 1000)
        async with serving(Webhook(), "target") as (_, ports):
            reply = await ask(ports["http"], "POST", "/messages", {}, b"x" * 1001)
            assert reply.status == 413
            announced = {"Content-Length": str(10**12)}
            async with Http(ports["http"]) as http:
                http.send("POST", "/messages", announced, b"x" * 2000)
                assert (await http.reply()).status == 413


@on_loop
async def test_who_connects_and_says_nothing_is_cut_off() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "HEAD_DEADLINE", 0.3)
        async with serving(ShortPoll()) as (_, ports):
            port = ports["http"]
            async with Http(port) as silent, Http(port) as slow, Http(port) as good:
                slow.writer.write(b"GET /records HTTP/1.1\r\nHost: ")  # a head without an end
                good.send("GET", "/records?offset=0")
                assert (await good.reply()).status == 204
                for idle in (silent, slow):
                    with suppress(ConnectionError):
                        assert await idle.reader.read() == b""
                await asyncio.sleep(0.7)
                good.send("GET", "/records?offset=0")  # who has asked may take its time
                assert (await good.reply()).status == 204


@on_loop
async def test_a_body_that_does_not_come() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "BODY_DEADLINE", 0.2)
        async with serving(Webhook(), "target") as (_, ports), Http(ports["http"]) as http:
            http.send("POST", "/messages", {"Content-Length": "100"}, b"{")
            assert "no whole body in 0.2 s" in error(await http.reply(), 408)


NOT_HTTP = {
    "two lengths": "POST /messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n"
    "Transfer-Encoding: chunked\r\n\r\n",
    "bad length": "POST /messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n",
    "noise": "\x00\x01\x02\r\n\r\n",
    "long head": "GET /messages HTTP/1.1\r\nX: " + "x" * 100_000 + "\r\n\r\n",
}


@pytest.mark.parametrize("case", NOT_HTTP)
@on_loop
async def test_what_is_not_http(case: str) -> None:
    async with serving(Webhook(), "target") as (_, ports):
        async with Http(ports["http"]) as http:
            http.writer.write(NOT_HTTP[case].encode("latin-1"))
            assert (await http.reply()).status == 400
        assert (await ask(ports["http"], "POST", "/messages", {}, POSTED)).status == 204


@on_loop
async def test_pages_in_a_browser_are_refused() -> None:
    async with serving(ShortPoll()) as (_, polled), serving(Webhook(), "target") as (_, pushed):
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Host": "evil.example"},
        ):
            assert (await ask(polled["http"], "GET", "/records", headers)).status == 403
            assert (await ask(pushed["http"], "POST", "/messages", headers, POSTED)).status == 403
        local = {"Host": f"localhost:{polled['http']}"}
        assert (await ask(polled["http"], "GET", "/records?offset=0", local)).status == 204


@on_loop
async def test_it_listens_on_loopback_only() -> None:
    async with serving(ShortPoll()) as (side, _):
        assert {address[0] for address in side.servers["http"].runner.addresses} == {"127.0.0.1"}
        sockets = side.servers["websocket"].server.sockets
        assert {socket.getsockname()[0] for socket in sockets} == {"127.0.0.1"}
