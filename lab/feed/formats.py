"""How the feed's messages look: those of the lab, with the epoch of the log where it matters.

Pure functions, without sockets. An offset says little to a client of a server that was restarted:
its log began again. So entity tags and event ids hold the epoch, as a client's requests may.
"""

import json
from collections.abc import Mapping
from typing import Any

from lab.messages import Check, Deliver, Message, Records, Status
from lab.wire.formats import (
    JSON,
    BadRequest,
    HttpRequest,
    HttpResponse,
    JsonStream,
    PullFormat,
    Text,
    whole,
)


class NotHere(BadRequest):
    """An offset that is expired, past the end, or of another log; `valid` says which are there."""

    def __init__(self, valid: Mapping[str, Any]) -> None:
        super().__init__(416, "offset out of range: need {start} to {end}".format(**valid))
        self.valid = valid

    def response(self) -> HttpResponse:
        return HttpResponse(416, JSON, json.dumps({"error": self.reason, **self.valid}).encode())


class RecordsFormat(PullFormat):
    """`GET /records` and `GET /head` of a log of that `epoch`."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def tag(self, end: int) -> str:
        """Return the entity tag of records up to `end`."""
        return f'"{self.epoch}-{end}"'

    def parse_request(self, request: HttpRequest) -> Message:
        tag = request.headers.get("If-None-Match")
        if request.path == "/head" and tag is None:
            return Check(0, 0)  # something is always new to one that knows nothing
        return super().parse_request(request)

    def response(self, message: Message, text: Text) -> HttpResponse:
        answer = super().response(message, text)
        if isinstance(message, Status):
            return answer._replace(headers={**answer.headers, "ETag": self.tag(message.end)})
        if isinstance(message, Records) and len(message.messages):
            end = message.offset + len(message.messages)
            return answer._replace(headers={**answer.headers, "ETag": self.tag(end)})
        return answer


class EventFormat(JsonStream):
    """Events of an event stream of that `epoch`: `id: EPOCH-OFFSET` of the last record."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def encode(self, message: Message, text: Text) -> str:
        assert isinstance(message, Deliver)
        last = message.offset + len(message.messages) - 1
        return f"id: {self.epoch}-{last}\ndata: {super().encode(message, text)}\n\n"


def last_event(value: str) -> tuple[int | None, int]:
    """Return epoch, if there is one, and offset of a `Last-Event-ID`."""
    epoch, dash, offset = value.rpartition("-")
    name = "Last-Event-ID"
    return (whole(epoch, name) if dash else None), whole(offset, name)
