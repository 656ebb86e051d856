"""What `pushpull serve` offers: one log of messages with bodies, published to it and pulled from it.

The log belongs to a pull broker, a role like those of the lab's experiments; here the messages of
the protocol stand for JSON texts, which are kept beside the log and forgotten with it. The offset
of a message is its number.
"""

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, overload

from lab.engines.loopback.actor import Actor
from lab.feed import limits
from lab.feed.formats import NotHere, RecordsFormat
from lab.messages import Disconnected, Expired, Message, Publish, Records
from lab.roles import Log, PullBroker, Retention
from lab.wire.formats import LARGEST_OFFSET, BadRequest, HttpResponse, whole

KEEP = Retention(count=limits.LOG_RECORDS, bytes=limits.LOG_BYTES)


class Place:
    """The server's event loop and clock, and its tasks."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.start = time.monotonic()
        self.tasks: set[asyncio.Task[None]] = set()
        self.errors = 0

    def now(self) -> float:
        """Return seconds from the start of the server."""
        return time.monotonic() - self.start

    def run(self, coroutine: Any) -> asyncio.Task[None]:
        task = self.loop.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def report(self, error: BaseException | None) -> None:
        """Count a fault of ours; the library logs it."""
        self.errors += 1

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.report(error)
            self.loop.call_exception_handler({"message": "a task failed", "exception": error})

    async def close(self) -> None:
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Bodies(Sequence[int]):
    """The JSON texts of the messages that are kept; as a sequence, their sizes by number."""

    def __init__(self) -> None:
        self.texts: dict[int, str] = {}

    def __len__(self) -> int:
        return LARGEST_OFFSET  # the numbers that there may be

    @overload
    def __getitem__(self, number: int) -> int: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[int]: ...

    def __getitem__(self, number: int | slice) -> int | Sequence[int]:
        if isinstance(number, slice):
            raise TypeError("by number only")
        return len(self.texts[number])


class Board(Actor):
    """A feed by the name of `name`: publish to it, ask it, or wait for what comes.

    Its `epoch` tells it from the log of a server before, whose offsets mean nothing here.
    """

    def __init__(self, place: Place, name: str, keep: Retention = KEEP) -> None:
        self.place = place
        self.name = name
        self.bodies = Bodies()
        self.log = Log(keep, self.bodies, epoch=int(time.time() * 1000))
        super().__init__(PullBroker(limits.POLLS, self.log), place)
        self.format = RecordsFormat(self.log.epoch)
        self.slots = list(range(limits.POLLS))
        self.waiting: dict[int, asyncio.Future[HttpResponse]] = {}
        self.more = asyncio.Event()
        self.readers: list[Callable[[Sequence[int]], None]] = []  # told of what is published
        self.keys: OrderedDict[str, int] = OrderedDict()

    @property
    def feed(self) -> str:
        """The name of this log, and of no other."""
        return f"{self.name}-{self.log.epoch}"

    def described(self) -> dict[str, Any]:
        log = self.log
        names = {"name": self.name, "feed": self.feed, "epoch": log.epoch}
        return {**names, "start": log.start, "end": log.end}

    def publish(self, bodies: Sequence[Any]) -> int:
        """Append messages to the log; return the offset of the first.

        Raises `BadRequest` if there are too many, or one is too long or not JSON.
        """
        if not 1 <= len(bodies) <= limits.PUBLISHED:
            raise BadRequest(400, f"messages: need 1 to {limits.PUBLISHED}")
        texts = [compact(body) for body in bodies]
        first, start = self.log.end, self.log.start
        numbers = range(first, first + len(texts))
        self.bodies.texts.update(zip(numbers, texts, strict=True))
        self.handle(Publish(numbers))
        for read in self.readers:
            read(numbers)
        for number in range(start, self.log.start):
            del self.bodies.texts[number]
        self.more.set()
        self.more = asyncio.Event()
        return first

    def publish_once(self, key: str, body: Any) -> tuple[int, bool]:
        """Publish under a key, unless that was done; return the offset, and whether it is new."""
        if key in self.keys:
            return self.keys[key], False
        offset = self.keys[key] = self.publish([body])
        if len(self.keys) > limits.KEYS:
            self.keys.popitem(last=False)
        return offset, True

    def record(self, number: int) -> str:
        """Return a message as it travels. Raises `NotHere` if it is forgotten."""
        text = self.bodies.texts.get(number)
        if text is None:
            raise NotHere(self.described())
        return f'{{"id":{number},"data":{text}}}'

    async def beyond(self, offset: int) -> None:
        """Wait until there is a message at `offset`."""
        while self.log.end <= offset:
            await self.more.wait()

    def resolve(self, offset: Any, epoch: Any = None) -> int:
        """Return the offset meant by a number, by "earliest", "latest" or by nothing (from now on).

        Raises `NotHere` if it has expired, is past the end, or belongs to a log of another epoch.
        """
        log = self.log
        if epoch is not None and whole(epoch, "epoch") != log.epoch:
            raise NotHere(self.described())
        if offset is None or offset == "latest":
            return log.end
        if offset == "earliest":
            return log.start
        number = whole(offset, "offset")
        if not log.start <= number <= log.end:
            raise NotHere(self.described())
        return number

    async def ask(self, make: Callable[[int], Message]) -> HttpResponse:
        """Have the broker answer what `make` returns for a consumer's number, now or later."""
        if not self.slots:
            raise BadRequest(503, f"there are {limits.POLLS} polls already")
        slot = self.slots.pop()
        answer = self.waiting[slot] = self.place.loop.create_future()
        try:
            self.handle(make(slot))
            return await answer
        finally:
            del self.waiting[slot]
            self.handle(Disconnected(slot))  # nobody waits any more
            self.slots.append(slot)

    def emit(self, outputs: Iterable[Any]) -> None:
        for output in outputs:
            waiting = self.waiting.get(output.consumer)
            if waiting is None or waiting.done() or isinstance(output, Expired):
                continue
            if isinstance(output, Records):
                output = output._replace(messages=list(self._fitting(output.messages)))
            waiting.set_result(self.format.response(output, self.record))

    def _fitting(self, messages: Sequence[int]) -> Iterator[int]:
        """Yield as many messages as fit into one answer, at least one."""
        size = 0
        for count, m in enumerate(messages):
            size += self.bodies[m]
            if count and size > limits.ANSWER:
                return
            yield m


def compact(body: Any) -> str:
    """Return `body` as JSON on one line. Raises `BadRequest` if that is too long or not JSON."""
    try:
        text = json.dumps(body, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError):
        raise BadRequest(400, "a message holds a number that JSON does not have") from None
    if len(text) > limits.MESSAGE:
        raise BadRequest(413, f"a message has {len(text)} bytes; need at most {limits.MESSAGE}")
    return text
