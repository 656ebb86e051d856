"""Strategies whose formats write down a digest of every record that is received.

Formats are asked in the process that sends or receives, so digests go to a file that all append to.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.messages import Deliver, Message, Records
from lab.strategies import (
    HttpIngest,
    LongPoll,
    PollThenPull,
    ServerSentEvents,
    ShortPoll,
    Strategy,
    Webhook,
    WebSocketPush,
)
from lab.wire.formats import HttpRequest, HttpResponse, Payloads, Text


def digest(record: str | bytes) -> str:
    """Return the SHA-256 of a record's text, in hex."""
    return hashlib.sha256(record if isinstance(record, bytes) else record.encode()).hexdigest()


class Witness:
    """A format that also notes what is received, a line for each record: id and digest."""

    def __init__(self, inner: Any, path: str) -> None:
        self.inner = inner
        self.path = path

    def encode(self, message: Message, text: Text) -> str:
        return str(self.inner.encode(message, text))

    def decode(self, frame: str, consumer: int = 0) -> Message:
        message: Message = self.inner.decode(frame, consumer)
        if isinstance(message, Deliver):
            data = [line for line in frame.splitlines() if not line.startswith("id:")]
            self._note("".join(data).removeprefix("data:"))
        return message

    def request(self, message: Message, text: Text) -> HttpRequest:
        found: HttpRequest = self.inner.request(message, text)
        return found

    def parse_request(self, request: HttpRequest) -> Message:
        message: Message = self.inner.parse_request(request)
        if isinstance(message, Deliver):
            self._note(request.body)
        return message

    def response(self, message: Message, text: Text) -> HttpResponse:
        found: HttpResponse = self.inner.response(message, text)
        return found

    def parse_response(self, asked: Message, response: HttpResponse) -> Message:
        message: Message = self.inner.parse_response(asked, response)
        if isinstance(message, Records) and len(message.messages):
            self._note(response.body)
        return message

    def _note(self, text: str | bytes) -> None:
        """Write down each record as it came, but for blanks between its members."""
        lines = []
        for record in json.loads(text)["records"]:
            plain = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
            lines.append(f"{record['id']} {digest(plain)}\n")
        with open(self.path, "a", encoding="ascii") as file:
            file.write("".join(lines))


class Witnessed(Strategy):
    """A strategy whose deliveries are noted in the file at `path`."""

    path: str

    @property
    def wire(self) -> Any:
        wire: Any = super().wire  # type: ignore[safe-super]
        return replace(wire, format=Witness(wire.format, self.path))


class SeenWebSocketPush(Witnessed, WebSocketPush):
    """A WebSocket push with a witness."""


class SeenServerSentEvents(Witnessed, ServerSentEvents):
    """Server-sent events with a witness."""


class SeenWebhook(Witnessed, Webhook):
    """A webhook with a witness."""


class SeenHttpIngest(Witnessed, HttpIngest):
    """HTTP ingest with a witness."""


class SeenShortPoll(Witnessed, ShortPoll):
    """A short poll with a witness."""


class SeenPollThenPull(Witnessed, PollThenPull):
    """A poll, then pull, with a witness."""


class SeenLongPoll(Witnessed, LongPoll):
    """A long poll with a witness."""


SEEN: tuple[type[Witnessed], ...] = (
    SeenWebSocketPush,
    SeenServerSentEvents,
    SeenWebhook,
    SeenHttpIngest,
    SeenShortPoll,
    SeenPollThenPull,
    SeenLongPoll,
)


def published(sizes: Sequence[int]) -> list[str]:
    """Return the digest of each message as its source publishes it."""
    text = Payloads(sizes)
    return [digest(text(message)) for message in range(len(sizes))]


def received(path: Path) -> Iterator[tuple[int, str]]:
    """Yield what a witness noted: message and digest."""
    for line in path.read_text(encoding="ascii").splitlines() if path.exists() else ():
        message, noted = line.split()
        yield int(message), noted
