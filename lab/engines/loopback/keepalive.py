"""WebSocket connections that count the bytes they read, keep-alive pings and pongs included."""

from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection


class CountingClient(ClientConnection):
    """A consumer's connection; `heard` is the bytes read so far."""

    heard = 0

    def data_received(self, data: bytes) -> None:
        self.heard += len(data)
        super().data_received(data)


class CountingServer(ServerConnection):
    """The broker's end of it."""

    heard = 0

    def data_received(self, data: bytes) -> None:
        self.heard += len(data)
        super().data_received(data)


def counting(kind: type[Any], ping_interval: float | None) -> dict[str, Any]:
    """Return settings for connections of that kind, if there are pings; none otherwise.

    Ordinary runs have no pings, and nothing in them is counted in this way.
    """
    return {"create_connection": kind} if ping_interval else {}
