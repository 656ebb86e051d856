"""A probe of the machine: how late its timers are, how slowly it wakes up, when it stalls.

Two processes do it: one sleeps until it is woken, the other measures. Each is on a core where the
system allows it; both end when their time is over or their other end is gone. Times are seconds.
"""

import asyncio
import contextlib
import gc
import multiprocessing
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal, TypeVar

import numpy as np

from lab import machine
from lab.compare import Progress, silent
from lab.engines.common import MeasurementError
from lab.engines.loopback import settings
from lab.metrics import plain

SLEEPS = (0.0005, 0.002, 0.01)
IDLE = (0.0002, 0.02)
STALL = 1e-4  # a spinning loop that sees less of a gap was not stopped
SLICES = 10
TURNS = 500  # of the small loop whose speed is measured, between two looks at the clock
OVERHEAD = 2e-4  # seconds that a wake-up takes besides the sleep before it, about
FEWEST = 5  # samples of anything, however little time there is
SHARES = {"timers": 0.25, "wake-ups": 0.35, "stalls": 0.25, "speed": 0.15}  # of the time
START = 20.0  # seconds until the processes have started, on a busy machine
STAMP = struct.Struct("q")  # nanoseconds
NANOSECONDS = 1e9
Found = TypeVar("Found")


@dataclass(frozen=True)
class Lateness:
    """How late a sleep of `asked` seconds ends: in an event loop, or of the whole process."""

    timer: Literal["event loop", "process"]
    asked: float
    median: float
    p99: float


@dataclass(frozen=True)
class WakeUp:
    """From sending a byte until a process runs that slept `idle` seconds in select().

    `same_core` is None where processes cannot be pinned.
    """

    idle: float
    same_core: bool | None
    median: float
    p99: float


@dataclass(frozen=True)
class Stalls:
    """How often a process that never sleeps was stopped: times a second, share of time lost.

    `median` and `longest` are seconds, None if it never was. `core` is None if not pinned.
    """

    core: int | None
    rate: float
    median: float | None
    longest: float | None
    lost: float


@dataclass(frozen=True)
class Speed:
    """Turns a second of a small loop in Python, and their relative standard deviation."""

    core: int | None
    median: float
    spread: float


@dataclass(frozen=True)
class Machine:
    """What the probe found. `cores` is how many may be used, None where the system does not tell.

    `timer_slack` is in seconds, None where it cannot be set.
    """

    name: str
    cores: int | None
    timer_slack: float | None
    timers: Sequence[Lateness]
    wake_ups: Sequence[WakeUp]
    stalls: Sequence[Stalls]
    speeds: Sequence[Speed]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data, None for unknown."""
        return plain(asdict(self))


def probe(seconds: float = 4.0, progress: Progress = silent) -> Machine:
    """Measure this machine for about that many seconds, and those that processes need to start.

    Raises `MeasurementError` if the processes do not answer.
    """
    cores = settings.cores()
    found = _measure(cores, seconds, progress)
    progress("probed", len(SHARES), len(SHARES))
    return Machine(
        machine.name(),
        len(cores) or os.cpu_count(),
        settings.TIMER_SLACK / NANOSECONDS if sys.platform == "linux" else None,
        *(found[what] for what in SHARES),
    )


def _measure(cores: list[int], seconds: float, progress: Progress) -> dict[str, Any]:
    """Start both processes and collect what they find, by the keys of `SHARES`."""
    found: dict[str, Any] = {}
    deadline = time.monotonic() + START + 3 * seconds
    with _processes(cores, seconds) as results:
        for done, what in enumerate(SHARES):
            progress(f"probing {what}", done, len(SHARES))
            try:
                if not results.poll(max(0.0, deadline - time.monotonic())):
                    raise MeasurementError(f"probe: no answer about {what}")
                found[what] = results.recv()
            except (EOFError, OSError):
                raise MeasurementError(f"probe: the process ended in {what}") from None
    return found


@contextlib.contextmanager
def _processes(cores: list[int], seconds: float) -> Iterator[Connection]:
    """Run the sleeper and the prober; yields where the prober's results arrive."""
    spawn = multiprocessing.get_context("spawn")
    near, far = socket.socketpair()
    ours, theirs = spawn.Pipe(duplex=False)
    started = [
        spawn.Process(target=_sleeper, args=(far, _sleeping_core(cores)), daemon=True),
        spawn.Process(target=_prober, args=(near, theirs, cores, seconds), daemon=True),
    ]
    try:
        for process in started:
            process.start()
        for end in (near, far, theirs):
            end.close()
        yield ours
    finally:
        ours.close()
        for process in started:
            if process.pid is not None:
                process.kill()
                process.join()


def _sleeping_core(cores: list[int]) -> int | None:
    return cores[-1] if cores else None


def _sleeper(wire: socket.socket, core: int | None) -> None:
    """Sleep in select(), and answer each stamp with how long ago it was written."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings.prepare_process(core)
    with wire, contextlib.suppress(OSError):
        while select.select([wire], [], [], START)[0]:
            now = time.monotonic_ns()
            stamp = wire.recv(STAMP.size)
            if not stamp:
                return
            wire.send(STAMP.pack(now - STAMP.unpack(stamp)[0]))


def _prober(wire: socket.socket, results: Connection, cores: list[int], seconds: float) -> None:
    """Measure everything in the order of `SHARES`, and send each as it is known."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings.prepare_process(cores[0] if cores else None)
    gc.disable()
    budget = {what: share * seconds for what, share in SHARES.items()}
    pins: list[int | None] = [*cores] or [None]
    with contextlib.suppress(OSError):  # nobody is left to tell
        results.send(_timers(budget["timers"]))
        results.send(_wake_ups(wire, cores, budget["wake-ups"]))
        results.send(_on_each(pins, _stalls, budget["stalls"]))
        results.send(_on_each(pins, _speed, budget["speed"]))


def _pin(core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})


def _on_each(
    pins: list[int | None], measure: Callable[[int | None, float], Found], seconds: float
) -> list[Found]:
    """Measure each core in turn, for an equal share of the time."""
    found = []
    for core in pins:
        _pin(core)
        found.append(measure(core, seconds / len(pins)))
    return found


def _timers(seconds: float) -> list[Lateness]:
    each = seconds / (2 * len(SLEEPS))
    found = []
    loop = settings.new_event_loop()
    for asked in SLEEPS:
        count = max(FEWEST, int(each / asked))
        late = loop.run_until_complete(_late_in_loop(asked, count))
        found.append(Lateness("event loop", asked, *_middle_and_tail(late)))
        late = [_late(asked) for _ in range(count)]
        found.append(Lateness("process", asked, *_middle_and_tail(late)))
    loop.close()
    return found


async def _late_in_loop(asked: float, count: int) -> list[float]:
    late = []
    for _ in range(count):
        due = time.monotonic() + asked
        await asyncio.sleep(asked)
        late.append(time.monotonic() - due)
    return late


def _late(asked: float) -> float:
    due = time.monotonic() + asked
    time.sleep(asked)
    return time.monotonic() - due


def _wake_ups(wire: socket.socket, cores: list[int], seconds: float) -> list[WakeUp]:
    """Wake the sleeper from another core if there is one, and from its own."""
    if not cores:
        places: list[tuple[bool | None, int | None]] = [(None, None)]
    else:
        places = [(False, cores[0])] if len(cores) > 1 else []
        places.append((True, _sleeping_core(cores)))
    each = seconds / (len(places) * len(IDLE))
    found = []
    wire.settimeout(START)
    _wake(wire, 0.0)  # the first waits for the sleeper to start
    for same, core in places:
        _pin(core)
        for idle in IDLE:
            count = max(FEWEST, int(each / (idle + OVERHEAD)))
            late = [_wake(wire, idle) for _ in range(count)]
            found.append(WakeUp(idle, same, *_middle_and_tail(late)))
    return found


def _wake(wire: socket.socket, idle: float) -> float:
    """Return how long it took the sleeper to notice, after that many seconds without any work."""
    time.sleep(idle)
    wire.send(STAMP.pack(time.monotonic_ns()))
    return STAMP.unpack(wire.recv(STAMP.size))[0] / NANOSECONDS


def _stalls(core: int | None, seconds: float) -> Stalls:
    clock = time.monotonic
    gaps = []
    begun = last = clock()
    end = begun + seconds
    while last < end:
        now = clock()
        if now - last > STALL:
            gaps.append(now - last)
        last = now
    elapsed = last - begun
    median, longest = (float(np.median(gaps)), max(gaps)) if gaps else (None, None)
    return Stalls(core, len(gaps) / elapsed, median, longest, sum(gaps) / elapsed)


def _speed(core: int | None, seconds: float) -> Speed:
    rates = [_rate(seconds / SLICES) for _ in range(SLICES)]
    median = float(np.median(rates))
    return Speed(core, median, float(np.std(rates, ddof=1)) / median)


def _rate(seconds: float) -> float:
    """Return turns a second of a small loop."""
    begun = now = time.perf_counter()
    turns = total = 0
    while now - begun < seconds or not turns:
        for i in range(TURNS):
            total += i & 7
        turns += TURNS
        now = time.perf_counter()
    return turns / (now - begun)


def _middle_and_tail(values: Sequence[float]) -> tuple[float, float]:
    median, p99 = np.quantile(values, (0.5, 0.99)).tolist()
    return median, p99
