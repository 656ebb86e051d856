"""How the messages of a consumer group look as HTTP: what is not said here is as in other pulls.

`POST /join`, `/heartbeat` and `/commit`, and `GET /records` with the offset of each partition as
`positions=0:17,3:4`. What comes from another generation is answered with 409 and the current one.
"""

import json
from typing import Any

from lab.messages import (
    Assigned,
    Beat,
    Commit,
    Committed,
    Fetch,
    Heartbeat,
    Join,
    Message,
    Pairs,
    Records,
    Refused,
)
from lab.wire.formats import (
    JSON,
    BadRequest,
    HttpRequest,
    HttpResponse,
    PullFormat,
    Text,
    ids,
    parse_json,
    records,
    whole,
)

PATHS = {Join: "/join", Heartbeat: "/heartbeat", Commit: "/commit"}
Triple = tuple[int, int, int]


class GroupFormat:
    """Requests of members, and their answers."""

    def __init__(self) -> None:
        self.pull = PullFormat()

    def request(self, message: Message, text: Text) -> HttpRequest:
        if isinstance(message, Fetch):
            request = self.pull.request(message._replace(offset=None), text)
            positions = ",".join(f"{number}:{offset}" for number, offset in message.positions)
            asked = {"generation": str(message.generation), "positions": positions}
            return request._replace(query={**request.query, **asked})
        assert isinstance(message, Join | Heartbeat | Commit)
        query = {"consumer": str(message.consumer)}
        if isinstance(message, Heartbeat | Commit):
            query["generation"] = str(message.generation)
        if not isinstance(message, Commit):
            return HttpRequest("POST", PATHS[type(message)], query)
        body = f'{{"offsets":{_lists(message.offsets)}}}'.encode()
        return HttpRequest("POST", PATHS[Commit], query, JSON, body)

    def parse_request(self, request: HttpRequest) -> Message:
        query, path = request.query, request.path
        who = whole(query.get("consumer", 0), "consumer")
        if path == PATHS[Join]:
            return Join(who)
        generation = whole(query.get("generation", 0), "generation")
        if path == PATHS[Heartbeat]:
            return Heartbeat(who, generation)
        if path == PATHS[Commit]:
            offsets = parse_json(request.body).get("offsets")
            return Commit(who, generation, _pairs(offsets, "offsets"))
        fetch = self.pull.parse_request(request)
        if not isinstance(fetch, Fetch):
            raise BadRequest(404, "a group has /join, /heartbeat, /commit and /records")
        written = query.get("positions", "")
        positions = [item.split(":") for item in written.split(",")] if written else []
        pairs = _pairs(positions, "positions")
        return fetch._replace(offset=0, epoch=0, generation=generation, positions=pairs)

    def response(self, message: Message, text: Text) -> HttpResponse:
        if isinstance(message, Beat | Committed):
            return HttpResponse(204)
        if isinstance(message, Refused):
            body = f'{{"error":"join again","generation":{message.generation}}}'
            return HttpResponse(409, JSON, body.encode())
        if isinstance(message, Assigned):
            given = f'"generation":{message.generation},"offsets":{_lists(message.offsets)}'
            return HttpResponse(200, JSON, f"{{{given}}}".encode())
        assert isinstance(message, Records)
        if not len(message.messages):
            return self.pull.response(message, text)
        found = f'"generation":{message.generation},"parts":{_lists(message.parts)}'
        body = f'{{{found},"records":{records(message.messages, text)}}}'
        return HttpResponse(200, {**JSON, "Cache-Control": "no-store"}, body.encode())

    def parse_response(self, asked: Message, response: HttpResponse) -> Message:
        assert isinstance(asked, Join | Heartbeat | Commit | Fetch)
        who, status = asked.consumer, response.status
        if status == 409:
            return Refused(who, whole(parse_json(response.body).get("generation"), "generation"))
        if status == 204 and isinstance(asked, Heartbeat):
            return Beat(who)
        if status == 204 and isinstance(asked, Commit):
            return Committed(who)
        if status == 204 and isinstance(asked, Fetch):
            return Records(who, 0, (), 0, asked.generation)
        if status != 200 or isinstance(asked, Heartbeat | Commit):
            raise BadRequest(status, f"unexpected answer {status}")
        data = parse_json(response.body)
        generation = whole(data.get("generation"), "generation")
        if isinstance(asked, Join):
            return Assigned(who, generation, _pairs(data.get("offsets"), "offsets"))
        messages, parts = ids(data.get("records")), _parts(data.get("parts"))
        if sum(count for *_, count in parts) != len(messages):
            raise BadRequest(400, "parts: need the counts of the records")
        return Records(who, 0, messages, 0, generation, parts)


def _lists(numbers: Pairs | Any) -> str:
    return json.dumps(list(numbers), separators=(",", ":"))


def _pairs(items: Any, name: str) -> Pairs:
    """Return pairs of a partition and an offset, no partition twice."""
    pairs = tuple((number, offset) for number, offset in _rows(items, 2, name))
    if len({number for number, _ in pairs}) < len(pairs):
        raise BadRequest(400, f"{name}: need each partition once")
    return pairs


def _parts(items: Any) -> tuple[Triple, ...]:
    return tuple((number, first, count) for number, first, count in _rows(items, 3, "parts"))


def _rows(items: Any, width: int, name: str) -> list[list[int]]:
    """Return rows of `width` whole numbers each."""
    rows = items if isinstance(items, list) else [items]
    if not all(isinstance(row, list) and len(row) == width for row in rows):
        raise BadRequest(400, f"{name}: need rows of {width} whole numbers")
    return [[whole(value, name) for value in row] for row in rows]
