"""A feed's server inside a test's own event loop, and what talks to it."""

import json
from collections.abc import Iterable
from typing import Any

from servers import Reply, ask

from lab.feed.server import FeedServer


def post(server: FeedServer, *bodies: Any) -> None:
    """Publish messages as if they had been POSTed."""
    server.board.publish(bodies)


async def get(server: FeedServer, target: str, **headers: str) -> Reply:
    """Send a GET request; underscores in the names of headers stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await ask(server.port, "GET", target, named)


async def send(server: FeedServer, method: str, target: str, data: Any) -> Reply:
    """Send JSON."""
    return await ask(server.port, method, target, {}, json.dumps(data).encode())


def data(reply: Reply, status: int = 200) -> Any:
    """Return the JSON of an answer that must have that status."""
    assert reply.status == status, reply
    return json.loads(reply.body)


def offsets(delivery: dict[str, Any]) -> list[int]:
    return [record["id"] for record in delivery["records"]]


def error(reply: Reply, status: int) -> str:
    return str(data(reply, status)["error"])


def ticks_of(symbols: Iterable[str]) -> list[dict[str, Any]]:
    return [{"symbol": name, "price": 1.0, "time": float(i)} for i, name in enumerate(symbols)]
