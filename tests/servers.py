"""One side of a measured run inside a test's own event loop, and raw clients to talk to it."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self

import numpy as np

from lab import Periodic, Scenario, Strategy, Workload
from lab.engines.common import layout
from lab.engines.loopback.side import Job, Side
from lab.messages import Publish
from lab.roles import Retention
from lab.workload import Messages

PATIENCE = 60.0  # seconds; what takes longer hangs


def on_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an asynchronous test in an event loop of its own."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*arguments, **named), PATIENCE))

    return run


@asynccontextmanager
async def serving(
    strategy: Strategy,
    name: str = "broker",
    count: int = 10,
    size: int = 100,
    work: float = 0.0,
    consumers: int = 1,
    retention: Retention | None = None,
    socket_buffer: int = 0,
) -> AsyncIterator[tuple[Side, dict[str, int]]]:
    """Run the side `name`, whose servers listen and which connects to nobody; yield its ports too."""
    scenario = Scenario(workload=Workload(arrivals=Periodic(rate=1)), strategies=[strategy])
    messages = Messages(np.zeros(count), np.full(count, size, np.int32), np.full(count, work))
    place = layout(scenario, strategy)
    keep = retention or Retention()
    job = Job(strategy, place, messages, consumers, keep, socket_buffer=socket_buffer)
    side = Side(name, job)
    try:
        ports = await side.listen()
        side.site.start = time.monotonic()
        yield side, ports
    finally:
        await side.close()
    assert not side.site.errors


def publish(side: Side, *messages: int) -> None:
    """Have the broker take messages one by one, as if a source had sent them."""
    assert side.broker is not None
    for message in messages:
        side.broker.take(Publish((message,)))


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Http:
    """A raw HTTP/1.1 connection."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *error: object) -> None:
        self.writer.close()

    def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> None:
        """Send a request, with the headers that it needs unless they are given."""
        fields = {"Host": f"127.0.0.1:{self.port}"}
        if body:
            fields["Content-Length"] = str(len(body))
        fields |= headers or {}
        lines = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items()), "", ""]
        self.writer.write("\r\n".join(lines).encode() + body)

    async def head(self) -> Reply:
        """Read the head of an answer."""
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = text.strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        return Reply(int(first.split()[1]), headers, b"")

    async def reply(self) -> Reply:
        """Read an answer whose length is told."""
        head = await self.head()
        body = await self.reader.readexactly(int(head.headers.get("content-length", 0)))
        assert b"Traceback" not in body and b".py" not in body, "clients never see a stack trace"
        return head._replace(body=body)

    async def chunk(self) -> str:
        """Read one chunk of an endless answer."""
        length = int(await self.reader.readline(), 16)
        text = await self.reader.readexactly(length)
        assert await self.reader.readline() == b"\r\n"
        return text.decode()


async def ask(
    port: int,
    method: str,
    target: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Reply:
    """Send one request on a connection of its own."""
    async with Http(port) as http:
        http.send(method, target, headers, body)
        return await http.reply()
