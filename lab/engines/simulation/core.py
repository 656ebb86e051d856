"""A processor core: which loop has it, which may take it away, and when it stalls.

One loop's turn runs at a time. The core is free for the `last` loop at once, for others when that has
gone to sleep, or at the end of its turn if they preempt it. A fair scheduler, such as Linux's EEVDF,
lets a loop preempt that is woken and has had less of the core than the one that runs; any other has to
wait until it is `LAG` behind, so that two that are always busy take turns, a slice each. What each had
is counted over a busy period of the core; a loop that joins one begins level, and one that is woken is
never further ahead or behind than that. So what sends a request and waits preempts its server when the
reply wakes it, and the server goes to sleep after.
"""

from typing import TYPE_CHECKING

import numpy as np

from lab.engines.common import HEAD_START
from lab.engines.simulation.cold import SECOND, averaged
from lab.physics import Physics

if TYPE_CHECKING:
    from lab.engines.simulation.loop import EventLoop

NEVER = 2**62
SHORTEST = 100_000  # nanoseconds that a core keeps its speed on the average, at least
LAG = (
    2_000_000  # nanoseconds: half a slice, that is of the time between two ticks of Linux at 250 Hz
)
PREPARED = -int(HEAD_START * SECOND)  # when all is ready for a run: its loops have slept since


class Claim:
    """What a loop has had of its core, and whether it may take it from another."""

    def __init__(self) -> None:
        self.period = -1  # of the core, in which the loop ran last
        self.level = 0  # CPU time of the loop when it had had nothing in that period
        self.waits = False  # for another loop
        self.preempts = False  # that one, at the end of its turn


class Core:
    """A core and its loops. Times are whole nanoseconds.

    Now and then it stalls: a turn that would begin meanwhile begins, but gets nowhere until the end
    of the stall.
    """

    def __init__(self, physics: Physics, rng: np.random.Generator) -> None:
        self.free_at = PREPARED
        self.usual = 0.0  # sleep lately
        self.ran = 0  # in all, for any loop
        self.meant = 0.0  # the same at the pace that is usual
        self.last: EventLoop | None = None
        self.others_at = PREPARED  # when the last one has gone to sleep
        self.preempted: EventLoop | None = None  # by the last one, before it had gone to sleep
        self.claimed = False  # whether a loop preempts the last one at the end of its turn
        self.period = 0  # how often the core has become busy
        self.swing, self.spell = physics.swing, max(physics.spell * SECOND, SHORTEST)
        self.pace = 1.0  # by which work takes longer than usual
        self.changes_at = PREPARED if self.swing else NEVER
        self.stalls, self.rng = physics.stalls, rng
        self.stall_rate = sum(some.rate for some in physics.stalls)
        self.stall_at = self._gap()
        self.stall_until = 0

    def admits(self, loop: "EventLoop", now: int) -> bool:
        """Say whether a loop need not wait until the last one sleeps. It may have to for the turn's end."""
        if now >= self.others_at:
            return True
        if self.last is loop:
            return not self.claimed
        claim, less = loop.claim, self._less(loop, now)
        if not claim.waits:
            claim.waits, claim.preempts = True, less > 0
            claim.level += min(max(less, -LAG), LAG) - less
        elif less >= LAG:
            claim.preempts = True
        self.claimed = self.claimed or claim.preempts
        return claim.preempts

    def _less(self, loop: "EventLoop", now: int) -> int:
        """Return how much less of the core a loop has had than the one that runs."""
        last, claim = self.last, loop.claim
        assert last is not None
        had = last.cpu - last.claim.level + now - last.busy_until
        own = loop.cpu + loop.core_tail
        if claim.period != self.period:
            claim.period, claim.level = self.period, own - had
        return had - (own - claim.level)

    def begin_period(self, loop: "EventLoop", slept: int) -> None:
        """Note that a loop wakes up the core, which has slept for so long."""
        self.usual = averaged(self.usual, slept)
        self.period += 1
        loop.claim.period, loop.claim.level = self.period, loop.cpu

    def begin(self, loop: "EventLoop", now: int) -> None:
        """Have a loop's turn begin."""
        claim, last = loop.claim, self.last
        if self.preempted is loop:
            self.preempted = None
            loop.come_back(now)
        if now > self.others_at:
            self.begin_period(loop, now - self.others_at)
        elif now < self.others_at and last is not None and last is not loop:
            self.preempted = last
            last.claim.waits = True
        claim.waits = claim.preempts = False
        self.claimed = False
        self.last, self.others_at = loop, NEVER

    def end(self, end: int, tail: int) -> None:
        """Have the turn end. Its loop then takes `tail` to go to sleep, if it finds nothing."""
        self.others_at = end + tail + 1
        if self.preempted is not None:
            self.preempted.busy_until = self.others_at

    def resume(self) -> None:
        """Let the preempted loop go on: the one that did it has gone to sleep."""
        loop = self.last = self.preempted
        assert loop is not None
        self.preempted = None
        loop.claim.waits = False
        loop.come_back(self.others_at)
        self.others_at = loop.busy_until + loop.core_tail + 1

    def change_pace(self, now: int) -> None:
        """Take the speed of the spell that goes on `now`; they begin whether the core is used or not."""
        sigma = self.swing
        while self.changes_at <= now:
            self.pace = self.rng.lognormal(-(sigma**2) / 2, sigma)
            self.changes_at += int(self.rng.exponential(self.spell))

    def stall(self, now: int) -> int:
        """Return for how long the core stalls from `now` on. Ask from `stall_at` on."""
        while self.stall_at <= now:
            self.stall_until = self.stall_at + self._length()
            self.stall_at = self.stall_until + self._gap()
        return max(0, self.stall_until - now)

    def _length(self) -> int:
        chosen = self.rng.random() * self.stall_rate
        for some in self.stalls[:-1]:
            chosen -= some.rate
            if chosen < 0:
                return int(some.length * SECOND)
        return int(self.stalls[-1].length * SECOND)

    def _gap(self) -> int:
        rate = self.stall_rate
        return int(self.rng.exponential(1 / rate) * SECOND) if rate else NEVER
