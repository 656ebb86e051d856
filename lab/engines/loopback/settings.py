"""Every setting of the libraries and the system that a measured run depends on, set on purpose.

They stand in the manifest of each measured trace. Keep-alive pings, compression, access logs and
redirects are off; time-outs are the strategy's own.
"""

import asyncio
import ctypes
import errno
import logging
import os
import selectors
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiohttp.http_exceptions import HttpProcessingError

T = TypeVar("T")

LOOPBACK = "127.0.0.1"
MAX_FRAME = 64 * 2**20
MAX_BODY = 64 * 2**20
SEND_DEADLINE = 30.0  # seconds until a peer that stopped reading is given up
HEAD_DEADLINE = 10.0  # seconds for a new connection to say what it wants, and at most as long again
BODY_DEADLINE = 10.0  # seconds for the body of a request to follow its head
PORT_DEADLINE = 2.0  # seconds for a port to become free that a killed process listened on

WEBSOCKET: dict[str, Any] = {
    "compression": None,
    "max_size": MAX_FRAME,
    "max_queue": 16,
    "write_limit": 32 * 2**10,
    "ping_interval": None,
    "ping_timeout": None,
    "open_timeout": 10,
    "close_timeout": 1,
}
CONNECTOR: dict[str, Any] = {"limit": 0, "limit_per_host": 0, "enable_cleanup_closed": False}
CLIENT: dict[str, Any] = {"auto_decompress": False, "trust_env": False}
SKIPPED_HEADERS = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
SERVER: dict[str, Any] = {
    "access_log": None,
    "handle_signals": False,
    "keepalive_timeout": 3600.0,
    "shutdown_timeout": 0.1,
    "tcp_keepalive": False,
    "handler_cancellation": True,  # so that a held request ends with its client
}

PR_SET_TIMERSLACK = 29
TIMER_SLACK = 1  # nanoseconds; the default of 50,000 makes every timer that late


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop on select(), whose time-outs are exact.

    epoll() counts in whole milliseconds, which would make every timer up to 1 ms late.
    """
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


async def when_free(listen: Callable[[], Awaitable[T]]) -> T:
    """Listen; again and again for a while, if the port is still in use."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PORT_DEADLINE
    while True:
        try:
            return await listen()
        except OSError as error:
            if error.errno != errno.EADDRINUSE or loop.time() > deadline:
                raise
        await asyncio.sleep(0.05)


def limit_buffers(end: Any, held: int) -> None:
    """Have a connection hold about `held` bytes each way, of which `end` is the socket of one end.

    Do so at both ends. A system that keeps its books in the buffers (Linux) doubles what is asked for.
    """
    ask = held // (4 if sys.platform == "linux" else 2)
    for which in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        end.setsockopt(socket.SOL_SOCKET, which, ask)


def cores() -> list[int]:
    """Return the cores on which this process may run; none where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def core_of(side: str) -> int | None:
    """Return the core for a side: the broker has one, source and target share the other."""
    mine = cores()
    if len(mine) < 2:
        return None
    return mine[1] if side == "broker" else mine[0]


def prepare_process(core: int | None) -> None:
    """Pin this process and make its timers exact, where the system can; log only our own faults."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    logging.getLogger("aiohttp.server").addFilter(is_ours)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, TIMER_SLACK, 0, 0, 0)


def is_ours(record: logging.LogRecord) -> bool:
    """Say whether a log record tells of a fault of ours, not of a malformed request."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def described() -> dict[str, Any]:
    """Return all settings as plain data for a manifest."""
    return {
        "websockets": WEBSOCKET,
        "aiohttp_connector": CONNECTOR,
        "aiohttp_client": CLIENT,
        "aiohttp_server": SERVER,
        "selector": "select",
        "timer_slack_ns": TIMER_SLACK,
        "gc": "frozen and off during a run",
        "tcp_nodelay": True,
        "send_deadline": SEND_DEADLINE,
        "head_deadline": HEAD_DEADLINE,
        "body_deadline": BODY_DEADLINE,
    }
