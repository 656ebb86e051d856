"""What a client gets: events, read from the messages that a server sends."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from lab.wire.formats import BadRequest, parse_json, whole


class Event(NamedTuple):
    """A message of a feed, number `sequence` of its log; `data` is what was published."""

    feed: str
    sequence: int
    data: Any


class Delivery(NamedTuple):
    """Messages at consecutive offsets from `offset` on."""

    offset: int
    bodies: Sequence[Any]


class FeedError(ConnectionError):
    """A server that cannot be used, or is gone for too long; the text is one line for the user."""


class Missed(Exception):
    """Messages are missing before those that came; ask again at the cursor."""


def delivery_of(data: dict[str, Any]) -> Delivery:
    """Return the messages in what a server sent. Raises `BadRequest` if they do not fit together."""
    offset, records = whole(data.get("offset"), "offset"), data.get("records")
    if not isinstance(records, list):
        raise BadRequest(400, "records: need an array")
    for number, record in enumerate(records, offset):
        if not isinstance(record, dict) or record.get("id") != number or "data" not in record:
            raise BadRequest(400, f"records: need an object with id {number} and data")
    return Delivery(offset, [record["data"] for record in records])


def delivery_in(text: str | bytes) -> Delivery:
    """Return the messages in a JSON text."""
    return delivery_of(parse_json(text))
