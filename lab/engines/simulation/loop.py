"""An event loop in virtual time: asleep, woken, then turn after turn until nothing is ready.

Rules. Time is in whole nanoseconds. A loop has one thread: a turn handles, one after another, what
was ready when the turn began, and nothing else runs on its core meanwhile. Whatever is ready at the
same time is handled in the order (time, kind, rank), and loops that turn at the same time do so in
the order of their ranks, so that no result depends on the order in which things were built.

What a turn sends arrives after the turn began, at a time known when it is sent. So a whole turn is
one SimPy event, at its beginning; that is what makes the simulation fast.
"""

import math
from heapq import heappop, heappush
from typing import Protocol

import numpy as np
import simpy

from lab.physics import Physics

NEVER = 2**62
SECOND = 1_000_000_000
WRITABLE, ARRIVAL, TIMER = range(3)  # kinds of things that become ready, in the order of handling
DRAWS = 4096


class Ready(Protocol):
    """Something an event loop can have ready: `run` handles it from `now` on, returns the end."""

    rank: int

    def run(self, now: int, begun: int) -> int: ...


class Core:
    """A processor core, which runs one loop's turn at a time."""

    def __init__(self) -> None:
        self.free_at = 0


class Turn(simpy.Event):
    """The one event of a loop, scheduled again and again."""

    def __init__(self, env: simpy.Environment, loop: "EventLoop") -> None:
        super().__init__(env)
        self._ok = True
        self._value = None
        self.again = [loop.turn]
        self.callbacks = self.again


class EventLoop:
    """One process's event loop on `core`. `rank` orders loops, `rng` draws the noise."""

    def __init__(
        self,
        env: simpy.Environment,
        rank: int,
        core: Core,
        physics: Physics,
        rng: np.random.Generator,
    ) -> None:
        self.env = env
        self.rank = rank
        self.core = core
        loop = physics.loop
        self.wake_up = loop.wake_up * SECOND
        self.iteration = loop.iteration * SECOND
        self.timer = int(loop.timer * SECOND)
        self.cold = loop.cold
        self.cooling = max(loop.cooling, 1e-9) * SECOND
        self.noise = physics.noise
        self.rng = rng
        self.factors: list[float] = []
        self.factor = 1.0  # by which this turn's costs differ from the mean
        self.agenda: list[tuple[int, int, int, Ready]] = []
        self.turns = [NEVER]  # when turns are scheduled, as a heap
        self.event = Turn(env, self)
        self.running = False
        self.busy_until = 0
        self.cpu = 0
        self.wake_ups = 0

    def add(self, at: int, kind: int, ready: Ready) -> None:
        """Make `ready` known: it is to be handled in the first turn that begins at or after `at`."""
        heappush(self.agenda, (at, kind, ready.rank, ready))
        if not self.running:
            self._plan()

    def price(self, nanoseconds: float) -> int:
        """Return what a cost is in this turn, noise and cold caches included."""
        return int(nanoseconds * self.factor)

    def turn(self, event: simpy.Event) -> None:
        """Handle what is ready. The SimPy callback of `self.event`."""
        self.event.callbacks = self.event.again
        now = self.env.now
        heappop(self.turns)
        agenda = self.agenda
        if not agenda or now < self._next_turn():
            self._plan()  # what this turn was planned for is handled, or was put off
            return
        if self.core.free_at > now:
            self._schedule(self.core.free_at)
            return
        self.running = True
        if now > self.busy_until:
            self.wake_ups += 1
        self.factor = self._draw_factor(now - self.busy_until)
        end = now + int(self.iteration * self.factor)
        ready = [heappop(agenda)]
        while agenda and agenda[0][0] <= now:
            ready.append(heappop(agenda))
        for entry in ready:
            end = entry[3].run(end, now)
        self.cpu += end - now
        self.busy_until = self.core.free_at = end
        self.running = False
        if agenda:
            self._plan()

    def _next_turn(self) -> int:
        """Return when the next turn begins: at once if busy until then, else after waking up."""
        at = self.agenda[0][0]
        idle = at - self.busy_until
        if idle <= 0:
            return self.busy_until
        return at + int(self.wake_up * self._coldness(idle)) if self.wake_up else at

    def _plan(self) -> None:
        if self.agenda:
            at = self._next_turn()
            if at < self.turns[0]:
                self._schedule(at)

    def _schedule(self, at: int) -> None:
        heappush(self.turns, at)
        self.env.schedule(self.event, self.rank, at - self.env.now)

    def _coldness(self, idle: int) -> float:
        if not self.cold:
            return 1.0
        return 1.0 + self.cold * (1.0 - math.exp(-idle / self.cooling))

    def _draw_factor(self, idle: int) -> float:
        factor = self._coldness(idle) if idle > 0 else 1.0
        if self.noise:
            if not self.factors:
                mean = -self.noise**2 / 2
                self.factors = self.rng.lognormal(mean, self.noise, DRAWS).tolist()
            factor *= self.factors.pop()
        return factor
