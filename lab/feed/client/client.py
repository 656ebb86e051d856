"""The client of a feed: it calls `on_event` for every message, in order, and comes back when cut off.

    client = Client("ws://127.0.0.1:8765/stream", on_event=print, symbols=["BTC/USD"])
    client.connect()
    client.keep_alive()

It counts on nothing but its cursor, the number of the next message: what comes twice is left out,
and where something is missing it connects again at the cursor.
"""

import asyncio
import inspect
import math
import os
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp
from websockets.exceptions import WebSocketException

from lab.description import InvalidInput
from lab.engines.loopback.http import client_session
from lab.feed.client import transports
from lab.feed.client.events import Delivery, Event, FeedError, Missed
from lab.feed.client.webhook import webhook
from lab.roles.retry import NO_LUCK, Backoff, Luck, Retry
from lab.wire.formats import BadRequest, parse_json, whole

RECONNECT = Retry(first=0.05, limit=2.0)
UNREACHABLE = (OSError, aiohttp.ClientError, WebSocketException)  # TimeoutError is an OSError
PATHS = ("/stream", "/events", "/records", "/webhooks")
NEED = "need ws://HOST:PORT/stream, or http://HOST:PORT and /records, /events or /webhooks"

OnEvent = Callable[[Event], Awaitable[None] | None]
Resume = Callable[[str], Awaitable[int | None]]


@dataclass
class Counts:
    """What a client has seen: `lost` messages had been forgotten by the server when it came back."""

    events: int = 0
    repeated: int = 0
    connections: int = 0
    lost: int = 0


class Stopped(Exception):
    """Somebody called `stop`."""


class Failed(Exception):
    """`on_event` raised the cause of this."""


class Client:
    """Delivers the messages at `url` to `on_event`, a function or coroutine function.

    The path of `url` decides how: `/stream` (WebSocket), `/events` (server-sent events), `/records`
    (polls that the server holds for `wait` seconds, or with wait=0 one each `interval` seconds) or
    `/webhooks` (it is POSTed to, under `name`, by a server on the same machine). Messages without one
    of `symbols`, if any are given, are passed over. `resume` tells the cursor that was saved for a
    feed; without one the client begins with the "earliest" message of the log or with what comes after
    the "latest". A server may be away for `patience` seconds: then, or if it refuses, `FeedError` is
    raised. What `on_event` raises ends the client.
    """

    def __init__(
        self,
        url: str,
        on_event: OnEvent,
        symbols: Sequence[str] | None = None,
        *,
        resume: Resume | None = None,
        begin: Literal["earliest", "latest"] = "latest",
        wait: float = 10.0,
        interval: float = 1.0,
        batch: int = 1,
        credits: int | None = None,
        name: str = "client",
        token: str | None = None,
        patience: float = 30.0,
        luck: Luck = NO_LUCK,
    ) -> None:
        self.url, self.base, self.path = _parts(url)
        self.on_event = on_event
        self.symbols = None if symbols is None else frozenset(symbols)
        self.resume = resume
        self.begin = begin
        self.wait = wait
        self.interval = interval
        self.batch = batch
        self.credits = credits
        self.hook_name = name
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.patience = patience
        self.backoff = Backoff(RECONNECT, luck)
        self.failing_since = math.inf
        self.counts = Counts()
        self.name, self.feed, self.epoch, self.next = "", "", 0, 0
        self.session: aiohttp.ClientSession
        self.stopping = False
        self.thread: threading.Thread | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Listen until `stop` is called."""
        asyncio.run(self.listen())

    def connect(self) -> None:
        """Listen in a thread beside the program. Raises `FeedError` if the server is not there."""
        connected = threading.Event()
        self.thread = threading.Thread(target=self._run_in_thread, args=(connected,), daemon=True)
        self.thread.start()
        connected.wait()
        self._raise()

    def keep_alive(self, seconds: float = math.inf) -> None:
        """Wait until the client has ended, or so many seconds. Raises what ended it."""
        end = time.monotonic() + seconds
        while self.thread and self.thread.is_alive() and (left := end - time.monotonic()) > 0:
            self.thread.join(min(left, 0.2))  # so that Ctrl-C is noticed
        self._raise()

    def stop(self) -> None:
        """End, after the event that `on_event` has now; may be called from there."""
        self.stopping = True

    def _run_in_thread(self, connected: threading.Event) -> None:
        try:
            asyncio.run(self._note_outcome(connected))
        finally:
            connected.set()

    async def _note_outcome(self, connected: threading.Event) -> None:
        """Keep an error for the thread that waits in `connect` or `keep_alive`."""
        listening = asyncio.ensure_future(self.listen(connected.set))
        await asyncio.wait([listening])
        self.error = listening.exception()

    def _raise(self) -> None:
        if self.error:
            error, self.error = self.error, None
            raise error

    async def listen(self, connected: Callable[[], object] = lambda: None) -> None:
        """Connect, and again whenever the connection ends, until `stop` is called."""
        watch = asyncio.ensure_future(self._until_stopped())
        async with client_session(keep_alive=True) as self.session:
            work = asyncio.ensure_future(self._connect_for_ever(connected))
            try:
                await asyncio.wait([work, watch], return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (work, watch):
                    task.cancel()
                await asyncio.gather(work, watch, return_exceptions=True)
            error = None if work.cancelled() else work.exception()
            if isinstance(error, Failed):
                error = error.__cause__
            if error and not isinstance(error, Stopped):
                raise error

    async def _until_stopped(self) -> None:
        while not self.stopping:
            await asyncio.sleep(0.05)

    async def _connect_for_ever(self, connected: Callable[[], object]) -> None:
        while True:
            try:
                await self._locate()
                connected()
                await self._converse()
            except FeedError:
                raise
            except BadRequest as error:
                raise FeedError(f"{self.url}: not a feed of the lab: {error.reason}") from None
            except (*UNREACHABLE, Missed) as error:
                self._check_patience(error)
            await asyncio.sleep(self.backoff.failed())

    def _check_patience(self, error: Exception) -> None:
        now = time.monotonic()
        self.failing_since = min(self.failing_since, now)
        if now - self.failing_since >= self.patience:
            raise FeedError(f"{self.base}: unreachable: {_brief(error)}") from None

    def heard(self) -> None:
        """Take note that the server does what was asked."""
        self.failing_since = math.inf
        self.backoff.succeeded()

    async def _locate(self) -> None:
        """Learn which log the server has, and where in it to go on."""
        limit = aiohttp.ClientTimeout(total=transports.ANSWER)
        async with self.session.get(
            f"{self.base}/", headers=self.headers, timeout=limit, allow_redirects=False
        ) as response:
            if response.status != 200:
                transports.refused(self.base, response.status)
            found = parse_json(await response.read())
        start, end = (whole(found.get(name), name) for name in ("start", "end"))
        feed = str(found.get("feed"))
        if feed != self.feed:
            saved = await self.resume(feed) if self.resume else None
            again = bool(self.feed)  # a server that was restarted has a new log: all of it is new
            begin = start if again or self.begin == "earliest" else end
            self.next = begin if saved is None else saved
        self.name, self.feed = str(found.get("name")), feed
        self.epoch = whole(found.get("epoch"), "epoch")
        if self.next > end:
            raise FeedError(f"{self.base}: the log ends at {end}, but {self.next} was saved")
        if self.next < start:
            self.counts.lost += start - self.next
            self.next = start

    async def _converse(self) -> None:
        self.counts.connections += 1
        if self.path == "/stream":
            await transports.websocket(self)
        elif self.path == "/events":
            await transports.events(self)
        elif self.path == "/records":
            await transports.poll(self)
        else:
            await webhook(self, self.hook_name)

    async def take(self, delivery: Delivery) -> None:
        """Hand on what is new. Raises `Missed` if something is missing before it."""
        if delivery.offset > self.next:
            raise Missed(f"{self.next} to {delivery.offset - 1}")
        self.heard()
        for number, data in enumerate(delivery.bodies, delivery.offset):
            if number < self.next:
                self.counts.repeated += 1
                continue
            if self._is_wanted(data):
                await self._call(Event(self.feed, number, data))
                self.counts.events += 1
            self.next = number + 1
            if self.stopping:
                raise Stopped

    async def _call(self, event: Event) -> None:
        """Call `on_event`; keep its errors apart from those of the connection."""
        try:
            done = self.on_event(event)
            if inspect.isawaitable(done):
                await done
        except (*UNREACHABLE, Missed, BadRequest) as error:
            raise Failed from error

    def _is_wanted(self, data: Any) -> bool:
        if self.symbols is None:
            return True
        symbol = data.get("symbol") if isinstance(data, dict) else None
        return isinstance(symbol, str) and symbol in self.symbols


def _parts(url: str) -> tuple[str, str, str]:
    """Return the URL without a slash at its end, the server's HTTP address, and the path."""
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        raise InvalidInput(f"{url}: not a URL; {NEED}") from None
    path = parts.path.rstrip("/")
    streams = parts.scheme in ("ws", "wss")
    if not host or path not in PATHS or streams != (path == "/stream"):
        raise InvalidInput(f"{url}: {NEED}")
    if not (streams or parts.scheme in ("http", "https")) or parts.query or "@" in parts.netloc:
        raise InvalidInput(f"{url}: {NEED}")
    secure = "s" if parts.scheme in ("https", "wss") else ""
    return f"{parts.scheme}://{parts.netloc}{path}", f"http{secure}://{parts.netloc}", path


def _brief(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    number = error.errno if isinstance(error, OSError) else None
    text = os.strerror(number) if number and number > 0 else str(error)
    return " ".join(text.split()) or type(error).__name__
