"""The lab's streams as a stranger sees them: WebSockets and server-sent events, right and wrong."""

import asyncio
import base64
import json
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from servers import Http, on_loop, publish, serving
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from lab import ServerSentEvents, WebSocketPush
from lab.engines.loopback import settings
from lab.engines.loopback.side import Side
from lab.roles import Retention
from lab.wire.formats import OUT_OF_RANGE

ACKS = WebSocketPush(acks=True, credits=2)
SMALL = 1_000_000  # bytes that a connection holds, where it matters that it is full
SUBSCRIBE = '{"subscribe":0,"offset":null}'
UNSUPPORTED, PROTOCOL_ERROR, INVALID_DATA, TOO_BIG = 1003, 1002, 1007, 1009


@asynccontextmanager
async def stranger(ports: dict[str, int], path: str = "/stream") -> AsyncIterator[ClientConnection]:
    async with connect(f"ws://127.0.0.1:{ports['websocket']}{path}", proxy=None) as client:
        yield client


async def close_code(client: ClientConnection) -> int:
    """Wait until the server closes the connection; return why."""
    with pytest.raises(ConnectionClosed):
        while True:
            await client.recv()
    assert client.close_code is not None
    assert "Traceback" not in (client.close_reason or "")
    return client.close_code


async def delivered(client: ClientConnection) -> list[int]:
    frame = json.loads(await client.recv())
    return [record["id"] for record in frame["records"]]


async def still_serves(side: Side, ports: dict[str, int], *messages: int) -> None:
    """Check that a well-behaved consumer gets what is published from now on."""
    async with stranger(ports) as client:
        await subscribe(side, client)
        publish(side, *messages)
        for message in messages:
            assert await delivered(client) == [message]


async def subscribe(side: Side, client: ClientConnection) -> None:
    before = side.site.counts["subscribed"]
    await client.send(SUBSCRIBE)
    while side.site.counts["subscribed"] == before:
        await asyncio.sleep(0.01)


BAD_FIRST_FRAMES: dict[str, Any] = {
    "not JSON": "{",
    "a list": "[1]",
    "nothing": "{}",
    "nested": "[" * 50_000,
    "binary": b'{"subscribe":0}',
    "an ack": '{"ack":0}',
    "a delivery": '{"offset":0,"records":[]}',
    "no number": '{"subscribe":"me"}',
    "negative": '{"subscribe":-1}',
    "a stranger": '{"subscribe":1}',
    "far off": '{"subscribe":9007199254740992}',
    "bad offset": '{"subscribe":0,"offset":-1}',
}


@pytest.mark.parametrize("case", BAD_FIRST_FRAMES)
@on_loop
async def test_wrong_first_frames(case: str) -> None:
    async with serving(WebSocketPush()) as (side, ports):
        async with stranger(ports) as client:
            await client.send(BAD_FIRST_FRAMES[case])
            assert await close_code(client) == UNSUPPORTED
        await still_serves(side, ports, 0, 1)


BAD_ACKS: dict[str, Any] = {
    "negative": '{"ack":-1}',
    "huge": '{"ack":1e99}',
    "again": SUBSCRIBE,
    "publish": '{"publish":[{"id":0}]}',
    "binary": b'{"ack":0}',
}


@pytest.mark.parametrize("case", BAD_ACKS)
@on_loop
async def test_wrong_frames_after_subscribing(case: str) -> None:
    async with serving(ACKS) as (_, ports), stranger(ports) as client:
        await client.send(SUBSCRIBE)
        await client.send(BAD_ACKS[case])
        assert await close_code(client) == UNSUPPORTED


@on_loop
async def test_acks_of_what_was_never_sent_or_acked_before_change_nothing() -> None:
    async with serving(ACKS) as (side, ports), stranger(ports) as client:
        await subscribe(side, client)
        await client.send('{"ack":12345}')
        publish(side, 0, 1, 2, 3, 4)
        assert [await delivered(client), await delivered(client)] == [[0], [1]]
        for _ in range(3):
            await client.send('{"ack":0}')
        assert await delivered(client) == [2]
        with pytest.raises(TimeoutError):  # one credit was given back, not three
            async with asyncio.timeout(0.2):
                await client.recv()


BAD_PUBLISHED = ("{", '{"publish":[{"id":10}]}', '{"publish":[{"id":-1}]}', '{"ack":0}', b"\0")


@pytest.mark.parametrize("frame", BAD_PUBLISHED)
@on_loop
async def test_wrong_frames_from_a_source(frame: str | bytes) -> None:
    async with serving(WebSocketPush()) as (side, ports), stranger(ports, "/publish") as client:
        await client.send('{"publish":[{"id":0}]}')
        await client.send(frame)
        assert await close_code(client) == UNSUPPORTED
        await still_serves(side, ports, 1)


@on_loop
async def test_pages_in_a_browser_and_unknown_paths_are_refused() -> None:
    async with serving(WebSocketPush()) as (side, ports):
        uri = f"ws://127.0.0.1:{ports['websocket']}/stream"
        for origin in ("http://evil.example", "null"):
            with pytest.raises(InvalidStatus) as refused:
                await connect(uri, proxy=None, origin=origin)
            assert refused.value.response.status_code == 403
        async with stranger(ports, "/elsewhere") as client:
            assert await close_code(client) == UNSUPPORTED
        await still_serves(side, ports, 0)


@on_loop
async def test_who_opens_a_stream_and_does_not_subscribe_is_told_to_go() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "HEAD_DEADLINE", 0.1)
        async with serving(WebSocketPush()) as (_, ports), stranger(ports) as silent:
            with pytest.raises(ConnectionClosed):
                await silent.recv()
            assert silent.close_reason == "nothing came in 0.1 s"


@on_loop
async def test_peers_that_say_nothing_or_no_http() -> None:
    async with (
        serving(WebSocketPush()) as (side, ports),
        stranger(ports),
        Http(ports["websocket"]),
        Http(ports["websocket"]) as noisy,
    ):
        noisy.writer.write(b"\x00\xff\r\n\r\n")
        await still_serves(side, ports, 0, 1)


HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    "Sec-WebSocket-Version": "13",
}
BAD_FRAMES = {
    "unmasked": (b"\x81\x02hi", PROTOCOL_ERROR),
    "reserved bits": (b"\xf1\x82\0\0\0\0hi", PROTOCOL_ERROR),
    "reserved opcode": (b"\x83\x82\0\0\0\0hi", PROTOCOL_ERROR),
    "broken UTF-8": (b"\x81\x82\0\0\0\0\xff\xff", INVALID_DATA),
    "oversize": (b"\x81\xff" + struct.pack("!Q", 2**40) + b"\0\0\0\0", TOO_BIG),
}


@pytest.mark.parametrize("case", BAD_FRAMES)
@on_loop
async def test_frames_against_the_protocol(case: str) -> None:
    frame, code = BAD_FRAMES[case]
    async with serving(WebSocketPush()) as (side, ports):
        async with Http(ports["websocket"]) as raw:
            raw.send("GET", "/stream", HANDSHAKE)
            assert (await raw.head()).status == 101
            raw.writer.write(frame)
            opcode, length = await raw.reader.readexactly(2)
            assert opcode == 0x88, "a close frame"
            payload = await raw.reader.readexactly(length)
            assert struct.unpack("!H", payload[:2])[0] == code
        await still_serves(side, ports, 0)


@on_loop
async def test_a_consumer_that_stops_reading_blocks_its_sender_in_bounded_memory() -> None:
    """The role is told that it is blocked, holds what follows, and goes on once it is read again."""
    size, count = 200_000, 40
    async with (
        serving(WebSocketPush(), count=count, size=size, socket_buffer=SMALL) as (side, ports),
        connect(f"ws://127.0.0.1:{ports['websocket']}/stream", proxy=None, max_queue=1) as client,
    ):
        settings.limit_buffers(client.transport.get_extra_info("socket"), SMALL)
        await subscribe(side, client)
        for message in range(count):
            publish(side, message)
            await asyncio.sleep(0)
        hub, session = side.servers["websocket"], side.broker.role.sessions[0]
        assert not session.writable
        assert len(session.buffer) > count / 2, "the role holds what cannot be sent"
        assert len(hub.outlets[0].frames) <= 2  # one of them had waited for its turn to be written
        buffered = [c.transport.get_write_buffer_size() for c in hub.server.connections]
        assert max(buffered) < 2 * size + settings.WEBSOCKET["write_limit"]
        assert [await delivered(client) for _ in range(count)] == [[m] for m in range(count)]
        assert session.writable and not session.buffer


def event(text: str) -> tuple[str, list[int]]:
    """Return id and messages of an event."""
    first, second, *rest = text.split("\n")
    assert rest == ["", ""]
    assert first.startswith("id: ") and second.startswith("data: ")
    data = json.loads(second.removeprefix("data: "))
    return first.removeprefix("id: "), [record["id"] for record in data["records"]]


@on_loop
async def test_events_and_their_resumption() -> None:
    async with serving(ServerSentEvents()) as (side, ports):
        async with Http(ports["http"]) as http:
            http.send("GET", "/events?consumer=0", {"Accept": "text/event-stream"})
            head = await http.head()
            assert (head.status, head.headers["content-type"]) == (200, "text/event-stream")
            publish(side, 5, 6, 7)
            events = [event(await http.chunk()) for _ in range(3)]
            assert events == [("0", [5]), ("1", [6]), ("2", [7])]
        publish(side, 8, 9)
        async with Http(ports["http"]) as http:
            http.send("GET", "/events?consumer=0", {"Last-Event-ID": "1"})
            await http.head()
            assert [event(await http.chunk()) for _ in range(3)] == [
                ("2", [7]),
                ("3", [8]),
                ("4", [9]),
            ]
            publish(side, 0)
            assert event(await http.chunk()) == ("5", [0])


@on_loop
async def test_streams_from_an_offset_that_is_not_there() -> None:
    """Both ways: the valid range is told, and nothing is delivered instead."""
    valid = {"error": "offset out of range", "start": 2, "end": 4, "epoch": 0}
    keep = Retention(count=2)
    async with serving(WebSocketPush(replay=True), retention=keep) as (side, ports):
        publish(side, 0, 1, 2, 3)
        for offset in ("1", "5", '2,"epoch":1'):
            async with stranger(ports) as client:
                await client.send(f'{{"subscribe":0,"offset":{offset}}}')
                assert json.loads(await client.recv()) == valid
                assert await close_code(client) == OUT_OF_RANGE
        async with stranger(ports) as client:
            await client.send('{"subscribe":0,"offset":2}')
            assert [await delivered(client), await delivered(client)] == [[2], [3]]
    async with serving(ServerSentEvents(), retention=keep) as (side, ports):
        publish(side, 0, 1, 2, 3)
        async with Http(ports["http"]) as http:
            for last in ("0", "4", "1-1"):
                http.send("GET", "/events?consumer=0", {"Last-Event-ID": last})
                reply = await http.reply()
                assert (reply.status, json.loads(reply.body)) == (416, valid)
            http.send("GET", "/events?consumer=0", {"Last-Event-ID": "1"})
            assert (await http.head()).status == 200
            assert event(await http.chunk()) == ("2", [2])


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/events?consumer=x", {}),
        ("/events?consumer=1", {}),
        ("/events", {"Last-Event-ID": "abc"}),
        ("/events", {"Last-Event-ID": "-1"}),
        ("/events", {"Last-Event-ID": "9" * 30}),
    ],
)
@on_loop
async def test_wrong_requests_for_events(target: str, headers: dict[str, str]) -> None:
    async with serving(ServerSentEvents()) as (_, ports), Http(ports["http"]) as http:
        http.send("GET", target, headers)
        reply = await http.reply()
        assert reply.status == 400
        assert json.loads(reply.body)["error"]
