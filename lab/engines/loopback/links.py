"""The proxies of a run's links, on an event loop of their own beside the session."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any

from lab.engines.loopback import settings
from lab.engines.loopback.job import INGEST, Links, delivery
from lab.engines.loopback.proxy import Proxy
from lab.faults import LinkFault
from lab.strategies import Stream
from lab.strategies.base import Wire

DEADLINE = 10.0  # seconds; what takes longer hangs


class Proxies:
    """A proxy for every link that has one of `faults`; no thread if there is none."""

    def __init__(self, faults: Sequence[LinkFault]) -> None:
        self.wanted = {_link(fault) for fault in faults}
        self.proxies: dict[tuple[str, int], Proxy] = {}
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread: threading.Thread | None = None
        self.running = False

    def start(self, links: Links, wire: Wire) -> Links:
        """Start the proxies before `links`; return where to connect instead."""
        self.running = True
        through = dict(links)
        for link in sorted(self.wanted & set(links)):
            pushes = isinstance(wire, Stream) and link != INGEST
            proxy = Proxy(links[link], requests_from="server" if pushes else "client")
            through[link] = self._do(proxy.start())
            self.proxies[link] = proxy
        return through

    def obey(self, fault: LinkFault, begin: bool) -> None:
        """Have `fault` begin, or end."""
        proxy = self.proxies.get(_link(fault))
        if proxy:
            self._do(proxy.obey(fault, begin))

    def close(self) -> None:
        """End all proxies and their thread."""
        if self.loop is None or self.thread is None:
            return
        try:
            for proxy in self.proxies.values():
                self._do(proxy.close())
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join(DEADLINE)
            self.loop.close()
            self.loop = None

    def _do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        if self.loop is None:
            self.loop = settings.new_event_loop()
            self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
            self.thread.start()
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(DEADLINE)


def _link(fault: LinkFault) -> tuple[str, int]:
    return INGEST if fault.link == "ingest" else delivery(fault.consumer)
