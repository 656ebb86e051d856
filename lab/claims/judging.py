"""How a verdict follows from intervals: factors, where they cross a limit, and what is clear of it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, takewhile

from lab.claims.base import Verdict
from lab.metrics import Interval


def known(interval: Interval) -> bool:
    """Say whether there is a mean."""
    return not math.isnan(interval.mean)


def exactly(count: int) -> Interval:
    """Return a count as an interval: it does not vary."""
    return Interval(count, count, count)


def geometric(values: Iterable[float]) -> Interval:
    """Return the geometric mean of values of independent replications, its interval in the logarithm.

    NaN unless every value is positive.
    """
    factors = list(values)
    if not all(factor > 0 for factor in factors):
        return Interval()
    found = Interval.over(math.log(factor) for factor in factors)
    return Interval(*(math.exp(value) for value in (found.mean, found.low, found.high)))


def crossing(sweep: Mapping[float, Sequence[float]], level: float = 1.0) -> Interval:
    """Return where a ratio crosses `level`: at which x of a sweep, which has a list of ratios for each x.

    Each replication is interpolated by itself, linearly in both logarithms, at its first crossing. NaN
    if one of them does not cross within the sweep.
    """
    xs = sorted(sweep)
    lines = zip(*(sweep[x] for x in xs), strict=True)
    return geometric(_first_crossing(xs, line, level) for line in lines)


def _first_crossing(xs: Sequence[float], line: Sequence[float], level: float) -> float:
    above = [math.log(y / level) if y > 0 else math.nan for y in line]
    for (x0, y0), (x1, y1) in pairwise(zip(map(math.log, xs), above, strict=True)):
        if y0 * y1 <= 0 and y0 != y1:
            return math.exp(x0 + (x1 - x0) * y0 / (y0 - y1))
    return math.nan


def bracket(sweep: Mapping[float, Sequence[float]], level: float = 1.0) -> tuple[float, float]:
    """Return the two x between which a ratio crosses `level` for certain: as far as intervals can tell.

    The whole intervals at, and beyond, one of them lie on one side, those at and beyond the other on
    the other side. NaN where there is none.
    """
    sides = [(x, _side(geometric(sweep[x]), level)) for x in sorted(sweep)]
    first, last = sides[0][1], sides[-1][1]
    if first * last >= 0:
        return math.nan, math.nan
    left = [x for x, _ in takewhile(lambda place: place[1] == first, sides)]
    right = [x for x, _ in takewhile(lambda place: place[1] == last, reversed(sides))]
    return left[-1], right[-1]


def _side(interval: Interval, level: float) -> int:
    return int(above(interval, level)) - int(below(interval, level))


def above(interval: Interval, limit: float) -> bool:
    """Say whether the whole interval lies above `limit`."""
    return interval.low > limit


def below(interval: Interval, limit: float) -> bool:
    """Say whether the whole interval lies below `limit`."""
    return interval.high < limit


def clears(interval: Interval, limit: float) -> bool | None:
    """Say whether an interval lies above `limit` (true), below it (false), or across it (None)."""
    if above(interval, limit):
        return True
    return False if below(interval, limit) else None


def weigh(holds: Iterable[bool | None]) -> Verdict:
    """Return the verdict of a criterion that should hold in every one of several cases.

    Supported if it holds in all, refuted if it fails in all, not measurable here if nothing can be said
    of any (None); in every other case it depends.
    """
    cases = list(holds)
    if all(held is None for held in cases):
        return "not measurable here"
    if all(held is True for held in cases):
        return "supported"
    return "refuted" if all(held is False for held in cases) else "depends"
