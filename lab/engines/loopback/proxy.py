"""A TCP proxy on 127.0.0.1 that passes everything on, until faults tell it to misbehave.

It knows bytes, not messages: a chunk is what one read brings. There is no chance here. The system
completes handshakes by itself: latency does not slow them down, and a connection that the proxy
refuses was open for a moment.
"""

import asyncio
import socket
import struct
from collections import deque
from contextlib import suppress
from typing import Any, Literal

from lab.engines.loopback.settings import LOOPBACK
from lab.faults import (
    AddedLatency,
    ConnectionReset,
    HalfOpen,
    LimitedBandwidth,
    LinkDown,
    LinkFault,
    LostRequest,
    LostResponse,
)

LIMIT = 64 * 2**10  # bytes that wait here, beside asyncio's 64 KiB, until no more are read
SYSTEM_BUFFER = 256 * 2**10  # bytes; the system would let a socket hold some megabytes
TICK = 0.005  # seconds in which one piece passes where bandwidth is limited
RESET = struct.pack("ii", 1, 0)  # for SO_LINGER: drop what is unsent, and tell the peer so
BREAKS = {(ConnectionReset, True), (LinkDown, True), (HalfOpen, False)}  # by beginning or ending

End = Literal["client", "server"]


class Proxy:
    """Stands between the server at `server_port` and its clients.

    `requests_from` is the end that asks, or sends: it tells which way requests travel.
    """

    def __init__(self, server_port: int, requests_from: End = "client") -> None:
        self.server_port = server_port
        answers_from: End = "server" if requests_from == "client" else "client"
        self.senders = {LostRequest: requests_from, LostResponse: answers_from}
        self.faults: list[LinkFault] = []  # those that last, while they do
        self.losing: set[End] = set()  # whose next chunk is lost
        self.links: dict[End, Link] = {"client": Link(), "server": Link()}  # by sender
        self.pairs: set[Pair] = set()
        self.listener: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen, and return the port to which clients connect."""
        loop = asyncio.get_running_loop()
        self.listener = await loop.create_server(lambda: Pair(self).client, LOOPBACK, 0)
        port: int = self.listener.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Stop listening, and reset what is still open."""
        if self.listener is not None:
            self.listener.close()
        await self._break_all()

    async def obey(self, fault: LinkFault, begin: bool) -> None:
        """Do what `fault` says as it begins, or as it ends."""
        if isinstance(fault, LostRequest | LostResponse):
            self.losing.add(self.senders[type(fault)])
        elif fault.duration and begin:
            self.faults.append(fault)
        elif fault.duration:
            self.faults.remove(fault)
        if (type(fault), begin) in BREAKS:
            await self._break_all()
        for pair in list(self.pairs):
            pair.go_on()

    def suffers(self, kind: type[LinkFault]) -> bool:
        return any(isinstance(fault, kind) for fault in self.faults)

    @property
    def refusing(self) -> bool:
        listening = self.listener is not None and self.listener.is_serving()
        return not listening or self.suffers(LinkDown)

    @property
    def delay(self) -> float:
        """Seconds each way."""
        return sum(fault.delay for fault in self.faults if isinstance(fault, AddedLatency))

    @property
    def rate(self) -> float:
        """Bytes a second each way; 0 is no limit."""
        rates = (fault.rate for fault in self.faults if isinstance(fault, LimitedBandwidth))
        return min(rates, default=0.0)

    async def _break_all(self) -> None:
        pairs = list(self.pairs)
        for pair in pairs:
            pair.reset()
        self.links = {"client": Link(), "server": Link()}
        for pair in pairs:
            await pair.gone.wait()


class Pair:
    """A client's connection, and the proxy's own to the server on its behalf."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.client = Socket(self)
        self.server = Socket(self)
        self.client.out = Way(self, "client", self.client, self.server)
        self.server.out = Way(self, "server", self.server, self.client)
        self.sockets = (self.client, self.server)
        self.dialling: asyncio.Task[Any] | None = None
        self.broken = False
        self.gone = asyncio.Event()

    def other(self, one: "Socket") -> "Socket":
        return self.server if one is self.client else self.client

    def opened(self, one: "Socket") -> None:
        """Take note of a new socket; the client's is the first, and then the server's is wanted."""
        self.proxy.pairs.add(self)
        if self.broken or self.proxy.refusing:
            self.reset()
            return
        if one is self.client and not self.proxy.suffers(HalfOpen):
            loop, port = asyncio.get_running_loop(), self.proxy.server_port
            self.dialling = loop.create_task(
                loop.create_connection(lambda: self.server, LOOPBACK, port)
            )
            self.dialling.add_done_callback(self._dialled)
        self.other(one).out.block(False)

    def _dialled(self, task: "asyncio.Task[Any]") -> None:
        self.dialling = None
        if task.cancelled() or task.exception() is not None:
            self.reset()
        self._forget()

    def lost(self, one: "Socket", error: Exception | None) -> None:
        """Take note that a socket is closed; if its peer reset it (`error`), so is the other."""
        if error is not None and not self.proxy.suffers(HalfOpen):
            self.reset()
        self._forget()

    def finish(self) -> None:
        """Close both sockets once both ends know that nothing more will come."""
        if self.client.out.over and self.server.out.over:
            for one in self.sockets:
                if one.transport is not None:
                    one.transport.close()

    def reset(self) -> None:
        """Break both connections at once; what is under way is lost."""
        self.broken = True
        if self.dialling is not None:
            self.dialling.cancel()
        for one in self.sockets:
            one.out.stop()
            one.reset()
        self._forget()

    def go_on(self) -> None:
        """Let pass what may pass, now that a fault began or ended."""
        for one in self.sockets:
            one.out.go_on()

    def _forget(self) -> None:
        if self.dialling is None and all(one.transport is None for one in self.sockets):
            self.proxy.pairs.discard(self)
            self.gone.set()


class Socket(asyncio.Protocol):
    """One of a pair. (asyncio sets TCP_NODELAY.)"""

    out: "Way"  # what it reads goes there

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._set(socket.SO_SNDBUF, SYSTEM_BUFFER)
        self._set(socket.SO_RCVBUF, SYSTEM_BUFFER)
        self.pair.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self.pair.lost(self, error)

    def data_received(self, data: bytes) -> None:
        self.out.take(data)

    def eof_received(self) -> bool:
        self.out.end()
        return True  # the other direction stays open

    def pause_writing(self) -> None:
        self.pair.other(self).out.block(True)

    def resume_writing(self) -> None:
        self.pair.other(self).out.block(False)

    def reset(self) -> None:
        if self.transport is not None:
            self._set(socket.SO_LINGER, RESET)
            self.transport.abort()

    def _set(self, option: int, value: int | bytes) -> None:
        assert self.transport is not None
        with suppress(OSError):  # some systems refuse once the peer is gone
            mine = self.transport.get_extra_info("socket")
            mine.setsockopt(socket.SOL_SOCKET, option, value)


class Link:
    """One direction's bandwidth, which all connections share: each sends a piece in its turn."""

    def __init__(self) -> None:
        self.free_at = 0.0  # when the next byte may begin to fly
        self.turns: deque[Way] = deque()  # those with bytes to send, the next one first

    def join(self, way: "Way", now: float) -> None:
        """Let `way` have its turn; for a time in which none had bytes to send nothing is made up."""
        if not self.turns:
            self.free_at = max(self.free_at, now)
        if way not in self.turns:
            self.turns.append(way)

    def leave(self, way: "Way") -> None:
        if way in self.turns:
            self.turns.remove(way)

    def send_off(self, rate: float, now: float) -> None:
        """Let pieces fly that are due by `now`, at `rate` bytes a second (0 is no limit)."""
        while self.turns and self.free_at <= now:
            way = self.turns.popleft()
            piece = way.cut(max(1, int(rate * TICK)) if rate else len(way.waiting))
            if rate:
                self.free_at += len(piece) / rate
            way.let_fly(piece, max(self.free_at, now))
            if way.waiting:
                self.turns.append(way)


class Way:
    """One direction of a pair: bytes wait for bandwidth, then fly for as long as the delay is.

    All stays while `sink` is `blocked`: not open yet, or full. `source` is not read while much waits.
    """

    def __init__(self, pair: Pair, sender: End, source: Socket, sink: Socket) -> None:
        self.pair = pair
        self.proxy = pair.proxy
        self.sender = sender
        self.source = source
        self.sink = sink
        self.loop = asyncio.get_running_loop()
        self.waiting = bytearray()
        self.flying: deque[tuple[float, bytes]] = deque()  # when each arrives; no bytes are the end
        self.timer: asyncio.TimerHandle | None = None
        self.blocked = True
        self.ended = False  # nothing more is read
        self.ending = False  # of which the sink is still to be told
        self.over = False  # the sink was told
        self.stopped = False  # nothing more is passed on

    @property
    def link(self) -> Link:
        return self.proxy.links[self.sender]

    def take(self, data: bytes) -> None:
        """Pass `data` on, or lose it."""
        if self.stopped or self.proxy.suffers(HalfOpen):
            return
        if self.sender in self.proxy.losing:
            self.proxy.losing.discard(self.sender)
            self.pair.reset()
            return
        self.waiting += data
        self.go_on()

    def end(self) -> None:
        """Tell the sink, behind what is under way, that nothing more comes."""
        self.ended = True
        if not (self.stopped or self.proxy.suffers(HalfOpen)):
            self.ending = True
            self.go_on()

    def block(self, blocked: bool) -> None:
        """Stop, or go on (soon: a transport that says it can write must not be closed meanwhile)."""
        self.blocked = blocked
        if blocked:
            self.link.leave(self)
        else:
            self._plan(self.loop.time())

    def stop(self) -> None:
        """Pass nothing on any more."""
        self.stopped = True
        self.link.leave(self)
        self.waiting.clear()
        self.flying.clear()
        self.ending = False
        self._plan()

    def go_on(self) -> None:
        """Do what is due, and come back for the rest."""
        now = self.loop.time()
        if not self.blocked:
            self._send_off(now)
        while self.flying and not self.blocked and self.flying[0][0] <= now:
            self._hand_on(self.flying.popleft()[1])
        self._read_or_not()
        due = []
        if self.waiting:
            due.append(self.link.free_at)
        if self.flying:
            due.append(self.flying[0][0])
        self._plan(*due if not self.blocked else ())

    def cut(self, size: int) -> bytes:
        """Take the first `size` of the bytes that wait."""
        piece = bytes(self.waiting[:size])
        del self.waiting[:size]
        return piece

    def let_fly(self, piece: bytes, begun: float) -> None:
        self.flying.append((begun + self.proxy.delay, piece))

    def _send_off(self, now: float) -> None:
        if self.waiting:
            self.link.join(self, now)
            self.link.send_off(self.proxy.rate, now)
        if self.ending and not self.waiting:
            self.ending = False
            self.let_fly(b"", max(self.link.free_at, now))

    def _hand_on(self, piece: bytes) -> None:
        transport = self.sink.transport
        if piece and transport is not None:
            transport.write(piece)
        elif not piece:
            self.over = True
            if transport is not None:
                with suppress(OSError):  # it was reset meanwhile
                    transport.write_eof()
            self.pair.finish()

    def _read_or_not(self) -> None:
        transport = self.source.transport
        if transport is None or self.ended:
            return
        if len(self.waiting) > LIMIT and not self.proxy.suffers(HalfOpen):
            transport.pause_reading()
        else:
            transport.resume_reading()

    def _plan(self, *due: float) -> None:
        """Come back at the first time of `due`."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if due:
            self.timer = self.loop.call_at(min(due), self.go_on)
