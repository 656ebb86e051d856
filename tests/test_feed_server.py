"""`pushpull serve` as strangers see it: polls, streams, publishing, right and wrong."""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest
from feeds import data, error, get, offsets, post, send
from servers import Http, Reply, ask, on_loop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from lab.feed import limits
from lab.feed.server import FeedServer, Settings, serving
from lab.roles import Retention

SMALL = Settings(keep=Retention(count=5))


@on_loop
async def test_published_messages_are_pulled_with_their_bodies() -> None:
    async with serving(Settings()) as server:
        assert data(await send(server, "POST", "/messages", {"a": 1}), 201)["offset"] == 0
        assert data(await send(server, "POST", "/messages", [2, "drei"]), 201)["offset"] == 1
        found = data(await get(server, "/records"))
        assert [record["data"] for record in found["records"]] == [{"a": 1}, 2, "drei"]
        assert offsets(found) == [0, 1, 2]
        assert offsets(data(await get(server, "/records?offset=1&max_records=1"))) == [1]
        assert (await get(server, "/records?offset=3")).status == 204
        told = data(await get(server, "/"))
        assert (told["start"], told["end"], told["epoch"]) == (0, 3, found["epoch"])


@on_loop
async def test_put_publishes_a_key_once() -> None:
    async with serving(Settings()) as server:
        first = await send(server, "PUT", "/messages/k", 1)
        again = await send(server, "PUT", "/messages/k", 1)
        other = await send(server, "PUT", "/messages/other", 1)
        assert [reply.status for reply in (first, again, other)] == [201, 200, 201]
        assert [data(r, r.status)["offset"] for r in (first, again, other)] == [0, 0, 1]


@on_loop
async def test_entity_tags() -> None:
    async with serving(Settings()) as server:
        post(server, 1, 2)
        page = await get(server, "/records?offset=0")
        assert page.headers["cache-control"] == "no-cache"
        again = await get(server, "/records?offset=0", If_None_Match=page.headers["etag"])
        assert (again.status, again.body) == (304, b"")
        head = await get(server, "/head")
        assert data(head) == {"end": 2}
        tag = head.headers["etag"]
        assert (await get(server, "/head", If_None_Match=tag)).status == 304
        post(server, 3)
        assert (await get(server, "/head", If_None_Match=tag)).status == 200
        assert offsets(data(await get(server, "/records?offset=0", If_None_Match=tag)))[-1] == 2
        assert (await get(server, "/head", If_None_Match='"1-3"')).status == 200, "of another log"


@on_loop
async def test_a_long_poll_waits_for_enough_or_until_its_time_is_up() -> None:
    async with serving(Settings()) as server:
        asked = asyncio.ensure_future(get(server, "/records?offset=0&max_wait=30&min_records=2"))
        await asyncio.sleep(0.05)
        post(server, 1)
        await asyncio.sleep(0.05)
        assert not asked.done()
        post(server, 2)
        reply = await asked
        assert offsets(data(reply)) == [0, 1]
        assert reply.headers["cache-control"] == "no-store"
        begun = time.monotonic()
        empty = await get(server, "/records?offset=latest&max_wait=0.2")
        assert (empty.status, empty.body, empty.headers["cache-control"]) == (204, b"", "no-store")
        assert time.monotonic() - begun >= 0.2


@on_loop
async def test_what_is_not_there_is_refused_with_what_is() -> None:
    async with serving(SMALL) as server:
        post(server, *range(8))
        for target in ("/records?offset=2", "/records?offset=9", "/records?offset=5&epoch=1"):
            told = data(await get(server, target), 416)
            assert (told["start"], told["end"], told["epoch"]) == (3, 8, server.board.log.epoch)
        assert "need 3 to 8" in error(await get(server, "/events?offset=2"), 416)
        assert offsets(data(await get(server, "/records?offset=3"))) == [3, 4, 5, 6, 7]
        assert len(server.board.bodies.texts) == 5, "bodies are forgotten with the log"


WRONG = {
    ("GET", "/records?offset=-1", b""): (400, "offset: need a whole number"),
    ("GET", "/records?offset=x", b""): (400, "offset: need a whole number"),
    ("GET", "/records?max_wait=61", b""): (400, "max_wait: need seconds from 0 to 60"),
    ("GET", "/records?epoch=x", b""): (400, "epoch: need a whole number"),
    ("GET", "/events?batch=101", b""): (400, "batch: need 1 to 100"),
    ("POST", "/messages", b"{"): (400, "not JSON"),
    ("POST", "/messages", b"[]"): (400, "messages: need 1 to 1000"),
    ("POST", "/messages", b"[NaN]"): (400, "a number that JSON does not have"),
    ("POST", "/messages", b"1e999"): (400, "a number that JSON does not have"),
    ("POST", "/messages", b"[" * 100_000): (400, "not JSON"),
    ("POST", "/messages", b'"' + b"x" * 20_000 + b'"'): (413, "need at most 16384"),
    ("PUT", "/messages/%20", b"1"): (400, "key: need"),
    ("POST", "/webhooks", b"[]"): (400, "not a JSON object"),
    ("POST", "/webhooks", b"{}"): (400, "url: need a text"),
    ("PUT", "/webhooks/a.b", b'{"url":"http://127.0.0.1:1/"}'): (400, "name: need"),
    ("GET", "/webhooks/none", b""): (404, "there is no webhook 'none'"),
}


@pytest.mark.parametrize("request_", WRONG, ids=lambda r: f"{r[0]} {r[1]} {r[2][:20]!r}")
@on_loop
async def test_wrong_requests_get_a_sentence(request_: tuple[str, str, bytes]) -> None:
    method, target, body = request_
    status, text = WRONG[request_]
    async with serving(Settings()) as server:
        assert text in error(await ask(server.port, method, target, {}, body), status)
        assert server.board.log.end == 0 and server.place.errors == 0


@on_loop
async def test_what_is_too_large_or_not_a_method() -> None:
    async with serving(Settings()) as server:
        large = {"Content-Length": str(limits.BODY + 1)}
        assert (await ask(server.port, "POST", "/messages", large, b"x" * 2000)).status == 413
        assert (await ask(server.port, "GET", "/", {"X": "y" * 9000})).status in (400, 431)
        many = {f"X{i}": "y" for i in range(80)}
        assert (await ask(server.port, "GET", "/", many)).status in (400, 431)
        assert (await ask(server.port, "DELETE", "/records")).status == 405
        assert (await ask(server.port, "GET", "/nothing")).status == 404


STRANGERS: tuple[dict[str, str], ...] = (
    {"Host": "evil.example"},
    {"Host": "127.0.0.1.evil.example:80"},
    {"Host": ""},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
)


@pytest.mark.parametrize("headers", STRANGERS, ids=str)
@on_loop
async def test_web_pages_are_refused_everywhere(headers: dict[str, str]) -> None:
    async with serving(Settings()) as server:
        for method, target in (("GET", "/"), ("POST", "/messages"), ("GET", "/stream")):
            assert (await ask(server.port, method, target, headers, b"1")).status == 403
        assert server.board.log.end == 0


@on_loop
async def test_a_token_is_asked_for_on_every_path() -> None:
    token = "correct horse battery staple"
    async with serving(Settings(token=token)) as server:
        paths = [route.resource.canonical for route in server.server.app.router.routes()]
        assert len(paths) >= 12
        for path in paths:
            for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": token}):
                assert (await ask(server.port, "GET", path, given)).status == 401, path
        right = {"Authorization": f"Bearer {token}"}
        assert (await ask(server.port, "GET", "/", right)).status == 200
        with pytest.raises(Exception, match="401"):
            await connect(f"ws://127.0.0.1:{server.port}/stream", proxy=None)


@on_loop
async def test_connections_that_ask_for_nothing_end() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "FIRST_REQUEST", 0.3)
        patch.setattr(limits, "FIRST_FRAME", 0.1)
        patch.setattr(limits, "LOOK", 0.05)
        async with serving(Settings()) as server:
            async with Http(server.port) as silent, Http(server.port) as polls:
                polls.send("GET", "/")
                await polls.reply()
                assert await silent.reader.read() == b""
                polls.send("GET", "/")
                assert (await polls.reply()).status == 200, "one that asked stays"
            async with subscribed(server) as stream:
                with pytest.raises(ConnectionClosed):
                    while True:
                        assert "no subscription in 0.1 s" in await stream.recv()


@on_loop
async def test_of_too_many_connections_the_newest_end() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "CONNECTIONS", 2)
        patch.setattr(limits, "LOOK", 0.05)
        async with serving(Settings()) as server, AsyncExitStack() as stack:
            clients = []
            for _ in range(3):
                clients.append(await stack.enter_async_context(Http(server.port)))
                clients[-1].send("GET", "/")
                assert (await clients[-1].reply()).status == 200
            assert await clients.pop().reader.read() == b""
            for client in clients:
                client.send("GET", "/")
                assert (await client.reply()).status == 200


def subscribed(server: FeedServer) -> connect:
    return connect(
        f"ws://127.0.0.1:{server.port}/stream", proxy=None, max_queue=1, close_timeout=0.2
    )


async def ask_for(stream: ClientConnection, **more: Any) -> dict[str, Any]:
    await stream.send(json.dumps({"subscribe": "ticks", **more}))
    return dict(json.loads(await stream.recv()))


async def take(stream: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(10):
        return dict(json.loads(await stream.recv()))


@on_loop
async def test_a_websocket_goes_on_at_an_offset() -> None:
    async with serving(Settings()) as server:
        post(server, *"abc")
        async with subscribed(server) as stream:
            told = await ask_for(stream, offset=1, epoch=server.board.log.epoch)
            assert (told["subscribed"], told["offset"], told["end"]) == ("ticks", 1, 3)
            assert await take(stream) == {"offset": 1, "records": [{"id": 1, "data": "b"}]}
            assert (await take(stream))["offset"] == 2
            post(server, "d")
            assert (await take(stream))["records"] == [{"id": 3, "data": "d"}]
        async with subscribed(server) as stream:
            assert (await ask_for(stream))["offset"] == 4, "without an offset: from now on"
        async with subscribed(server) as stream:
            await ask_for(stream, offset="earliest", batch=3)
            assert offsets(await take(stream)) == [0, 1, 2]


@on_loop
async def test_credits_bound_what_is_not_acknowledged() -> None:
    async with serving(Settings()) as server:
        post(server, *range(6))
        async with subscribed(server) as stream:
            await ask_for(stream, offset=0, credits=2)
            assert [(await take(stream))["offset"] for _ in range(2)] == [0, 1]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await stream.recv()
            await stream.send('{"ack":1}')
            assert (await take(stream))["offset"] == 2
            await stream.send('{"nack":0}')
            again = await take(stream)
            assert (again["offset"], again["attempt"]) == (0, 2)
            for wrong in ('{"ack":0}', '{"ack":77}', '{"ack":1}'):  # of the first attempt, unknown
                await stream.send(wrong)
            await stream.send('{"ack":0,"attempt":2}')
            assert (await take(stream))["offset"] == 3


FRAMES = {
    "{": "not JSON",
    "{}": "subscribe first",
    '{"subscribe":"other"}': "there is only 'ticks'",
    '{"subscribe":"ticks","offset":1}': "offset out of range: need 0 to 0",
    '{"subscribe":"ticks","offset":-1}': "offset: need a whole number",
    '{"subscribe":"ticks","credits":0}': "credits: need 1 to 10000",
    '{"subscribe":"ticks","credits":1e99}': "credits: need a whole number",
    '{"subscribe":"ticks","batch":0}': "batch: need 1 to 100",
    b"binary": "text frames only",
}


@pytest.mark.parametrize("frame", FRAMES, ids=repr)
@on_loop
async def test_wrong_frames_are_told_and_end_the_connection(frame: str | bytes) -> None:
    async with serving(Settings()) as server, subscribed(server) as stream:
        await stream.send(frame)
        assert FRAMES[frame] in json.loads(await stream.recv())["error"]
        with pytest.raises(ConnectionClosed) as closed:
            await stream.recv()
        assert closed.value.rcvd and closed.value.rcvd.code in (1003, 4416)
        assert server.place.errors == 0 and not server.streams.open


@on_loop
async def test_a_frame_that_is_too_large() -> None:
    async with serving(Settings()) as server, subscribed(server) as stream:
        await stream.send("x" * (limits.FRAME + 1))
        with pytest.raises(ConnectionClosed) as closed:
            await stream.recv()
        assert closed.value.rcvd and closed.value.rcvd.code == 1009


@on_loop
async def test_one_that_does_not_read_holds_nothing_up_and_is_told_what_it_missed() -> None:
    """The server keeps a few messages for it; the rest waits in the log until that forgets it."""
    body = "x" * 10_000
    keep = Retention(count=200)
    async with serving(Settings(keep=keep)) as server, subscribed(server) as slow:
        await ask_for(slow, offset=0)
        async with subscribed(server) as quick:
            await ask_for(quick, offset=0)
            for count in range(1, 3001):  # 30 MB, much more than sockets take
                post(server, body)
                if count % 100 == 0:
                    while (await take(quick))["offset"] < count - 1:
                        pass
            (waiting,) = [outlet for outlet in server.streams.open if outlet.blocked]
            assert len(waiting.frames) <= 2 * limits.CHUNK
            assert waiting.actor and waiting.actor.role.pending <= 4 * limits.CHUNK
            seen = -1
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    told = await take(slow)
                    if "error" in told:
                        assert (told["start"], told["end"]) == (2800, 3000)
                    else:
                        assert told["offset"] == seen + 1, "no gap up to there"
                        seen = told["offset"]
            assert closed.value.rcvd and closed.value.rcvd.code == 4416


@on_loop
async def test_events_go_on_after_the_last_one() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "HEARTBEAT", 0.1)
        async with serving(Settings()) as server, Http(server.port) as http:
            post(server, *"abc")
            epoch = server.board.log.epoch
            http.send("GET", "/events", {"Last-Event-ID": f"{epoch}-0"})
            head = await http.head()
            assert head.headers["content-type"] == "text/event-stream"
            assert "retry: 1000\n\n" in await http.chunk()
            for number, letter in ((1, "b"), (2, "c")):
                first, second, *_ = (await http.chunk()).split("\n")
                assert first == f"id: {epoch}-{number}"
                record = {"id": number, "data": letter}
                assert json.loads(second.removeprefix("data: "))["records"] == [record]
            assert await http.chunk() == ": still here\n\n"
            assert (await get(server, "/events", Last_Event_ID="1-0")).status == 416


@on_loop
async def test_bounds_of_how_many_there_are_at_once() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "STREAMS", 1)
        patch.setattr(limits, "POLLS", 1)
        async with serving(Settings()) as server:
            async with subscribed(server) as stream:
                await ask_for(stream)
                assert "1 streams" in error(await get(server, "/events"), 503)
            held = asyncio.ensure_future(get(server, "/records?offset=0&max_wait=30"))
            while server.board.slots:
                await asyncio.sleep(0.01)
            assert "1 polls" in error(await get(server, "/records"), 503)
            post(server, 1)
            assert (await held).status == 200
            assert (await get(server, "/records")).status == 200, "the place is free again"


@on_loop
async def test_members_of_a_group_share_the_messages() -> None:
    async with serving(Settings(keep=Retention(count=100))) as server:

        async def member(path: str, who: int, method: str = "POST", body: bytes = b"") -> Reply:
            return await ask(server.port, method, f"/group/{path}&consumer={who}", {}, body)

        first = data(await member("join?", 0))
        assert first == {"generation": 1, "offsets": [[p, 0] for p in range(6)]}
        all_six = ",".join(f"{p}:0" for p in range(6))
        fetch = f"records?generation=1&positions={all_six}&max_wait=30"
        held = asyncio.ensure_future(member(fetch, 0, "GET"))
        await asyncio.sleep(0.05)
        post(server, *"abcdef")
        found = data(await held)
        assert [record["data"] for record in found["records"]] == [*"abcdef"]
        done = json.dumps({"offsets": [[0, 1], [5, 1]]}).encode()
        assert (await member("commit?generation=1", 0, body=done)).status == 204
        other = asyncio.ensure_future(member("join?", 1))
        await asyncio.sleep(0.05)
        assert data(await member(fetch, 0, "GET"), 409)["error"] == "join again"
        again = data(await member("join?", 0))
        assert again["offsets"] == [[0, 1], [1, 0], [2, 0]]
        assert data(await other)["offsets"] == [[3, 0], [4, 0], [5, 1]]
        assert data(await member("commit?generation=1", 0, body=done), 409)["generation"] == 2
        theirs = await member("records?generation=2&positions=3:0,4:0,5:1", 1, "GET")
        assert offsets(data(theirs)) == [3, 4]
        assert "need 0 to 15" in error(await member("join?", 16), 400)
