"""How often cores stall, told from messages that waited longer than simulated ones do without stalls.

If stalls of length s come at random, `rate` a second, a message waits for the end of one, for more than
x, with probability rate (s - x). So how many wait for more than each of some limits tells how many
stalls there are of each of some lengths: the longest from the highest limit, then down.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab.compare import unbatched
from lab.physics import Stalls
from lab.scenario import Scenario
from lab.trace import Trace

LIMITS = (0.25e-3, 0.5e-3, 1e-3, 2e-3, 4e-3)  # seconds over the median of what messages wait
LENGTHS = (*LIMITS[1:], 8e-3)  # of stalls, in seconds
ORDINARY = 0.25  # of a limit: where nine in ten wait longer over the median, it tells nothing
MOST = 0.5e-3  # seconds: nor does any where they wait longer than so much
BUSY = 0.5  # of the time that a side works, from which on its messages wait for others in any case
FEWEST = 20  # messages in a run
WAITS = {
    "source": "schedule delay",
    "broker": "to the broker",
}  # what a stall of each side prolongs


class Late(NamedTuple):
    """How many messages waited longer than usual by more than each of `LIMITS`, and of how many.

    Where other waits are almost as long as a limit it is of none.
    """

    beyond: NDArray[np.int_]
    among: NDArray[np.int_]


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
    return {side: _late(some) for side, some in waits.items() if len(some) >= FEWEST}


def _waits(trace: Trace, side: str) -> NDArray[np.float64]:
    return trace.parts()[WAITS[side]][trace.counted]


def _late(waits: NDArray[np.float64]) -> Late:
    usual = np.quantile(waits, 0.9) - np.median(waits) <= np.minimum(
        ORDINARY * np.array(LIMITS), MOST
    )
    return Late(_beyond(waits) * usual, len(waits) * usual)


def _beyond(waits: NDArray[np.float64]) -> NDArray[np.int_]:
    over = waits - np.median(waits)
    return np.sum(over[:, None] > np.array(LIMITS), axis=0)


def expected(late: Mapping[str, Late], without: Trace) -> dict[str, Late]:
    """Return how many of the same messages are late in the same run, simulated `without` stalls."""
    return {
        side: Late(_beyond(_waits(without, side)) * (measured.among > 0), measured.among)
        for side, measured in late.items()
    }


def stalls(measured: Sequence[Late], without: Sequence[Late]) -> tuple[Stalls, ...]:
    """Return the stalls of a core that make messages late which `without` any are not."""
    late = _sum(measured).beyond - _sum(without).beyond
    shares = late / np.maximum(_sum(measured).among, 1)
    found: list[Stalls] = []
    for limit, length, share in reversed(list(zip(LIMITS, LENGTHS, shares, strict=True))):
        known = sum(longer.rate * (longer.length - limit) for longer in found)
        rate = (share - known) / (length - limit)
        if rate > 0:
            found.append(Stalls(rate=float(f"{rate:.4g}"), length=length))
    return tuple(reversed(found))


def _sum(some: Sequence[Late]) -> Late:
    none = np.zeros(len(LIMITS), int)
    return Late(*(sum((getattr(late, name) for late in some), none) for name in Late._fields))
