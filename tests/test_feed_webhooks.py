"""Webhooks: signed, in order, repeated until acknowledged, and only where they may go."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from feeds import data, error, get, offsets, post, send
from servers import ask, on_loop

from lab.feed import webhooks
from lab.feed.server import FeedServer, Settings, serving
from lab.feed.signature import BadSignature, secret_of, signed, verify
from lab.roles import Retention, Retry

SECRET = secret_of(bytes(range(32)))


def test_the_signature_is_that_of_the_standard() -> None:
    """The example of Standard Webhooks' own libraries."""
    secret, name = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
    headers = signed(secret, name, 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_is_not_signed_rightly_is_refused() -> None:
    headers = signed(SECRET, "msg_1", 1000.0, b"body")
    assert verify(SECRET, headers, b"body", 1290.0) == "msg_1"
    two = headers | {"webhook-signature": "v1,b2xk " + headers["webhook-signature"]}
    assert verify(SECRET, two, b"body", 1000.0) == "msg_1", "one of several is enough"
    wrong: list[tuple[dict[str, str], bytes, float]] = [
        (headers, b"other", 1000.0),
        (headers, b"body", 1301.0),
        (headers, b"body", 699.0),
        (headers | {"webhook-id": "msg_2"}, b"body", 1000.0),
        (headers | {"webhook-timestamp": "1001"}, b"body", 1000.0),
        (headers | {"webhook-timestamp": "now"}, b"body", 1000.0),
        (headers | {"webhook-signature": headers["webhook-signature"][3:]}, b"body", 1000.0),
        (headers | {"webhook-signature": "v1,\u00e4"}, b"body", 1000.0),
        ({}, b"body", 1000.0),
    ]
    for given, body, now in wrong:
        with pytest.raises(BadSignature):
            verify(SECRET, given, body, now)
    with pytest.raises(BadSignature):
        verify(secret_of(bytes(32)), headers, b"body", 1000.0)


def test_a_secret_has_a_form() -> None:
    for wrong in ("", "whsec_", "whsec_c2hvcnQ=", SECRET[6:], "whsec_" + "!" * 40):
        with pytest.raises(ValueError, match="24 to 64 bytes"):
            signed(wrong, "msg", 0.0, b"")


class Target:
    """An HTTP server that answers as it is told to, then with 204; `taken` are headers and bodies."""

    def __init__(self, answers: Iterable[str]) -> None:
        self.answers = list(answers)
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.times: list[float] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                fields = (line.partition(": ") for line in head[1:-2])
                headers = {name.lower(): value for name, _, value in fields}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.taken.append((headers, body))
                self.times.append(time.monotonic())
                answer = self.answers.pop(0) if self.answers else "204 No Content"
                writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())
        except asyncio.IncompleteReadError:
            writer.close()

    @property
    def offsets(self) -> list[int]:
        return [offset for _, body in self.taken for offset in offsets(json.loads(body))]


@asynccontextmanager
async def target(*answers: str) -> AsyncIterator[Target]:
    made = Target(answers)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


async def register(server: FeedServer, to: Target, name: str = "mine", **more: Any) -> Any:
    asked = {"url": f"http://127.0.0.1:{to.port}/", "secret": SECRET, "offset": 0} | more
    reply = await send(server, "PUT", f"/webhooks/{name}", asked)
    return data(reply, reply.status)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def stopped(server: FeedServer, name: str = "mine") -> Any:
    """Wait until a webhook is stopped; return what it says."""
    await until(lambda: server.hooks.hooks[name].state == "stopped")
    return data(await get(server, f"/webhooks/{name}"))


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "RETRY", Retry(first=0.02, limit=0.05, attempts=3))


@pytest.mark.usefixtures("_quick")
@on_loop
async def test_deliveries_are_signed_in_order_and_repeated() -> None:
    async with serving(Settings()) as server, target("500 No", "302 Found") as to:
        post(server, *"ab")
        await register(server, to)
        await until(lambda: len(to.taken) == 4)
        post(server, "c")
        await until(lambda: len(to.taken) == 5)
        assert to.offsets == [0, 0, 0, 1, 2]
        names = [verify(SECRET, headers, body, time.time()) for headers, body in to.taken]
        assert names[0] == names[1] == names[2], "each attempt has the id of the first"
        assert len(set(names)) == 3
        assert json.loads(to.taken[-1][1])["records"] == [{"id": 2, "data": "c"}]
        told = data(await get(server, "/webhooks"))["webhooks"]
        assert [(h["state"], h["offset"], h["delivered"], h["failures"]) for h in told] == [
            ("active", 3, 3, 2)
        ]
        assert SECRET not in json.dumps(told)


@pytest.mark.usefixtures("_quick")
@on_loop
async def test_one_that_fails_each_time_is_stopped_and_goes_on_when_it_comes_back() -> None:
    async with serving(Settings()) as server, target("204 Yes", *["500 No"] * 3) as to:
        post(server, *range(4))
        await register(server, to)
        told = await stopped(server)
        assert told["reason"] == "every attempt failed at offset 1"
        assert to.offsets == [0, 1, 1, 1]
        await register(server, to, offset=told["offset"], batch=10)
        await until(lambda: len(to.taken) == 5)
        assert to.offsets[4:] == [1, 2, 3]


@on_loop
async def test_gone_stops_at_once() -> None:
    async with serving(Settings()) as server, target("204 Yes", "410 Gone") as to:
        post(server, *range(3))
        await register(server, to)
        told = await stopped(server)
        assert (told["reason"], told["offset"]) == ("the target answered 410 Gone", 1)
        post(server, "more")
        await asyncio.sleep(0.1)
        assert to.offsets == [0, 1]
        assert (await ask(server.port, "DELETE", "/webhooks/mine")).status == 204
        assert (await get(server, "/webhooks/mine")).status == 404


@on_loop
async def test_a_target_that_asks_to_wait_is_waited_for() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(webhooks, "RETRY", Retry(first=0.01, attempts=1))
        later = ["429 Later\r\nRetry-After: 1"] * 2
        async with serving(Settings()) as server, target(*later) as to:
            post(server, 1)
            await register(server, to)
            await until(lambda: server.hooks.hooks["mine"].offset == 1)
            assert to.offsets == [0, 0, 0], "a refusal is no failed attempt"
            assert min(b - a for a, b in zip(to.times, to.times[1:], strict=False)) > 0.9


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("999999", 3600.0),
        ("-1", 0.0),
        ("soon", 0.0),
        (None, 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 40.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ],
)
def test_how_long_to_wait(value: str | None, seconds: float) -> None:
    assert webhooks.pause(value, now=60.0) == seconds


@pytest.mark.usefixtures("_quick")
@on_loop
async def test_redirects_and_proxies_of_the_environment_lead_nowhere() -> None:
    async with target() as elsewhere, serving(Settings()) as server:
        away = f"307 There\r\nLocation: http://127.0.0.1:{elsewhere.port}/"
        with pytest.MonkeyPatch.context() as patch:
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
                patch.setenv(name, f"http://127.0.0.1:{elsewhere.port}")
            async with target(*[away] * 3) as to:
                post(server, 1)
                await register(server, to)
                await stopped(server)
                assert to.offsets == [0, 0, 0]
                assert not elsewhere.taken


URLS = {
    "http://example.com/": (403, "example.com is not this machine"),
    "http://192.168.0.1/": (403, "192.168.0.1 is not this machine"),
    "http://169.254.169.254/latest": (403, "not this machine"),
    "http://127.0.0.1.example.com/": (403, "not this machine"),
    "http://user@127.0.0.1/": (400, "without a user"),
    "http://127.0.0.1:99999/": (400, "not a URL"),
    "ftp://127.0.0.1/": (400, "need http://"),
    "//127.0.0.1/": (400, "need http://"),
    "http://": (400, "need http://"),
    "http://127.0.0.1/" + "x" * 3000: (400, "at most 2048"),
}


@on_loop
async def test_where_webhooks_may_lead() -> None:
    async with serving(Settings(allowed=["Good.example"])) as server:
        for url, (status, text) in URLS.items():
            assert text in error(await send(server, "POST", "/webhooks", {"url": url}), status)
        itself = f"http://localhost:{server.port}/messages"
        assert "itself" in error(await send(server, "POST", "/webhooks", {"url": itself}), 400)
        assert not server.hooks.hooks
        for url in ("http://127.0.0.1:9/", "http://[::1]:9/", "https://good.example/hook"):
            told = data(await send(server, "POST", "/webhooks", {"url": url}), 201)
            assert verify(told["secret"], signed(told["secret"], "m", 0, b""), b"", 0) == "m"
        assert list(server.hooks.hooks) == ["hook-12", "hook-13", "hook-14"]


@pytest.mark.usefixtures("_quick")
@on_loop
async def test_one_that_falls_behind_the_log_is_stopped() -> None:
    """While one delivery is not answered, the log forgets what comes after it."""
    hold = "429 Later\r\nRetry-After: 1"
    async with serving(Settings(keep=Retention(count=3))) as server, target(hold) as to:
        post(server, 0)
        await register(server, to)
        await until(lambda: to.taken)
        post(server, *range(1, 10))
        told = await stopped(server)
        assert told["reason"].startswith("the log has forgotten offset")
        assert to.offsets == [0]


@on_loop
async def test_one_of_the_same_name_takes_the_place() -> None:
    async with serving(Settings()) as server, target() as first, target() as second:
        await register(server, first)
        post(server, "a")
        await until(lambda: first.taken)
        again = await send(
            server, "PUT", "/webhooks/mine", {"url": f"http://127.0.0.1:{second.port}/"}
        )
        assert (again.status, data(again)["offset"]) == (200, 1)
        post(server, "b")
        await until(lambda: second.taken)
        assert (first.offsets, second.offsets) == ([0], [1])
