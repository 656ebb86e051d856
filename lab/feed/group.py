"""A consumer group over the feed's log: its members share the messages, each goes to one of them.

The requests are those of the lab's consumer groups, below `/group`.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from aiohttp import web

from lab.engines.loopback.actor import Actor
from lab.engines.loopback.http import body_of
from lab.feed import limits
from lab.feed.answers import response_of
from lab.feed.board import Board
from lab.messages import Disconnected, Expired, Fetch, Publish
from lab.roles import GroupBroker, Log, Membership, Retention
from lab.wire.formats import BadRequest, HttpRequest, HttpResponse
from lab.wire.group_format import PATHS, GroupFormat

PREFIX = "/group"
PARTITIONS = 6
TERMS = Membership(session_timeout=10.0, heartbeat=3.0, max_poll=60.0)
SUPERSEDED = HttpResponse(409, {}, b'{"error":"a newer request took the place of this one"}')


class Group(Actor):
    """The one group of a board. It has a log of its own, of the same messages as the board's."""

    def __init__(self, board: Board, keep: Retention) -> None:
        self.board = board
        self.format = GroupFormat()
        log = Log(keep, board.bodies, board.log.epoch)
        super().__init__(GroupBroker(log, PARTITIONS, TERMS), board.place)
        self.waiting: dict[int, asyncio.Future[HttpResponse]] = {}
        board.readers.append(self.publish)

    def publish(self, numbers: Sequence[int]) -> None:
        self.handle(Publish(numbers))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Have the broker answer a member, now or later. A member asks one thing at a time."""
        body = await body_of(request)
        path = request.path.removeprefix(PREFIX)
        asked: Any = self.format.parse_request(
            HttpRequest(request.method, path, request.query, request.headers, body)
        )
        who = asked.consumer
        if who >= limits.MEMBERS:
            raise BadRequest(400, f"consumer: need 0 to {limits.MEMBERS - 1}")
        if isinstance(asked, Fetch):
            if asked.max_wait > limits.HELD:
                raise BadRequest(400, f"max_wait: need seconds from 0 to {limits.HELD:g}")
            asked = asked._replace(max_records=min(asked.max_records, limits.GROUP_RECORDS))
        before = self.waiting.get(who)
        if before and not before.done():
            before.set_result(SUPERSEDED)
        answer = self.waiting[who] = self.board.place.loop.create_future()
        try:
            self.handle(asked)
            response = await answer
        except asyncio.CancelledError:
            if self.waiting.get(who) is answer:
                self.handle(Disconnected(who))
            raise
        finally:
            if self.waiting.get(who) is answer:
                del self.waiting[who]
        return response_of(response)

    def emit(self, outputs: Iterable[Any]) -> None:
        for output in outputs:
            waiting = self.waiting.get(output.consumer)
            if isinstance(output, Expired) or waiting is None or waiting.done():
                continue
            waiting.set_result(self.format.response(output, self.board.record))


def routes(group: Group) -> list[tuple[str, str, Any]]:
    """Return method, path and handler of each request that a member sends."""
    posts = [("POST", PREFIX + path, group.serve) for path in PATHS.values()]
    return [*posts, ("GET", f"{PREFIX}/records", group.serve)]
