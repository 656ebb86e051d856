"""Ends the connections of an HTTP server that ask for nothing, and the newest if there are too many."""

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Patience(NamedTuple):
    """How long a server waits for a connection to ask for something: `deadline` seconds.

    It looks every `look` seconds, so that one may have as long more. At most `most` connections may be
    open when it does.
    """

    deadline: float
    look: float
    most: float = math.inf


class Watch:
    """Watches over `connections`, as they are opened. Those that asked for something are `heard`."""

    def __init__(self, patience: Patience, connections: Callable[[], Sequence[Any]]) -> None:
        self.patience = patience
        self.connections = connections
        self.heard: set[Any] = set()
        self.since: dict[Any, float] = {}  # when each was first seen
        self.timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look now, and again and again."""
        loop, patience = asyncio.get_running_loop(), self.patience
        there, now = self.connections(), loop.time()
        self.since = {each: self.since.get(each, now) for each in there}
        self.heard.intersection_update(there)
        for count, each in enumerate(there):
            late = each not in self.heard and now - self.since[each] >= patience.deadline
            if (late or count >= patience.most) and each.transport:
                each.transport.abort()
        self.timer = loop.call_later(patience.look, self.start)

    def stop(self) -> None:
        if self.timer:
            self.timer.cancel()
