"""The commands that connect the lab with other programs: `serve` and `feed`."""

import asyncio
import hashlib
from typing import Annotated, Any

import typer

from lab.cli.options import Json
from lab.cli.ports import check_port
from lab.cli.terminal import Interrupted, print_json
from lab.description import InvalidInput
from lab.roles import Retention

PORT = 8765
Symbols = Annotated[
    str | None,
    typer.Option(metavar="A,B,…", help="Only these symbols. Default: all."),
]
Seconds = Annotated[
    float | None, typer.Option("--for", metavar="SECONDS", help="Stop by itself after so long.")
]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="PUSHPULL_TOKEN",
        help="Sent with each request: Authorization: Bearer TOKEN. Better in the environment, where"
        " other users do not see it.",
    ),
]


def serve_command(
    feed: Annotated[
        bool, typer.Option("--feed", help="Publish ticks of a made-up market.")
    ] = False,
    rate: Annotated[float, typer.Option(help="With --feed: ticks a second.")] = 100.0,
    symbols: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="With --feed: of these. Default: three.")
    ] = None,
    seed: Annotated[int, typer.Option(help="With --feed: draws the prices.", min=0)] = 1,
    port: Annotated[int, typer.Option(help="Where to listen.")] = PORT,
    host: Annotated[
        str, typer.Option(help="Another address than this machine's own needs --token, too.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option(
            envvar="PUSHPULL_TOKEN",
            help="Answer only requests that bring it, as Authorization: Bearer TOKEN. Better in the"
            " environment, where other users do not see it.",
        ),
    ] = None,
    allow_target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST", help="Let webhooks lead to this host. Default: only to this machine."
        ),
    ] = None,
    keep: Annotated[int, typer.Option(help="How many messages the log keeps.", min=1)] = 100_000,
    seconds: Seconds = None,
) -> None:
    """Offer messages over WebSocket, server-sent events, webhooks, short and long polls.

    They are what other programs POST, or with --feed the ticks of three symbols. All endpoints are
    on one port of this machine; docs/serve.md describes them. Ends with Ctrl-C.
    """
    from lab.feed.guard import is_loopback  # needs sockets, which simulation does not
    from lab.feed.limits import LOG_BYTES, LOG_RECORDS
    from lab.feed.server import Settings, Source

    if not is_loopback(host) and not token:
        raise InvalidInput(f"--host: got {host}; need --token as well, for others can reach it")
    if token is not None and (len(token) < 16 or not token.isascii() or not token.isprintable()):
        raise InvalidInput("--token: need at least 16 characters, ASCII")
    if keep > LOG_RECORDS:
        raise InvalidInput(f"--keep: got {keep}; need 1 to {LOG_RECORDS}")
    if not 0 < rate <= 10_000:
        raise InvalidInput(f"--rate: got {rate:g}; need more than 0, at most 10,000")
    _check_positive("--for", seconds)
    check_port(port, host)
    names = _names(symbols)
    source = Source(rate, names, seed) if names else Source(rate, seed=seed)
    settings = Settings(
        host=host,
        port=port,
        token=token,
        keep=Retention(count=keep, bytes=LOG_BYTES),
        allowed=allow_target or (),
        source=source if feed else None,
    )
    try:
        asyncio.run(_serve(settings, seconds))
    except KeyboardInterrupt:
        raise Interrupted("the server has stopped") from None


async def _serve(settings: Any, seconds: float | None) -> None:
    from lab.feed.endpoints import examples
    from lab.feed.server import serving

    async with serving(settings) as server:
        for line in examples(settings.host, server.port, settings.token is not None):
            print(line, flush=True)
        await asyncio.sleep(10**9 if seconds is None else seconds)


def feed_command(
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="ws://HOST:PORT/stream, or http://HOST:PORT and /events, /records or /webhooks.",
        ),
    ] = f"ws://127.0.0.1:{PORT}/stream",
    into: Annotated[
        str, typer.Option(metavar="DATABASE", help="An SQLite file, or a postgresql:// URL.")
    ] = "ticks.db",
    symbols: Symbols = None,
    batch: Annotated[int, typer.Option(help="Ticks in a transaction.", min=1, max=10_000)] = 100,
    linger: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long a tick may wait for a full batch.")
    ] = 0.5,
    wait: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", help="/records: how long the server may hold a poll. 0: not at all."
        ),
    ] = 10.0,
    interval: Annotated[
        float, typer.Option(metavar="SECONDS", help="/records with --wait 0: between two polls.")
    ] = 1.0,
    count: Annotated[int | None, typer.Option(help="Stop after so many messages.", min=1)] = None,
    seconds: Seconds = None,
    patience: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long the server may be away.")
    ] = 10.0,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Bring the ticks of a server into a database, each exactly once.

    The path of URL decides how: over a WebSocket, an event stream, polls, or webhooks. What was
    written stays, whatever happens; started again, it goes on where it was cut off.
    """
    from lab.feed.client import FeedError
    from lab.feed.ingestion import Ingestion, Wish
    from lab.feed.sinks import StoreError

    for name, value in (("--for", seconds), ("--linger", linger), ("--interval", interval)):
        _check_positive(name, value)
    if not (0 <= wait <= 60 and 0 <= patience):
        raise InvalidInput("--wait, --patience: need 0 or more, --wait at most 60")
    names = _names(symbols)
    hook = "feed-" + hashlib.sha256(into.encode()).hexdigest()[:12]
    wish = Wish(
        url=url,
        into=into,
        symbols=names,
        batch=batch,
        linger=linger,
        wait=wait,
        interval=interval,
        count=count,
        seconds=seconds,
        token=token,
        patience=patience,
        name=hook,
    )
    ingestion = Ingestion(wish)
    try:
        asyncio.run(ingestion.run())
    except KeyboardInterrupt:
        raise Interrupted(ingestion.summary()) from None
    except (FeedError, StoreError) as error:
        raise OSError(f"{error}; {ingestion.summary()}") from None
    if as_json:
        print_json(ingestion.to_json())
    else:
        print(ingestion.summary())


def _names(symbols: str | None) -> list[str] | None:
    """Return the symbols in a list with commas."""
    if symbols is None:
        return None
    names = [name.strip() for name in symbols.split(",")]
    if not all(name.isprintable() and 1 <= len(name) <= 32 for name in names):
        raise InvalidInput(f"--symbols: got {symbols!r}; need names of at most 32 letters, as A,B")
    return list(dict.fromkeys(names))


def _check_positive(name: str, value: float | None) -> None:
    if value is not None and not 0 < value < 1e9:
        raise InvalidInput(f"{name}: got {value:g}; need seconds, more than 0")
