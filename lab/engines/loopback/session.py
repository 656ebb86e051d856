"""A session of measured runs: it starts the sides' processes once and tells them what to do."""

import multiprocessing
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

import numpy as np

from lab.engines import common
from lab.engines.loopback import background, settings, side
from lab.scenario import Scenario
from lab.strategies import Strategy, Stream
from lab.trace import Counters, Fate, Trace

HEAD_START = 0.1  # seconds between telling the sides to start and the start
POLL = 0.02
ANSWER_DEADLINE = 30.0
CLOSE_DEADLINE = 2.0
BY_SIDE = {  # which side stamps which column
    "source": ("sent",),
    "broker": ("at_broker", "left_broker", "acked", "attempts", "fate"),
    "target": ("received", "started", "done"),
}


class Session:
    """Processes for measured runs, kept from run to run. Use as a context manager.

    `port` fixes the port of the side that listens, 0 lets the system choose. `pinned` binds each
    side to a core, where there are two.
    """

    def __init__(self, port: int = 0, pinned: bool = True) -> None:
        self.port = port
        self.pinned = pinned
        self.pipes: dict[str, Connection] = {}
        self.processes: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the sides' processes."""
        for pipe in self.pipes.values():
            pipe.close()
        deadline = time.monotonic() + CLOSE_DEADLINE
        for process in self.processes:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
        self.pipes, self.processes = {}, []

    def measure(self, scenario: Scenario, strategy: Strategy, replication: int = 0) -> Trace:
        """Run `strategy` on the scenario's workload in real time and return its trace.

        Raises `MeasurementError` if a side fails.
        """
        workload, speed_up = scenario.workload, scenario.speed_up
        messages = workload.draw(replication).faster(speed_up)
        layout = common.layout(scenario, strategy)
        job = side.Job(
            strategy.faster(speed_up),
            layout,
            messages,
            workload.consumers,
            scenario.retention.limits(),
            self.port,
        )
        self._start(layout.sides)
        try:
            results, disturbed = self._run(job, workload.duration / speed_up, scenario.drain)
        except BaseException:
            self.close()  # what state the sides are in is not known
            raise
        manifest = common.manifest(scenario, strategy, "loopback", replication, len(messages))
        manifest["warm_up"] = workload.warm_up / speed_up
        manifest["settings"] = settings.described()
        manifest["background"] = disturbed
        manifest["cores"] = {name: result["core"] for name, result in results.items()}
        return _merge(job, results, manifest)

    def _start(self, sides: list[str]) -> None:
        spawn = multiprocessing.get_context("spawn")
        for name in sides:
            if name in self.pipes:
                continue
            ours, theirs = spawn.Pipe()
            core = settings.core_of(name) if self.pinned else None
            process = spawn.Process(target=side.main, args=(name, theirs, core), daemon=True)
            with _uninterrupted():
                process.start()
            theirs.close()
            self.pipes[name] = ours
            self.processes.append(process)

    def _run(
        self, job: side.Job, duration: float, drain: float
    ) -> tuple[dict[str, dict[str, Any]], dict[str, float] | None]:
        """Return what each side found, and the background of the run (see `background.shares`)."""
        sides = job.layout.sides
        for name in sides:
            self._send(name, job)
        ports: dict[str, int] = {}
        for name in sides:
            ports |= self._answer(name)
        self._tell(sides, "connect", ports)
        for name in sides:
            self._answer(name)
        if isinstance(job.strategy.wire, Stream):
            self._wait_for_subscribers(job)
        used = {c for name in sides if (c := settings.core_of(name)) is not None}
        used = used if self.pinned and used else set(settings.cores())
        start = time.monotonic() + HEAD_START
        self._tell(sides, "go", start)
        before, begun = background.ticks(used), time.monotonic()
        self._wait(job, start, duration, drain)
        self._tell(sides, "stop")
        results = {name: self._answer(name) for name in sides}
        elapsed, after = time.monotonic() - begun, background.ticks(used)
        for name in sides:
            self._answer(name)  # closed
        for name, result in results.items():
            if result["errors"]:
                raise common.MeasurementError(f"{name}: {result['errors'][0]}")
        own = sum(result["cpu_seconds"] for result in results.values())
        return results, background.shares(before, after, own, elapsed, len(used))

    def _wait(self, job: side.Job, start: float, duration: float, drain: float) -> None:
        """Wait until everything is settled and acknowledged, at most `drain` after the end."""
        last = job.messages.created[-1] if len(job.messages) else 0.0
        _sleep_until(start + min(duration, last))  # the sides are left alone meanwhile
        rows = len(job.messages) * job.consumers
        acks = rows if common.acknowledges(job.strategy) else 0
        while time.monotonic() < start + duration + drain:
            total, failed = self._status(job.layout.sides)
            settled = total["done"] + total["settled"] >= rows
            if failed or (settled and total["acked"] + total["settled"] >= acks):
                return
            time.sleep(POLL)

    def _wait_for_subscribers(self, job: side.Job) -> None:
        """Wait until the broker knows all consumers, so that they miss no message."""
        deadline = time.monotonic() + ANSWER_DEADLINE
        while self._status(job.layout.sides)[0]["subscribed"] < job.consumers:
            if time.monotonic() > deadline:
                raise common.MeasurementError("broker: not every consumer subscribed")
            time.sleep(POLL)

    def _status(self, sides: list[str]) -> tuple[dict[str, int], bool]:
        """Return the counts of all sides together, and whether anything went wrong."""
        self._tell(sides, "status")
        counts, errors = zip(*(self._answer(name) for name in sides), strict=True)
        return {key: sum(count[key] for count in counts) for key in counts[0]}, any(errors)

    def _tell(self, sides: list[str], command: str, argument: Any = None) -> None:
        for name in sides:
            self._send(name, (command, argument))

    def _send(self, name: str, message: Any) -> None:
        try:
            self.pipes[name].send(message)
        except OSError:
            raise common.MeasurementError(f"{name}: the process ended") from None

    def _answer(self, name: str) -> Any:
        pipe = self.pipes[name]
        try:
            if not pipe.poll(ANSWER_DEADLINE):
                raise common.MeasurementError(f"{name}: no answer for {ANSWER_DEADLINE:g} s")
            answer = pipe.recv()
        except (EOFError, OSError):
            raise common.MeasurementError(f"{name}: the process ended") from None
        if isinstance(answer, Exception):
            raise common.MeasurementError(f"{name}: {answer}") from answer
        return answer


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back; a process started meanwhile never sees it: its session ends it."""
    resource_tracker.ensure_running()  # which would let Ctrl-C through if it started meanwhile
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _sleep_until(at: float) -> None:
    time.sleep(max(0.0, at - time.monotonic()))


def _merge(job: side.Job, results: dict[str, dict[str, Any]], manifest: dict[str, Any]) -> Trace:
    """Put the columns of all sides together."""
    place, messages, consumers = job.layout, job.messages, job.consumers
    n = len(messages)
    where = {"source": place.source, "broker": place.broker, "target": place.target}
    columns = {
        column: results[where[part]]["columns"][column]
        for part, names in BY_SIDE.items()
        for column in names
    }
    if job.strategy.brokerless:
        columns["at_broker"] = np.full((1, n), np.nan)
    fate = columns["fate"]
    common.settle(fate, columns["done"])
    if (fate == Fate.IN_FLIGHT).any():
        manifest["cut_off"] = True
    rows = {
        name: (column if len(column) == consumers else np.repeat(column, consumers, 0)).reshape(-1)
        for name, column in columns.items()
    }
    accepted = rows["sent"] if job.strategy.brokerless else rows["at_broker"]
    return Trace(
        message=np.tile(np.arange(n, dtype=np.int32), consumers),
        consumer=np.repeat(np.arange(consumers, dtype=np.int16), n),
        size=np.tile(messages.size, consumers),
        created=np.tile(messages.created, consumers),
        counters=_counters(results, common.peak_queues(accepted, rows["started"], consumers)),
        manifest=manifest,
        **rows,
    )


def _counters(results: dict[str, dict[str, Any]], peak: int) -> Counters:
    def total(name: str) -> int:
        return sum(result["counters"][name] for result in results.values())

    return Counters(
        requests=total("requests"),
        empty_replies=total("empty_replies"),
        bytes_in=total("bytes_in"),
        bytes_out=total("bytes_out"),
        bytes_back=total("bytes_back"),
        peak_queue=peak,
        log_length=max(result["log_length"] for result in results.values()),
        elapsed=max(result["elapsed"] for result in results.values()),
        cpu_seconds={name: result["cpu_seconds"] for name, result in results.items()},
        wake_ups={name: result["wake_ups"] for name, result in results.items()},
    )


def measure(scenario: Scenario, strategy: Strategy, replication: int = 0) -> Trace:
    """Measure one run in a session of its own."""
    with Session() as session:
        return session.measure(scenario, strategy, replication)
