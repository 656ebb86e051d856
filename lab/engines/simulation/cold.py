"""How cold an event loop's code is: caches forget in sleep, and while others work on the core.

A loop cools in its sleep, the longer the colder, and deeper if it usually sleeps long; so does its
core, which other loops keep awake. Each piece of code cools by itself, from the moment when it ran last:
messages alike run the same. And whatever else ran on the core since has taken its place in the caches,
whether the loop slept meanwhile or not.
Times are in whole nanoseconds, coldness is from 0 (warm) to 1.
"""

import numpy as np

from lab.physics import LoopCosts

SECOND = 1_000_000_000
MEMORY = 20_000_000  # a sleep of so many nanoseconds counts as much as all before it
SOON = 100_000  # nanoseconds of sleep after which half of that is back which comes back soon
FOOTPRINT = 200_000  # so many nanoseconds of other work displace half of what they can


def cooled_by_octave(loop: LoopCosts) -> list[float]:
    """Return which share of the cold is back after sleeps of half a nanosecond, 1, 2, 4, 8, …"""
    known = np.log([loop.sleeps[0] / 4, *loop.sleeps]), [0.0, *loop.cooled]
    return np.interp(np.log(2.0 ** np.arange(-1, 64) / SECOND), *known).tolist()


def averaged(usual: float, idle: int) -> float:
    """Return the usual length of sleeps after one more of `idle`."""
    return usual + idle / (idle + MEMORY) * (idle - usual)


class Cold:
    """The cold of one loop. `asleep` says what a sleep would do, `wake` that it has been slept."""

    def __init__(self, loop: LoopCosts) -> None:
        self.cooled = cooled_by_octave(loop)
        self.residue, self.shared = loop.residue, loop.shared
        self.displaced, self.soon = loop.displaced, loop.soon
        self.steep = loop.steep
        self.habit = (loop.habit * SECOND) ** self.steep
        self.usual = 0.0  # sleep lately
        self.idle = 0  # in the last sleep
        self.core = 1.0  # cold of the core by its own sleep
        self.left = 0.0  # cold that outlived the time awake before
        self.now = 1.0  # cold of what ran just before the last sleep
        self.next = (0.0, 0, 1.0, 0.0, 1.0)  # the same five after the sleep that goes on
        self.slept = 0  # in all
        self.started = 0  # for how long the core had run at `wake` or `stay_awake`
        self.others = 0  # the same, but for what the loop itself ran when it was awake last
        self.ran: dict[int, tuple[int, int]] = {}  # by code: `slept` and `started` when it ran last

    def asleep(self, idle: int, core_idle: int, core_usual: float) -> float:
        """Return how cold the loop will be after a sleep of `idle`, in which its core slept so long."""
        usual = averaged(self.usual, idle)
        core = own = self._back(idle, usual)
        if core_idle < idle:
            core_idle = max(0, core_idle)
            core = self._back(core_idle, averaged(core_usual, core_idle))
        left = self.residue * self.now
        cold = self._mixed(own, core, left)
        self.next = (usual, idle, core, left, cold)
        return cold

    def wake(self, core_ran: int, own: int) -> None:
        """Note that the loop woke up, its core having run for so long, it itself since last time `own`."""
        self.usual, self.idle, self.core, self.left, self.now = self.next
        self.slept += self.idle
        self.started, self.others = core_ran, core_ran - own

    def stay_awake(self, core_ran: int) -> None:
        """Note that the core has run for so long by now, and the loop has not slept."""
        self.started = self.others = core_ran

    def of(self, code: int) -> float:
        """Return how cold code is that runs for the first time since `wake` or `stay_awake`."""
        slept, started = self.ran.get(code, (0, 0))  # all of it ran when the run was prepared
        self.ran[code] = self.slept, self.started
        cold = self.now
        unused = self.slept - slept
        if not unused:
            cold = 0.0
        elif unused != self.idle:  # it did not run when the loop was awake last
            cold = self._mixed(self._back(unused, self.usual), self.core, self.left)
        since = self.others - started
        if since > 0 and self.displaced:
            cold += self.displaced * since / (since + FOOTPRINT) * (1.0 - cold)
        return cold

    def _mixed(self, own: float, core: float, left: float) -> float:
        """Return the cold on a core that may have been awake, with what was `left` of it before."""
        if core < own:
            own += self.shared * (core - own)
        return own + left * (1.0 - own)

    def _back(self, idle: int, usual: float) -> float:
        """Return how much of the cold comes back in `idle` nanoseconds, if sleeps are `usual` so long."""
        if not idle:
            return 0.0
        octave = idle.bit_length()
        below, above = self.cooled[octave], self.cooled[octave + 1]
        slow = below + (above - below) * (2 * idle / (1 << octave) - 1)
        if self.habit:
            usual **= self.steep
            slow *= usual / (usual + self.habit)
        return slow + self.soon * (idle / (idle + SOON) - slow)
