"""How often cores stall, told from messages that waited longer than simulated ones do without stalls.

If stalls of length s come at random, `rate` a second, a message waits for the end of one, for more than
x, with probability rate (s - x). So how many wait for more than each of some limits tells how many
stalls there are of each of some lengths: the longest from the highest limit, then down.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab.compare import unbatched
from lab.physics import Stalls
from lab.scenario import Scenario
from lab.trace import Trace

LIMITS = (0.25e-3, 0.5e-3, 1e-3, 2e-3, 4e-3)  # seconds over the median of what messages wait
LENGTHS = (*LIMITS[1:], 8e-3)  # of stalls, in seconds
ORDINARY = 0.5  # of a limit: where one in ten waits longer over the median, it tells nothing
SELDOM = 0.005  # of the messages: nor does it where more wait longer than it without stalls
BUSY = 0.5  # of the time that a side works, from which on its messages wait for others in any case
FEWEST = 20  # messages in a run
EXPOSED = 0.1  # seconds for which messages together could meet a stall, or a limit tells nothing
TOGETHER = 2e-3  # seconds: messages that come within so little are likely to meet the same stall
WAITS = {
    "source": "schedule delay",
    "broker": "to the broker",
}  # what a stall of each side prolongs


class Late(NamedTuple):
    """How many messages waited longer than usual by more than each of `LIMITS`, and of how many.

    Where other waits are almost as long as a limit it is of none. Messages that come together count as
    one: they tell no more of stalls.
    """

    beyond: NDArray[np.float64]
    among: NDArray[np.float64]


def lateness(scenario: Scenario, trace: Trace) -> dict[str, Late]:
    """Return the messages that were late at each side where little but stalls makes them wait."""
    strategy = scenario.strategies[0]
    if strategy.paced or unbatched(scenario, strategy)[1] != strategy:
        return {}  # several come at once: the work on them makes others wait
    sides = trace.counters.cpu_seconds
    if not all(side in sides for side in WAITS) or trace.manifest["consumers"] > 1:
        return {}
    span = float(np.nanmax(trace.done))
    waits = {side: _waits(trace, side) for side in WAITS if sides[side] < BUSY * span}
    return {side: _late(some, span) for side, some in waits.items() if len(some) >= FEWEST}


def _waits(trace: Trace, side: str) -> NDArray[np.float64]:
    return trace.parts()[WAITS[side]][trace.counted]


def _late(waits: NDArray[np.float64], span: float) -> Late:
    """Return what is told by waits in a run of `span` seconds."""
    usual = np.quantile(waits, 0.9) - np.median(waits)
    told = (usual <= ORDINARY * np.array(LIMITS)).astype(float)
    looks = len(waits) / (1 + len(waits) / span * TOGETHER)
    return Late(_beyond(waits) * looks * told, looks * told)


def _beyond(waits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of the waits that is longer than usual by more than each limit."""
    over = waits - np.median(waits)
    return np.mean(over[:, None] > np.array(LIMITS), axis=0)


def expected(late: Late, side: str, without: Trace) -> NDArray[np.float64]:
    """Return how many of the same messages are late in the same run, simulated `without` stalls."""
    return _beyond(_waits(without, side)) * late.among


def stalls(groups: Iterable[Sequence[tuple[Late, NDArray[np.float64]]]]) -> tuple[Stalls, ...]:
    """Return the stalls of a core that explain what is late.

    A group is of runs alike at one side: for each what was late, and how many messages are `expected` to be
    without stalls. Where those are too many, or too few messages were looked at, a limit tells nothing.
    """
    late, among = np.zeros(len(LIMITS)), np.zeros(len(LIMITS))
    for runs in groups:
        beyond, counted, without = np.sum([(*measured, few) for measured, few in runs], axis=0)
        told = without <= SELDOM * counted
        late += (beyond - without) * told
        among += counted * told
    exposed = among * (np.array(LENGTHS) - LIMITS)
    shares = np.where(exposed < EXPOSED, 0.0, late / np.maximum(among, 1.0))
    found: list[Stalls] = []
    for limit, length, share in reversed(list(zip(LIMITS, LENGTHS, shares, strict=True))):
        known = sum(longer.rate * (longer.length - limit) for longer in found)
        rate = (share - known) / (length - limit)
        if rate > 0:
            found.append(Stalls(rate=float(f"{rate:.4g}"), length=length))
    return tuple(reversed(found))
