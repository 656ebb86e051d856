"""One process of a measured run. It does what the session tells it through a pipe.

First comes a job, answered with the ports of its servers, or None, to see whether it is there. Then
commands, each but `go` answered: `connect` (all ports), `clock` (the time to start at), `go` (the
same), `status`, `stop` (returns what this side counted) and `close`. One that takes the place of a
side that was killed goes on at once.
"""

import asyncio
import gc
import resource
import signal
import time
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from websockets.exceptions import WebSocketException

from lab.engines import common
from lab.engines.loopback import settings
from lab.engines.loopback.job import Before, Job, Links
from lab.engines.loopback.parts import Parts
from lab.engines.loopback.samples import Sampler
from lab.faults import StalledLoop
from lab.messages import Subscribe

FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    WebSocketException,
)


class Used(NamedTuple):
    """What a process has used: seconds of CPU time, and how often it went to sleep."""

    cpu: float
    sleeps: int

    @classmethod
    def so_far(cls) -> "Used":
        return cls(time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw)


class SessionEnded(Exception):
    """The session is gone, or has closed the pipe: there is nobody to run for."""


class Side(Parts):
    """The parts of a run that live in this process, and what is done with them."""

    heard = Used(0.0, 0)  # so far, when the last command came
    control = Used(0.0, 0)  # before the run, and by commands in it
    obeyed = Used(0.0, 0)  # so far, when the last command had been answered
    commands = 0  # of the run
    cost: Used | None = None  # of the run itself, when it was last asked for its status

    async def listen(self) -> dict[str, int]:
        return {name: await server.listen() for name, server in self.servers.items()}

    async def connect(self, links: Links) -> None:
        """Connect and subscribe; nothing is published or polled before `go`."""
        self.site.start = time.monotonic()
        self._prepare(links)
        await asyncio.gather(*(client.connect() for client in self.clients))
        if common.polls(self.job.strategy.wire):
            return
        for consumer in self.consumers:
            consumer.wake()
        self._subscribe()

    def go_on(self, before: Before) -> None:
        """Take the place of a side that was killed; connections are made when roles want them."""
        self._prepare(before.links)
        self.site.start = before.start
        self._subscribe()
        self.go(before.start)

    def _prepare(self, links: Links) -> None:
        gc.collect()
        gc.freeze()
        gc.disable()
        for client in self.clients:
            client.aim(links)

    def _subscribe(self) -> None:
        """Have the broker know consumers that do not come to it."""
        if self.broker and common.connection_kind(self.job.strategy.wire) == "push":
            for index in range(self.job.consumers):
                self.broker.handle(Subscribe(index))

    def go(self, start: float) -> None:
        """Begin at `start`, a CLOCK_MONOTONIC that all sides share."""
        self.site.start = start
        for actor in (self.source, self.broker, *self.consumers):
            if actor:
                actor.plan()
        self._expect_trouble()
        self.control, self.cost, self.commands = Used.so_far(), None, 0

    def _expect_trouble(self) -> None:
        trouble = self.job.trouble
        if trouble is None:
            return
        for fault in trouble.faults:
            if isinstance(fault, StalledLoop) and self.job.layout.side(fault.side) == self.name:
                self.site.loop.call_at(self.site.start + fault.at, self._stall, fault.until)
        if trouble.sample:
            Sampler(self, trouble).begin()

    def _stall(self, until: float) -> None:
        time.sleep(max(0.0, until - self.site.now()))

    def hear(self) -> None:
        """Note what was used before a command came: to obey it is no part of the run's cost."""
        self.heard = Used.so_far()

    def answered(self) -> None:
        """Count what a command took since it was heard, and that the loop slept once more for it."""
        self.obeyed = Used.so_far()
        spent = self.obeyed.cpu - self.heard.cpu
        self.control = Used(self.control.cpu + spent, self.control.sleeps + 1)
        self.commands += 1

    def status(self) -> tuple[dict[str, int], int, list[str]]:
        """Return counts, how much the roles still mean to do, and errors. Note the cost so far."""
        self.cost = self._cost()
        actors = (self.source, self.broker, *self.consumers)
        pending = sum(actor.role.pending for actor in actors if actor)
        return self.site.counts, pending + self.site.dialling, self.site.errors

    def _cost(self) -> Used:
        """Return what the run had cost when the command came: less the last sleep, which it ended."""
        cpu, sleeps = self.heard
        return Used(cpu - self.control.cpu, max(0, sleeps - self.control.sleeps - 1))

    def _between(self) -> float:
        """Return the CPU seconds of going to sleep after a command and waking up for the next one.

        They are those between the last two, or 0 if anything else happened there.
        """
        alone = self.heard.sleeps == self.obeyed.sleeps + 1
        return self.heard.cpu - self.obeyed.cpu if alone else 0.0

    def result(self) -> dict[str, Any]:
        """Return this side's part of the trace, and what it counted.

        What a process counted that was killed is lost.
        """
        cost = self.cost or self._cost()
        cpu_seconds = max(0.0, cost.cpu - self.commands * self._between())
        role = self.broker.role if self.broker else None
        log = getattr(role, "log", None)
        return {
            "columns": None if self.job.trouble else self.site.columns,
            "counters": self.site.counters,
            "cpu_seconds": cpu_seconds,
            "wake_ups": cost.sleeps,
            "elapsed": self.site.now(),
            "log_length": log.end if log else 0,
            "heard": sum(connection.heard for connection in self.site.counting),
            "events": getattr(role, "events", {}) | {"connections": len(self.site.peers)},
            "kept": log.read(log.start, log.end - log.start) if log and log.bounded else None,
            "errors": self.site.errors,
            "core": settings.cores(),
        }

    async def close(self) -> None:
        self.site.closed = True
        for task in list(self.site.tasks):
            task.cancel()
        for client in self.clients:
            await client.close()
        for server in self.servers.values():
            await server.close()
        if self.journal:
            self.journal.close()


def _listen(side: Side, pipe: Connection, commands: asyncio.Queue[tuple[str, Any]]) -> None:
    """Pass on what the session says, or that it is gone."""
    side.hear()
    try:
        commands.put_nowait(pipe.recv())
    except (EOFError, OSError):
        asyncio.get_running_loop().remove_reader(pipe.fileno())
        commands.put_nowait(("end", None))


async def run(name: str, pipe: Connection, job: Job) -> None:
    """Take part in one run, from `listen` to `close`."""
    side = Side(name, job)
    commands: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    loop.add_reader(pipe.fileno(), _listen, side, pipe, commands)
    try:
        if job.before:
            side.go_on(job.before)
        pipe.send(await side.listen())
        while True:
            command, argument = await commands.get()
            if command == "connect":
                await side.connect(argument)
                pipe.send(None)
            elif command == "clock":
                side.site.start = argument
                pipe.send(None)
            elif command == "go":
                side.go(argument)
            elif command == "status":
                pipe.send(side.status())
                side.answered()
            elif command == "stop":
                pipe.send(side.result())
            elif command == "close":
                return
            else:
                raise SessionEnded
    finally:
        gc.enable()
        gc.unfreeze()
        loop.remove_reader(pipe.fileno())
        await side.close()


def main(name: str, pipe: Connection, core: int | None) -> None:
    """Take part in runs until the session closes the pipe. The entry point of a side's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the session ends its sides itself
    settings.prepare_process(core)
    try:
        while pipe.poll(None):
            pipe.send(_take_part(name, pipe))
    except (SessionEnded, EOFError, BrokenPipeError, ConnectionResetError):
        return


def _take_part(name: str, pipe: Connection) -> Any:
    """Take part in the next run; return "closed", or what went wrong."""
    try:
        job = pipe.recv()
        if job is None:
            return "there"
        with asyncio.Runner(loop_factory=settings.new_event_loop) as runner:
            runner.run(run(name, pipe, job))
    except EOFError:
        raise SessionEnded from None
    except FAILURES as error:
        return common.MeasurementError(f"{type(error).__name__}: {error}")
    return "closed"
