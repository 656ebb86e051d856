"""Clients of a feed: every message once and in order, however the connection fares."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from feeds import post, ticks_of
from servers import ask, on_loop

from lab.description import InvalidInput
from lab.feed import Client, Event, FeedError
from lab.feed.client import webhook as webhook_client
from lab.feed.client.client import Missed
from lab.feed.client.events import Delivery
from lab.feed.server import FeedServer, Settings, serving
from lab.feed.signature import signed
from lab.feed.subscription import Subscription
from lab.roles import Retention
from lab.wire.formats import BadRequest

WAYS: dict[str, dict[str, Any]] = {
    "/stream": {},
    "/stream acks": {"credits": 10, "batch": 2},
    "/events": {"batch": 3},
    "/records": {"wait": 5.0},
    "/records short": {"wait": 0.0, "interval": 0.02},
    "/webhooks": {},
}
PUSHED = [way for way in WAYS if not way.startswith("/records")]
each_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_client, "LOOK", 0.1)


def client_of(way: str, port: int, on_event: Any, **more: Any) -> Client:
    path = way.partition(" ")[0]
    scheme = "ws" if path == "/stream" else "http"
    settings = {"begin": "earliest", "patience": 5.0} | WAYS[way] | more
    return Client(f"{scheme}://127.0.0.1:{port}{path}", on_event, **settings)


def until(count: int, events: list[Event]) -> Callable[[Event], None]:
    """Return an `on_event` that collects, and raises `Enough` at the last."""

    def on_event(event: Event) -> None:
        events.append(event)
        if len(events) == count:
            raise Enough

    return on_event


class Enough(Exception):
    pass


def numbers(events: list[Event]) -> list[int]:
    return [event.sequence for event in events]


@each_way
@on_loop
async def test_every_message_from_the_saved_cursor_on(way: str) -> None:
    async def resume(feed: str) -> int:
        assert feed == server.board.feed
        return 2

    events: list[Event] = []
    async with serving(Settings()) as server:
        post(server, *"abcde")
        client = client_of(way, server.port, events.append, resume=resume)
        listening = asyncio.ensure_future(client.listen())
        while len(events) < 3:
            await asyncio.sleep(0.01)
        post(server, *"fgh")
        while len(events) < 6:
            await asyncio.sleep(0.01)
        client.stop()
        await listening
        assert [event.data for event in events] == [*"cdefgh"]
        assert numbers(events) == [*range(2, 8)]
        assert {event.feed for event in events} == {server.board.feed}
        assert not server.hooks.hooks, "it has said goodbye"
    assert client.counts.events == 6 and client.counts.connections == 1


@each_way
@on_loop
async def test_a_server_that_comes_back_has_a_new_log(way: str) -> None:
    events: list[Event] = []
    async with serving(Settings()) as server:
        post(server, *"abc")
        client = client_of(way, server.port, until(5, events))
        listening = asyncio.ensure_future(client.listen())
        while len(events) < 3:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    async with serving(Settings(port=server.port)) as other:
        post(other, *"de")
        with pytest.raises(Enough):
            await listening
    assert [event.data for event in events] == [*"abcde"]
    assert numbers(events) == [0, 1, 2, 0, 1]
    assert [event.feed == other.board.feed for event in events] == [False] * 3 + [True] * 2
    assert client.counts.connections >= 2


@pytest.mark.parametrize("way", PUSHED)
@on_loop
async def test_what_goes_missing_on_the_way_is_asked_for_again(way: str) -> None:
    dropped: list[int] = []
    send = Subscription._send

    def lossy(self: Subscription, delivery: Any) -> None:
        if delivery.offset >= 2 and not dropped:
            dropped.append(delivery.offset)
        else:
            send(self, delivery)

    events: list[Event] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Subscription, "_send", lossy)
        async with serving(Settings()) as server:
            post(server, *range(4))
            client = client_of(way, server.port, until(6, events))
            listening = asyncio.ensure_future(client.listen())
            while not dropped:
                await asyncio.sleep(0.01)
            if way == "/webhooks":  # it waits for that answer: as if the client had hung
                server.hooks.hooks["client"].stop("tired of waiting")
            post(server, 4)
            await asyncio.sleep(0.05)
            post(server, 5)
            with suppress(Enough):
                await listening
    assert numbers(events) == [*range(6)]
    assert client.counts.connections == 2 and client.counts.lost == 0


@each_way
@on_loop
async def test_what_the_log_has_forgotten_is_counted(way: str) -> None:
    async def resume(feed: str) -> int:
        return 1

    events: list[Event] = []
    async with serving(Settings(keep=Retention(count=3))) as server:
        post(server, *range(6))
        client = client_of(way, server.port, until(3, events), resume=resume)
        with pytest.raises(Enough):
            await client.listen()
    assert numbers(events) == [3, 4, 5]
    assert client.counts.lost == 2


@each_way
@on_loop
async def test_only_these_symbols(way: str) -> None:
    events: list[Event] = []
    async with serving(Settings()) as server:
        post(server, *ticks_of("ABCAB"), 5, {"symbol": ["A"]}, *ticks_of("A"))
        client = client_of(way, server.port, until(4, events), symbols=["A", "C"])
        with pytest.raises(Enough):
            await client.listen()
    assert [event.data["symbol"] for event in events] == [*"ACAA"]
    assert numbers(events) == [0, 2, 3, 7]


@pytest.mark.parametrize("error", [OSError("disk"), BadRequest(400, "mine"), ValueError("x")])
@each_way
@on_loop
async def test_what_on_event_raises_ends_the_client(way: str, error: Exception) -> None:
    async def on_event(event: Event) -> None:
        raise error

    async with serving(Settings()) as server:
        post(server, 1)
        with pytest.raises(type(error)) as raised:
            await client_of(way, server.port, on_event).listen()
    assert raised.value is error


@each_way
@on_loop
async def test_a_server_that_is_not_there(way: str) -> None:
    async with serving(Settings()) as server:
        port = server.port
    begun = time.monotonic()
    with pytest.raises(
        FeedError, match=f"http://127.0.0.1:{port}: unreachable: Connection refused"
    ):
        await client_of(way, port, print, patience=0.2).listen()
    assert 0.2 <= time.monotonic() - begun < 5


@each_way
@on_loop
async def test_a_token_is_sent_or_missed(way: str) -> None:
    token, events = "correct horse battery staple", list[Event]()
    async with serving(Settings(token=token)) as server:
        post(server, 1)
        with pytest.raises(FeedError, match="the server answered 401"):
            await client_of(way, server.port, print).listen()
        with pytest.raises(Enough):
            await client_of(way, server.port, until(1, events), token=token).listen()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ticks",
        "ws://127.0.0.1:1/events",
        "http://127.0.0.1:1/stream",
        "http://127.0.0.1:1/",
        "http://127.0.0.1:1/records?offset=1",
        "http://127.0.0.1:0/records",
        "http://127.0.0.1:x/records",
        "http://127.0.0.1:70000/records",
        "http://me@127.0.0.1:1/records",
        "ftp://127.0.0.1/records",
        "http:///records",
    ],
)
def test_a_wrong_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(InvalidInput, match="need ws://HOST:PORT/stream"):
        Client(url, print)


@on_loop
async def test_a_gap_is_not_handed_on_and_a_repetition_not_twice() -> None:
    events: list[Event] = []
    client = Client("ws://127.0.0.1:1/stream", events.append)
    client.next = 3
    await client.take(Delivery(1, "bcde"))
    with pytest.raises(Missed):
        await client.take(Delivery(6, "g"))
    assert [event.data for event in events] == [*"de"] and client.next == 5
    assert client.counts.repeated == 2


def test_as_the_chapter_writes_it() -> None:
    """`connect`, then `keep_alive`: in a thread of its own, with a plain function."""
    events: list[Event] = []
    ready, done = asyncio.Event(), asyncio.Event()
    served: list[FeedServer] = []

    async def serve() -> None:
        async with serving(Settings()) as server:
            served.append(server)
            loops.append(asyncio.get_running_loop())
            ready.set()
            await done.wait()

    loops: list[asyncio.AbstractEventLoop] = []

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        while not loops:
            time.sleep(0.01)
        client = Client(
            f"ws://127.0.0.1:{served[0].port}/stream", symbols=["A"], on_event=until(2, events)
        )
        client.connect()
        time.sleep(0.2)  # it begins with what comes from now on
        loops[0].call_soon_threadsafe(lambda: post(served[0], *ticks_of("ABA")))
        with pytest.raises(Enough):
            client.keep_alive(30)
        assert numbers(events) == [0, 2]
        client.connect()
        client.keep_alive(0.1)
        client.stop()
        client.keep_alive(30)
    finally:
        loops[0].call_soon_threadsafe(done.set)
        thread.join()
    with pytest.raises(FeedError, match="unreachable"):
        Client(client.url, print, patience=0.0).connect()


@on_loop
async def test_a_forged_or_replayed_delivery_is_not_taken() -> None:
    events: list[Event] = []
    async with serving(Settings()) as server:
        client = client_of("/webhooks", server.port, events.append)
        listening = asyncio.ensure_future(client.listen())
        while not server.hooks.hooks:
            await asyncio.sleep(0.01)
        hook = server.hooks.hooks["client"]
        port, secret = int(hook.target.url.split(":")[2].split("/")[0]), hook.target.secret
        record = {"id": 0, "data": "forged"}
        body = json.dumps({"epoch": client.epoch, "offset": 0, "records": [record]}).encode()
        old = signed(secret, "msg_1", time.time() - 400, body)
        other = signed("whsec_" + "A" * 40, "msg_1", time.time(), body)
        for headers in ({}, old, other):
            assert (await ask(port, "POST", "/hook", headers, body)).status == 401
        assert not events
        good = signed(secret, "msg_1", time.time(), body)
        for _ in range(2):
            assert (await ask(port, "POST", "/hook", good, body)).status == 204
        assert len(events) == 1 and client.next == 1
        client.stop()
        await listening
