"""Webhooks: what is published is POSTed to the URLs that users register, signed.

In order and at least once: one request at a time, repeated until it is answered with 2xx. A target
that answers 410, that every attempt at a message failed for, or that fell behind what the log has is
stopped, and says so when asked; registered again at the offset that it stands at, it goes on.
"""

import asyncio
import email.utils
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp

from lab.engines import common
from lab.engines.loopback.http import client_session
from lab.feed import limits
from lab.feed.board import Board
from lab.feed.formats import NotHere
from lab.feed.guard import is_loopback
from lab.feed.signature import key_of, secret_of, signed
from lab.feed.streams import batch_of
from lab.feed.subscription import Subscription
from lab.messages import Ack, Deliver, Nack
from lab.roles import Retry
from lab.roles.push import PushPolicy
from lab.wire.formats import JSON, BadRequest, records

RETRY = Retry(first=0.5, limit=30.0, attempts=8)  # for about a minute
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
ASK_LATER = (429, 503)
State = Literal["active", "stopped"]


@dataclass(frozen=True)
class Target:
    """Where to deliver, signed with `secret`, `batch` messages at most in a request."""

    name: str
    url: str
    secret: str
    batch: int = 1


class Webhook(Subscription):
    """One registered target. `offset` is that of the first message it has not acknowledged."""

    def __init__(self, board: Board, target: Target, first: int, luck: Iterator[float]) -> None:
        self.target = target
        self.state: State = "active"
        self.reason = ""
        self.offset = first
        self.delivered = 0
        self.failures = 0
        self.session: aiohttp.ClientSession | None = None
        policy = PushPolicy(
            acks=True,
            concurrency=1,
            batch_size=target.batch,
            buffer=2 * limits.CHUNK,
            overflow="block",
            retry=RETRY,
        )
        super().__init__(board, policy, first, self._start_post, luck)
        self.tasks = [board.place.run(self._run())]

    def described(self) -> dict[str, Any]:
        return {
            "name": self.target.name,
            "url": self.target.url,
            "state": self.state,
            "reason": self.reason,
            "offset": self.offset,
            "delivered": self.delivered,
            "failures": self.failures,
        }

    def stop(self, reason: str) -> None:
        """Deliver nothing more."""
        if self.state == "stopped":
            return
        self.state, self.reason = "stopped", reason
        for task in self.tasks:
            if task is not asyncio.current_task():
                task.cancel()
        if self.timer:
            self.timer.cancel()

    async def close(self) -> None:
        self.stop("removed")
        if self.session:
            await self.session.close()

    def give_up(self, output: Any) -> None:
        self.stop(f"every attempt failed at offset {self.offset}")

    async def _run(self) -> None:
        try:
            await self.run()
        except NotHere:
            self.stop(f"the log has forgotten offset {self.offset}")

    def _start_post(self, delivery: Deliver) -> None:
        if self.state == "active":  # the role gives a message up, and goes on; this does not
            self.tasks = [self.tasks[0], self.board.place.run(self._post(delivery))]

    async def _post(self, delivery: Deliver) -> None:
        try:
            body = self._body(delivery)
        except NotHere:
            return self.stop(f"the log has forgotten offset {delivery.offset}")
        try:
            status, wait = await self._answer(delivery, body)
        except (aiohttp.ClientError, OSError):  # TimeoutError is an OSError
            status, wait = 0, 0.0
        if 200 <= status < 300:
            self.delivered += len(delivery.messages)
            self.offset = delivery.offset + len(delivery.messages)
            self.handle(Ack(0, delivery.offset, delivery.attempt))
        else:
            self.failures += 1
            if status == 410:
                return self.stop("the target answered 410 Gone")
            self.handle(Nack(0, delivery.offset, delivery.attempt, wait))

    def _body(self, delivery: Deliver) -> bytes:
        board = self.board
        found = records(delivery.messages, board.record)
        head = f'"feed":"{board.feed}","epoch":{board.log.epoch},"offset":{delivery.offset}'
        return f'{{{head},"records":{found}}}'.encode()

    async def _answer(self, delivery: Deliver, body: bytes) -> tuple[int, float]:
        """POST a delivery; return the status, and the seconds that the target asks to wait."""
        message_id = f"msg_{self.board.log.epoch}_{delivery.offset}_{len(delivery.messages)}"
        headers = JSON | signed(self.target.secret, message_id, time.time(), body)
        if self.session is None:
            self.session = client_session(keep_alive=True)
        async with self.session.post(
            self.target.url,
            data=body,
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=limits.HOOK),
        ) as response:
            wait = response.headers.get("Retry-After") if response.status in ASK_LATER else None
            return response.status, pause(wait, time.time())


class Webhooks:
    """All registered targets. URLs must lead to this machine, or to a host in `allowed`."""

    def __init__(self, board: Board, allowed: Sequence[str] = (), seed: int = 0) -> None:
        self.board = board
        self.allowed = {host.lower() for host in allowed}
        self.seed = seed
        self.hooks: dict[str, Webhook] = {}
        self.port = 0  # of this server, which is no target
        self.count = 0

    def find(self, name: str) -> Webhook:
        if name not in self.hooks:
            raise BadRequest(404, f"there is no webhook {name!r}")
        return self.hooks[name]

    async def register(self, name: str | None, asked: dict[str, Any]) -> tuple[Webhook, bool]:
        """Take on a target, in the place of one of the same name; say whether the name is new."""
        self.count += 1
        name = f"hook-{self.count}" if name is None else name
        if not NAME.fullmatch(name):
            raise BadRequest(400, "name: need 1 to 64 letters, digits, - or _")
        target = Target(name, self._url(asked), _secret(asked), batch_of(asked.get("batch", 1)))
        first = self.board.resolve(asked.get("offset"), asked.get("epoch"))
        if name not in self.hooks and len(self.hooks) >= limits.HOOKS:
            raise BadRequest(503, f"there are {limits.HOOKS} webhooks already")
        before = self.hooks.pop(name, None)
        luck = common.luck(self.seed, 0, self.count)
        self.hooks[name] = hook = Webhook(self.board, target, first, luck)
        if before:
            await before.close()
        return hook, before is None

    async def remove(self, name: str) -> None:
        hook = self.find(name)
        del self.hooks[name]
        await hook.close()

    async def close(self) -> None:
        for name in list(self.hooks):
            await self.remove(name)

    def _url(self, asked: dict[str, Any]) -> str:
        url = asked.get("url")
        if not isinstance(url, str) or not url.isascii() or len(url) > limits.URL:
            raise BadRequest(400, f"url: need a text of at most {limits.URL} characters")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise BadRequest(400, "url: not a URL") from None
        if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
            raise BadRequest(400, "url: need http://HOST:PORT/PATH, without a user")
        if is_loopback(host):
            if port == self.port:
                raise BadRequest(400, "url: this server itself is no target")
        elif host not in self.allowed:
            raise BadRequest(403, f"url: {host} is not this machine, and was not allowed")
        return url


def _secret(asked: dict[str, Any]) -> str:
    """Return the secret that was given, or a new one."""
    given = asked.get("secret")
    if given is None:
        return secret_of(secrets.token_bytes(32))
    try:
        key_of(given if isinstance(given, str) else "")
    except ValueError as error:
        raise BadRequest(400, f"secret: {error}") from None
    return str(given)


def pause(value: str | None, now: float) -> float:
    """Return the seconds that a `Retry-After` asks for: a number, or a date."""
    if value is None:
        return 0.0
    if value.isascii() and value.isdigit():
        seconds = float(value)
    else:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - now
        except ValueError:
            return 0.0
    return min(limits.RETRY_AFTER, max(0.0, seconds))
