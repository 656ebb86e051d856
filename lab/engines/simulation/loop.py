"""An event loop in virtual time: asleep, woken, then turn after turn until nothing is ready.

Rules. Time is in whole nanoseconds. A loop has one thread: a turn handles, one after another, what
was ready when the turn began, and nothing else runs on its core meanwhile. Whatever is ready at the
same time is handled in the order (time, kind, rank), and loops that turn at the same time do so in
the order of their ranks, so that no result depends on the order in which things were built.

What a turn sends arrives after the turn began, at a time known when it is sent. So a whole turn is
one SimPy event, at its beginning. And a loop goes on to its next turns within the same event, as long
as they begin before the next turn of every loop that could reach it (conservative look-ahead, as in
parallel simulation: Chandy and Misra 1979). Both change the speed, never the result.
"""

from collections.abc import Callable
from functools import lru_cache
from heapq import heapify, heappop, heappush, heapreplace
from typing import Any

import numpy as np
import simpy
from simpy.events import EventPriority

from lab.engines.simulation.cold import FOOTPRINT, SECOND, Cold
from lab.engines.simulation.core import LAG, NEVER, PREPARED, Claim, Core
from lab.physics import Physics

WRITABLE, ARRIVAL, TIMER = range(3)  # kinds of things that become ready, in the order of handling
DRAWS = 2**16
MOMENT = 20  # a moment is so many bits of nanoseconds: about a millisecond
STRIDE = 1009  # from the first draw of a moment to that of the next
SETTLING = 0.1  # of the cold is felt in going to sleep: most of that code has just run
AHEAD = 256  # turns that a loop may take in one SimPy event


class Ready:
    """Something an event loop can have ready: `run` handles it from `now` on, returns the end.

    If it comes from another core it takes up to `cold_hop` nanoseconds more to wake a loop that has
    cooled.
    """

    rank: int
    cold_hop = 0.0

    def run(self, now: int, begun: int) -> int:
        raise NotImplementedError

    def due(self, at: int) -> int:
        """Return when a timer that was set for `at` is due by now: later, or `NEVER`, if it was moved."""
        return at


Entry = tuple[int, int, int, Ready]  # ready at, kind, rank
Charge = tuple[float, float, int]
"""A cost: nanoseconds in a warm loop, as many more in a cold one, and a bit that names its code."""

NOTHING: Charge = (0.0, 0.0, 0)
ITERATION, STEP, RESUME, BEGIN, FINISH, ROUSE = 1, 2, 4, 8, 16, 32  # bits of code
OTHER = 64  # the first of those of messages that are calls, six in all
STREAMS = OTHER << 6  # the first of those of messages on streams, five in all
HTTP = STREAMS << 5  # the first of those of requests and answers, eight in all
OF_STREAMS, OF_HTTP = HTTP - STREAMS, (HTTP << 8) - HTTP  # all of them


def charge(cost: float, code: int, cold: float, repeated: float = 0.0) -> Charge:
    """Return the charge for `cost` seconds of work, and `repeated` ones of the same again and again.

    Code that has not run since the loop slept takes 1 + `cold` times as long in a loop as cold as
    can be. What is repeated is warm.
    """
    if not cost + repeated:
        return NOTHING
    return (cost + repeated) * SECOND, cold * cost * SECOND, code


class Turn(simpy.Event):
    """The one event of a loop, scheduled again and again."""

    def __init__(self, env: simpy.Environment, loop: "EventLoop") -> None:
        super().__init__(env)
        self._ok = True
        self._value = None
        self.again: list[Callable[[Any], None]] = [loop.turns]
        self.callbacks = self.again


@lru_cache(maxsize=8)
def lognormal(sigma: float) -> list[float]:
    """Return `DRAWS` factors with mean 1, those of every run; a loop begins anywhere among them."""
    draws = np.exp(sigma * np.random.default_rng(DRAWS).normal(size=DRAWS))
    return (draws / draws.mean()).tolist()


class Noise:
    """Chance: factors with mean 1 for the costs of turns and for wake-ups.

    It belongs to the moment, not to how many turns came before: runs that differ in little have the
    same luck at the same time, so that the difference shows.
    """

    def __init__(self, physics: Physics, rng: np.random.Generator) -> None:
        self.factors = lognormal(physics.noise)
        self.first = int(rng.integers(DRAWS))
        self.moment, self.next = 0, self.first

    def draw(self, now: int) -> float:
        moment = now >> MOMENT
        if moment != self.moment:
            self.moment = moment
            self.next = self.first + moment * STRIDE
        self.next += 1
        return self.factors[self.next % DRAWS]


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
        self.priority = EventPriority(rank)
        self.core = core
        self.claim = Claim()
        loop = physics.loop
        self.wake_up = loop.wake_up * SECOND
        self.rouse = charge(loop.rouse, ROUSE, loop.cold)
        self.iteration = charge(loop.iteration, ITERATION, loop.cold)
        self.begin = charge(loop.begin, BEGIN, loop.cold)
        self.begin_next = loop.begin_next * SECOND
        self.finish = charge(loop.finish, FINISH, loop.cold)
        self.timer, self.slack = int(loop.timer * SECOND), loop.slack
        self.apart = 1.0 - loop.common
        self.sleep, self.drowsy = loop.sleep * SECOND, loop.drowsy
        self.settling = SETTLING * loop.cold
        self.cold = Cold(loop)
        self.warm = 0  # bits of the code that has run since the loop slept, or lately
        self.fresh_until = 0  # the core has run for so long, after which that is asked anew
        self.peer = 0  # the consumer whose messages are handled
        self.peers: dict[int, int] = {}  # by consumer: the bits of its messages that are warm
        self.heard = 0  # those of any but this one
        self.factor = 1.0  # by which this turn's costs differ from the mean
        self.pace = 1.0  # that of the core in this turn
        own = loop.cold, loop.drowsy, loop.rouse, loop.slack
        self.varies = any((*own, physics.link.drowsy, physics.noise, physics.swing))
        self.stalls = bool(core.stall_rate)
        self.noise = Noise(physics, rng)
        self.luck = self.noise.draw(PREPARED)  # the factor of the next wake-up
        self.agenda: list[Entry] = []
        self.planned = [NEVER]  # when turns are scheduled, as a heap
        self.depends_on: list[EventLoop] = []
        self.limit = NEVER  # when the run is cut off
        self.horizon = 0  # a turn that begins later must wait for other loops
        self.may_reach: list[EventLoop] = []
        self.event = Turn(env, self)
        self.running = False
        self.alone = False  # whether the turn handles one thing only
        self.patience = NEVER  # of others on the core, who want a turn when one has lasted so long
        self.ahead = 0  # turns that may still be taken in this SimPy event
        self.begun = 0
        self.opened = 0  # when the turn had paid for itself
        self.ended = PREPARED  # the last turn
        self.busy_until = PREPARED  # the same, but for what another took the core for since
        self.cpu = 0
        self.cpu_asleep = 0  # what it was when the loop woke up last
        self.core_tail = 0  # what going to sleep takes after the last turn
        self.asleep = False  # whether it will have slept when the next turn begins
        self.wake_ups = 0

    def add(self, at: int, kind: int, ready: Ready) -> None:
        """Make `ready` known: it is to be handled in the first turn that begins at or after `at`."""
        heappush(self.agenda, (at, kind, ready.rank, ready))
        if at < self.planned[0] and not self.running:
            turn = self._next_turn()
            if turn < self.planned[0]:
                self._schedule(turn)

    def forget(self, ready: Ready) -> bool:
        """Take `ready` off the agenda; say whether it was there."""
        kept = [entry for entry in self.agenda if entry[3] is not ready]
        found = len(kept) < len(self.agenda)
        if found:
            self.agenda[:] = kept
            heapify(self.agenda)
        return found

    def turns(self, event: simpy.Event) -> None:
        """Take turns until another loop may be ahead. The SimPy callback of `self.event`."""
        self.event.callbacks = self.event.again
        now = int(self.env.now)
        agenda, planned, core = self.agenda, self.planned, self.core
        heappop(planned)
        self.running = True
        self.horizon = min([planned[0], self.limit, *(o.planned[0] for o in self.depends_on)])
        self.ahead = AHEAD
        while agenda:
            if core.preempted is not None and now >= core.others_at:
                core.resume()
            due = self._next_turn()  # later than planned if a turn came between
            if now < due:
                now = due
            elif not core.admits(self, now):
                now = core.others_at
            elif now < core.free_at:
                now = core.free_at
            else:
                self._turn(now)
                if not agenda:
                    break
                now = self._next_turn()
            self.ahead -= 1
            if now >= self.horizon or self.ahead < 0:
                break
        self.running = False
        if agenda and now < planned[0]:
            self._schedule(now)

    def _turn(self, now: int) -> None:
        """Handle what is ready at `now`, and what `go_on` lets follow."""
        if now > self.busy_until:
            self._charge(self.core_tail)
        if self.asleep:
            self._wake(now)
        core = self.core
        if self.sleep:
            core.begin(self, now)
        self._open(now)
        agenda = self.agenda
        entry = heappop(agenda)
        if not agenda or agenda[0][0] > now:
            self.alone = True
            end = entry[3].run(self.opened, now)
            self.alone = False
        else:
            end = self._run_all(entry, self.opened, now)
        self._charge(end - self.begun)
        self.ended = self.busy_until = core.free_at = end
        if self.sleep:
            self.core_tail = self._tail()
            core.end(end, self.core_tail)

    def _open(self, now: int) -> None:
        """Begin a turn: draw how its costs differ from the mean, and pay for the turn itself."""
        self.begun = self.opened = now
        if self.varies:
            self._draw(now)
            if self.core.ran > self.fresh_until:
                self._displace()
            if not self.warm:
                self.opened = self.pay(self.rouse, now)
            self.opened = self.pay(self.iteration, self.opened)
        else:
            self.opened += int(self.iteration[0])
        self.opened += self._stall(now)

    def vary(self, now: int) -> int:
        """Go on with one more thing in this turn, whose chance is its own; returns when it begins.

        Without this all of a long turn would be as fast or slow as its first message.
        """
        if self.varies:
            self._draw(now)
        return now + self._stall(now)

    def _displace(self) -> None:
        """Have code that ran long ago be displaced by what the core ran since, without a sleep."""
        self.cold.stay_awake(self.core.ran)
        self.fresh_until = self.core.ran + FOOTPRINT
        self.warm = ROUSE  # it need not rouse again

    def _draw(self, now: int) -> None:
        """Draw how what begins now differs from the mean."""
        core = self.core
        if now >= core.changes_at:
            core.change_pace(now)
        if core.pace != self.pace:
            core.meant += (now - self.begun) * (1.0 / self.pace - 1.0 / core.pace)  # see `_charge`
            self.pace = core.pace
        self.factor = self.noise.draw(now) * self.pace

    def _stall(self, now: int) -> int:
        """Return for how long the core stalls from `now` on."""
        core = self.core
        if self.stalls and (now >= core.stall_at or now < core.stall_until):
            return core.stall(now)
        return 0

    def _charge(self, used: int) -> None:
        """Note that the loop had its core for so long."""
        self.cpu += used
        self.core.ran += used
        self.core.meant += used / self.pace

    def pay(self, charge: Charge, now: int) -> int:
        """Return when work is done that begins `now`.

        Code that runs first since the loop woke up is cold; that of messages less so after another one of
        the same protocol. What the cold adds is certain: only warm work can be disturbed.
        """
        work, cold, code = charge
        work *= self.factor
        if not self.warm & code:
            if (self.warm | self.heard) & (
                OF_HTTP if code >= HTTP else OF_STREAMS if code >= STREAMS else 0
            ):
                cold *= self.apart
            self.warm |= code
            if code >= OTHER:
                code += self.peer << 32
            work += cold * self.pace * self.cold.of(code)
        return now + int(work)

    def turn_to(self, peer: int) -> None:
        """Handle this consumer's messages from now on.

        Those of others warm its own as messages of another kind do: they share code, not objects.
        """
        messages = self.warm & -OTHER
        self.peers[self.peer] = messages
        self.heard |= messages
        self.warm += self.peers.get(peer, 0) - messages
        self.peer = peer

    def _wake(self, now: int) -> None:
        """Wake up: be as cold as the sleep has made the loop."""
        self.wake_ups += 1
        if self.varies:
            self._begin_cold()
            self.luck = self.noise.draw(now) * self.core.pace

    def come_back(self, now: int) -> None:
        """Go on after another loop had the core: as cold as after a sleep in which the core was awake."""
        if self.varies:
            self.cold.asleep(now - self.ended, 0, self.core.usual)
            self._begin_cold()

    def _begin_cold(self) -> None:
        """Begin anew with nothing warm, as cold as `Cold.asleep` was told last."""
        self.cold.wake(self.core.ran, self.cpu - self.cpu_asleep)
        self.cpu_asleep = self.cpu
        self.fresh_until = self.core.ran + FOOTPRINT
        self.warm = 0
        if self.heard:
            self.heard = 0
            self.peers.clear()

    def _tail(self) -> int:
        """Return what going to sleep takes after this turn."""
        return int(self.sleep * self.pace * (1.0 + self.settling * self.cold.now))

    def _latency(self, idle: int, core_idle: int, timed: bool, cold_hop: float) -> int:
        """Return how long waking up takes after the loop and its core were idle for so long.

        A timer, which is late in a warm loop, is later in a cold one, and the later the longer it was;
        what comes from another core takes up to `cold_hop` more.
        """
        cold = self.cold.asleep(idle, core_idle, self.core.usual)
        drowsy = self.drowsy * cold
        latency = (self.wake_up * (1.0 + drowsy) + cold_hop * cold) * self.luck
        return int(latency + self.timer * drowsy + self.slack * idle if timed else latency)

    def go_on(self, at: int, end: int, timed: bool = False, cold_hop: float = 0.0) -> int:
        """End the turn at `end` and begin the next, for what the caller has ready `at`.

        `timed` says that a timer makes it ready, `cold_hop` is what it has as `Ready`. Returns when the
        turn began, or -1 if it may not: something else comes first. What the caller does next starts
        at `opened`. This saves the way through the agenda.
        """
        tail = self._tail() if at > end else 0
        asleep = at > end + tail
        if not asleep:
            begin = end + tail
        elif self.varies:
            begin = at + self._latency(at - end, at - end, timed, cold_hop)
        else:
            begin = at + int(self.wake_up)
        agenda = self.agenda
        if begin >= self.horizon or not self.alone or (agenda and agenda[0][0] <= begin):
            return -1
        if self.core.preempted:  # it may have to go on in between
            return -1
        self.ahead -= 1
        if self.ahead < 0:
            return -1
        self._charge(end - self.begun + tail)
        if asleep:
            self._wake(begin)
            self.core.begin_period(self, begin - end - tail - 1)  # as `Core.end` counts its sleep
        self._open(begin)
        return begin

    def _run_all(self, entry: Entry, end: int, now: int) -> int:
        """Handle `entry` and all that was ready at `now`, but nothing that becomes ready later."""
        ready = [entry]
        while self.agenda and self.agenda[0][0] <= now:
            if self.agenda[0][1] != TIMER or not self._moved():
                ready.append(heappop(self.agenda))
        for i, (*_, item) in enumerate(ready):
            end = item.run(self.vary(end) if i else end, now)
        return end

    def _moved(self) -> bool:
        """Say whether the timer that comes first was moved; put it where it belongs."""
        at, _, rank, ready = self.agenda[0]
        due = ready.due(at)
        if due == at:
            return False
        if due == NEVER:
            heappop(self.agenda)
        else:
            heapreplace(self.agenda, (due, TIMER, rank, ready))
        return True

    def _next_turn(self) -> int:
        """Return when the next turn begins: at once if not asleep yet, else after waking up.

        Timers that were moved wake nobody; if nothing else is on the agenda, that is `NEVER`.
        """
        agenda = self.agenda
        while agenda[0][1] == TIMER and self._moved():
            if not agenda:
                return NEVER
        at, kind, _, ready = agenda[0]
        idle = at - self.busy_until
        self.asleep = idle > self.core_tail
        if not self.asleep:
            return self.busy_until + (self.core_tail if at > self.ended else 0)
        core = self.core
        if self.varies:
            latency = self._latency(idle, at - core.free_at, kind == TIMER, ready.cold_hop)
        else:
            latency = int(self.wake_up)
        if at < core.others_at and core.last is not self:
            return at  # another loop keeps the core awake
        return at + latency

    def _schedule(self, at: int) -> None:
        heappush(self.planned, at)
        self.env.schedule(self.event, self.priority, at - self.env.now)
        for loop in self.may_reach:
            loop.horizon = min(loop.horizon, at)


def depend(loops: list[EventLoop], sends: set[tuple[EventLoop, EventLoop]]) -> None:
    """Tell each loop which others it depends on: those whose messages or turns can reach it.

    `sends` holds (sender, receiver) pairs. Loops on one core wait for one another, too.
    """
    reach = {(a, b) for a, b in sends if a is not b}
    reach |= {(a, b) for a in loops for b in loops if a is not b and a.core is b.core}
    for middle in loops:
        before = [a for a, b in reach if b is middle]
        after = [b for a, b in reach if a is middle]
        reach |= {(a, b) for a in before for b in after}
    for loop in loops:
        if any(other.core is loop.core for other in loops if other is not loop):
            loop.patience = LAG
        loop.depends_on = [a for a in loops if (a, loop) in reach and a is not loop]
        loop.may_reach = [b for b in loops if (loop, b) in reach and b is not loop]
