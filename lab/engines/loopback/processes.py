"""The processes of the sides: started once, told what to do, killed and replaced, and ended."""

import multiprocessing
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, NamedTuple, Self

from lab.engines import common
from lab.engines.loopback import settings, side

ANSWER_DEADLINE = 30.0
CLOSE_DEADLINE = 2.0
UNGUARDED = 78  # exit status of a side whose script, when it imports that, would start sides itself
NEEDS_GUARD = 'a script that measures does so below `if __name__ == "__main__":`'


class Process(NamedTuple):
    """A process that takes part in runs as a side, and the pipe to it."""

    process: Any
    pipe: Connection

    def end(self, deadline: float) -> None:
        """Have it end by itself until `deadline`, or else kill it."""
        self.pipe.close()
        self.process.join(max(0.0, deadline - time.monotonic()))
        self.kill()

    def kill(self) -> None:
        self.pipe.close()
        if self.process.is_alive():
            self.process.kill()
        self.process.join()


def guard() -> None:
    """End this process if it is a side that is still importing the script of the session.

    To be called before anything that takes long: a script that measures without asking whether it is
    the main program would do all of it once more in each side.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        sys.exit(UNGUARDED)


class Processes:
    """Processes for the sides of runs, kept from run to run. Use as a context manager.

    `pinned` binds each side to a core, where there are two.
    """

    def __init__(self, pinned: bool = True) -> None:
        self.pinned = pinned
        self.sides: dict[str, Process] = {}
        self.reserve: list[tuple[str, Process]] = []  # for sides that will be killed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def processes(self) -> list[Any]:
        return [side.process for side in self.sides.values()]

    @property
    def pipes(self) -> dict[str, Connection]:
        return {name: side.pipe for name, side in self.sides.items()}

    def close(self) -> None:
        """End all processes."""
        mine = [*self.sides.values(), *(spare for _, spare in self.reserve)]
        for each in mine:
            each.pipe.close()
        deadline = time.monotonic() + CLOSE_DEADLINE
        for each in mine:
            each.end(deadline)
        self.sides, self.reserve = {}, []

    def start(self, names: Iterable[str]) -> None:
        """Start a process for each of the sides that has none."""
        for name in names:
            if name not in self.sides:
                self.sides[name] = self._spawn(name)

    def stand_by(self, names: Iterable[str]) -> None:
        """Have a process ready for each side in `names`, to take its place."""
        new = [(name, self._spawn(name)) for name in names]
        self.reserve += new
        for _, spare in new:
            spare.pipe.send(None)
        for name, spare in new:
            self._receive(name, spare.pipe)

    def kill(self, name: str) -> None:
        """Kill a side's process."""
        self.sides[name].kill()

    def replace(self, name: str) -> None:
        """Put another process in the place of one that was killed."""
        ready = next((entry for entry in self.reserve if entry[0] == name), None)
        if ready is None:
            self.sides[name] = self._spawn(name)
            return
        self.reserve.remove(ready)
        self.sides[name] = ready[1]

    def is_alive(self, name: str) -> bool:
        return not self.sides[name].pipe.closed

    def dismiss(self) -> None:
        """End the processes that stood by in vain."""
        spares, self.reserve = self.reserve, []
        for _, spare in spares:
            spare.kill()

    def _spawn(self, name: str) -> Process:
        guard()
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        core = settings.core_of(name) if self.pinned else None
        process = spawn.Process(target=side.main, args=(name, theirs, core), daemon=True)
        with _uninterrupted():
            process.start()
        theirs.close()
        return Process(process, ours)

    def tell(self, sides: Iterable[str], command: str, argument: Any = None) -> None:
        for name in sides:
            self.send(name, (command, argument))

    def send(self, name: str, message: Any) -> None:
        try:
            self.sides[name].pipe.send(message)
        except OSError:
            raise common.MeasurementError(f"{name}: {self._end_of(name)}") from None

    def answer(self, name: str) -> Any:
        """Return what a side answers; raises `MeasurementError` if it does not, or has failed."""
        return self._receive(name, self.sides[name].pipe)

    def _receive(self, name: str, pipe: Connection) -> Any:
        try:
            if not pipe.poll(ANSWER_DEADLINE):
                raise self._failed(name, f"no answer for {ANSWER_DEADLINE:g} s")
            answer = pipe.recv()
        except (EOFError, OSError):
            raise common.MeasurementError(f"{name}: {self._end_of(name)}") from None
        if isinstance(answer, Exception):
            raise self._failed(name, str(answer)) from answer
        return answer

    def _failed(self, name: str, why: str) -> common.MeasurementError:
        """Return the error of a side that failed, or rather that of one that ended and is its cause."""
        for other, its in self.sides.items():
            if not its.pipe.closed and not its.process.is_alive():
                name, why = other, self._end_of(other)
        return common.MeasurementError(f"{name}: {why}")

    def _end_of(self, name: str) -> str:
        """Say why the process of a side is no longer there, as far as its exit status tells."""
        side = self.sides.get(name)
        if side is not None:
            side.process.join(CLOSE_DEADLINE)
            if side.process.exitcode == UNGUARDED:
                return NEEDS_GUARD
        return "the process ended"


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back; a process started meanwhile never sees it: its session ends it."""
    resource_tracker.ensure_running()  # which would let Ctrl-C through if it started meanwhile
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
