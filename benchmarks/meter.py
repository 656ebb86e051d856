"""What bare loops share: the messages they carry, and the measure of a process's loop."""

import gc
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Load:
    """`count` messages whose records are of `size` bytes."""

    count: int
    size: int = 100

    def text(self, number: int) -> str:
        """Return a frame or body of one record, as long as the lab's."""
        head = f'{{"id":{number},"data":"'
        return f'{{"offset":{number},"records":[{head}{"x" * (self.size - len(head) - 2)}"}}]}}'


class Used(NamedTuple):
    """One process's loop: CLOCK_MONOTONIC when it began and ended, and its CPU seconds."""

    begun_at: float
    ended_at: float
    cpu: float


class Meter:
    """Measures from its creation to `stop`, with the garbage collector frozen and off."""

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()
        gc.disable()
        self.begun_at = time.monotonic()
        self.cpu = time.process_time()

    def stop(self) -> Used:
        used = Used(self.begun_at, time.monotonic(), time.process_time() - self.cpu)
        gc.enable()
        gc.unfreeze()
        return used


Announce = Callable[[int], None]
Part = Callable[[Load, Any], Awaitable[Used]]  # a server is given `Announce`, a client the port
