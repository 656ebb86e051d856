"""HTTP answers that end with their line, as people who use curl like them."""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from lab.wire.formats import JSON, HttpResponse


def response_of(answer: HttpResponse) -> web.Response:
    """Return an answer of a format for the server to send."""
    body = answer.body + b"\n" if answer.body else None
    return web.Response(status=answer.status, headers=answer.headers, body=body)


def json_response(
    data: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return `data` as JSON."""
    text = json.dumps(data) + "\n"
    return web.Response(status=status, headers={**JSON, **(headers or {})}, text=text)
