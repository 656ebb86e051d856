"""Streams to subscribers: `GET /stream`, a WebSocket, and `GET /events`, server-sent events."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from lab.engines.loopback.outlet import Outlet
from lab.feed import limits
from lab.feed.board import Board
from lab.feed.formats import EventFormat, NotHere, last_event
from lab.feed.subscription import Subscription, until_one_ends
from lab.messages import Ack, Nack
from lab.roles import Retry
from lab.roles.push import PushPolicy
from lab.wire.formats import OUT_OF_RANGE, BadRequest, JsonStream, parse_json, whole

EVENT_STREAM = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}


class Streams:
    """All open streams of a server."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.open: set[Outlet] = set()

    @staticmethod
    def policy(batch: int, credits: int | None = None) -> PushPolicy:
        """Return how to push: with acks if there are credits, never dropping anything."""
        return PushPolicy(
            acks=credits is not None,
            credits=math.inf if credits is None else credits,
            batch_size=batch,
            buffer=2 * limits.CHUNK,
            overflow="block",
            retry=Retry(attempts=math.inf),  # of what a client refused by a nack
        )

    def check_room(self) -> None:
        if len(self.open) >= limits.STREAMS:
            raise BadRequest(503, f"there are {limits.STREAMS} streams already")

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Send events until the client leaves, or what it wants is forgotten."""
        self.check_room()
        board, first = self.board, self._first(request)
        policy = self.policy(batch_of(request.query.get("batch", 1)))
        form = EventFormat(board.log.epoch)
        response = web.StreamResponse(headers=EVENT_STREAM)
        outlet = Outlet(None, 0, response.write, request.transport)
        outlet.put(f": {board.feed} from {first}\nretry: 1000\n\n".encode())

        def send(message: Any) -> None:
            outlet.put(form.encode(message, board.record).encode())

        outlet.actor = subscription = Subscription(board, policy, first, send)
        self.open.add(outlet)
        try:
            await response.prepare(request)
            await until_one_ends(outlet.run(), subscription.run(), _signs_of_life(outlet))
        except (ConnectionError, TimeoutError):
            outlet.abort()  # the client left, or stopped reading
        except BadRequest:
            pass  # it fell behind: it comes back, and is told
        finally:
            outlet.close()
            self.open.discard(outlet)
        return response

    def _first(self, request: web.Request) -> int:
        """Return where an event stream begins: after the last event that the client had, if any."""
        last = request.headers.get("Last-Event-ID")
        if last is None:
            return self.board.resolve(request.query.get("offset"), request.query.get("epoch"))
        epoch, offset = last_event(last)
        return self.board.resolve(offset + 1, epoch)

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        """Serve one WebSocket: a subscription first, then acks from the client, if it wants any."""
        self.check_room()
        connection = web.WebSocketResponse(
            timeout=1.0,
            heartbeat=2 * limits.HEARTBEAT,
            compress=False,
            max_msg_size=limits.FRAME,
        )
        outlet = Outlet(None, 0, connection.send_str, request.transport)
        self.open.add(outlet)
        try:
            await connection.prepare(request)
            await self._converse(connection, outlet)
        except (ConnectionError, TimeoutError):
            outlet.abort()
        finally:
            outlet.close()
            self.open.discard(outlet)
        return connection

    async def _converse(self, connection: web.WebSocketResponse, outlet: Outlet) -> None:
        try:
            await self._stream(connection, outlet)
        except BadRequest as error:
            if not connection.closed:
                await refuse(connection, error)

    async def _stream(self, connection: web.WebSocketResponse, outlet: Outlet) -> None:
        board, frames, form = self.board, texts(connection), JsonStream()
        asked = await _first_frame(frames)
        if asked is None:
            return
        if "subscribe" not in asked:
            raise BadRequest(400, "subscribe first")
        if asked["subscribe"] != board.name:
            raise BadRequest(404, f"subscribe: there is only {board.name!r}")
        first = board.resolve(asked.get("offset"), asked.get("epoch"))
        credits = asked.get("credits")
        if credits is not None and not 1 <= whole(credits, "credits") <= limits.CREDITS:
            raise BadRequest(400, f"credits: need 1 to {limits.CREDITS}")
        policy = self.policy(batch_of(asked.get("batch", 1)), credits)

        def send(message: Any) -> None:
            outlet.put(form.encode(message, board.record))

        outlet.actor = subscription = Subscription(board, policy, first, send)
        outlet.put(json.dumps({"subscribed": board.name, **board.described(), "offset": first}))
        await until_one_ends(outlet.run(), subscription.run(), _acks(frames, subscription))


async def _first_frame(frames: AsyncIterator[str]) -> dict[str, Any] | None:
    """Return what a client says first, or None if it leaves before that."""
    try:
        async with asyncio.timeout(limits.FIRST_FRAME):
            return parse_json(await anext(frames))
    except StopAsyncIteration:
        return None
    except TimeoutError:
        raise BadRequest(408, f"no subscription in {limits.FIRST_FRAME:g} s") from None


async def _acks(frames: AsyncIterator[str], subscription: Subscription) -> None:
    """Take acks until the client closes."""
    async for frame in frames:
        message = JsonStream().decode(frame)
        if not isinstance(message, Ack | Nack):
            raise BadRequest(400, "only acks are understood here")
        subscription.handle(message)


async def _signs_of_life(outlet: Outlet) -> None:
    while True:
        await asyncio.sleep(limits.HEARTBEAT)
        outlet.put(b": still here\n\n")


async def texts(connection: web.WebSocketResponse) -> AsyncIterator[str]:
    """Yield the texts that come in, until the client closes or breaks the protocol."""
    async for frame in connection:
        if frame.type is WSMsgType.BINARY:
            raise BadRequest(400, "text frames only")
        if frame.type is not WSMsgType.TEXT:
            return
        yield frame.data


async def refuse(connection: web.WebSocketResponse, error: BadRequest) -> None:
    """Say why in a last frame, and close."""
    code = OUT_OF_RANGE if isinstance(error, NotHere) else WSCloseCode.UNSUPPORTED_DATA
    valid = error.valid if isinstance(error, NotHere) else {}
    async with asyncio.timeout(limits.FIRST_FRAME):
        await connection.send_json({"error": error.reason, **valid})
        await connection.close(code=code, message=error.reason.encode()[:123])


def batch_of(value: Any) -> int:
    """Return how many records a client wants in one piece."""
    batch = whole(value, "batch")
    if not 1 <= batch <= limits.BATCH:
        raise BadRequest(400, f"batch: need 1 to {limits.BATCH}")
    return batch
